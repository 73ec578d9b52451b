import ArgumentParser
import Logging
import WeirClient

/// What every command that talks to a broker takes.
struct ConnectionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The broker to ask first; several may be given with commas.", valueName: "host:port"))
    var bootstrap = "127.0.0.1:9092"

    @Option(help: ArgumentHelp("How long to try before giving up, such as 30s.", valueName: "duration"))
    var timeout = CommandDuration(milliseconds: 30_000)

    @Flag(name: .long, help: "Log what the client does to standard error.")
    var verbose = false

    func configuration() throws -> ClientConfiguration {
        var configuration = try usage {
            () throws(ClientError) in try ClientConfiguration(bootstrap: bootstrap)
        }
        configuration.clientID = "weir-cli"
        // A person who mistyped an address wants to know at once.
        configuration.bootstrapTimeoutMs = 0
        configuration.callTimeoutMs = timeout.milliseconds
        configuration.requestTimeoutMs = min(timeout.milliseconds, 30_000)
        configuration.connectTimeoutMs = min(timeout.milliseconds, 10_000)
        if verbose {
            var logger = Logger(label: "weir") { StreamLogHandler.standardError(label: $0) }
            logger.logLevel = .debug
            configuration.logger = logger
        }
        return configuration
    }

    /// Runs the body with an admin client.
    func withAdmin<Value>(_ body: (Admin) async throws -> Value) async throws -> Value {
        try await Admin.with(try configuration(), body)
    }
}

/// A duration argument.
struct CommandDuration: ExpressibleByArgument {
    let milliseconds: Int64

    init(milliseconds: Int64) { self.milliseconds = milliseconds }

    init?(argument: String) {
        guard let value = DurationText.milliseconds(argument), value > 0 else { return nil }
        milliseconds = value
    }

    var defaultValueDescription: String { "\(milliseconds / 1000)s" }
}

/// A `KEY=VALUE` argument; the value may be empty and may hold further equals signs.
struct KeyValue: ExpressibleByArgument {
    let key: String
    let value: String

    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else { return nil }
        key = String(argument[..<equals])
        value = String(argument[argument.index(after: equals)...])
    }
}
