import ArgumentParser
import WeirServer

struct BrokerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "broker",
        abstract: "Run a broker in the foreground.",
        discussion: """
            Kafka's property names are the configuration names. A setting is taken from --set and the options, else from the
            environment (WEIR_LOG_SEGMENT_BYTES is log.segment.bytes), else from the --config file, else it is the default.
            SIGTERM and SIGINT stop the broker cleanly.
            """)

    @Option(name: .long, help: ArgumentHelp("A data directory; may be repeated.", valueName: "dir"))
    var data: [String] = []

    @Option(
        help: ArgumentHelp("Where to listen (default 127.0.0.1:9092; port 0 takes a free one).", valueName: "host:port")
    )
    var listen: String?

    @Option(help: ArgumentHelp("The address that clients are told.", valueName: "host:port"))
    var advertise: String?

    @Option(name: .customLong("node-id"), help: ArgumentHelp("This broker's number in its cluster.", valueName: "n"))
    var nodeID: Int?

    @Option(
        help: ArgumentHelp(
            "Where the cluster's metadata is kept: embedded, in the data directory.", valueName: "registry"))
    var registry: String?

    @Option(help: ArgumentHelp("Where to serve HTTP.", valueName: "host:port"))
    var http: String?

    @Option(help: ArgumentHelp("A configuration file in Kafka's properties format.", valueName: "file"))
    var config: String?

    @Option(name: .customLong("set"), help: ArgumentHelp("One setting; may be repeated.", valueName: "key=value"))
    var settings: [String] = []

    @Flag(help: "Allow a listener without TLS on an address that is not loopback.")
    var allowPlaintext = false

    func run() async throws {
        var options = BrokerOptions()
        options.data = data
        options.listen = listen
        options.advertise = advertise
        options.nodeID = nodeID
        options.registry = registry
        options.http = http
        options.configFile = config
        options.settings = settings
        options.allowPlaintext = allowPlaintext
        do {
            try await BrokerProcess.run(options)
        } catch {
            StandardError.print("weir broker: \(error)")
            throw ExitCode(1)
        }
    }
}
