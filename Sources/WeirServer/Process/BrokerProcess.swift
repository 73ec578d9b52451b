import CWeirLinux
import Glibc
import Logging
import NIOCore
import NIOPosix
import SystemPackage
import WeirBroker
import WeirModel
import WeirRegistry
import WeirRegistrySQLite
import WeirStorage
import WeirSystem

/// Why a broker did not start, or ended: one line that says what and what to do.
public struct BrokerFailure: Error, CustomStringConvertible, Sendable {
    public let description: String
    init(_ description: String) { self.description = description }
}

/// A broker as a process, from its settings to its end.
public enum BrokerProcess {
    /// The embedded registry's file in the data directory.
    static let registryName = "registry.db"

    /// Runs a broker until SIGTERM or SIGINT, then stops it cleanly.
    ///
    /// When it serves, `weir broker N ready on HOST:PORT` stands on standard error.
    ///
    /// - Throws: An error whose description is one line, fit for the operator.
    public static func run(_ options: BrokerOptions) async throws {
        guard let stop = ProcessSignals.install() else {
            throw BrokerFailure("no pipe for signals: too many open files")
        }
        let descriptors = weir_raise_descriptor_limit()
        let settings = try options.resolve(
            environment: ProcessEnvironment.variables(), readFile: ProcessEnvironment.readFile)
        let logger = Logger(label: "weir") { label in
            LogOutput(
                label: label, level: Logger.Level(rawValue: settings.logLevel) ?? .info,
                format: LogOutput.Format(rawValue: settings.logFormat) ?? .text)
        }
        for warning in settings.warnings { logger.warning("\(warning)") }
        let ends = ProcessEnd()
        let runtime = try await BrokerRuntime.start(settings, descriptors: Int(descriptors), logger: logger) {
            failure in
            ends.announce(.failed(failure))
        }
        announceReady(settings.nodeID, runtime.addresses)
        Task { ends.announce(.asked(await stop.wait())) }
        let end = await ends.wait()
        stopForcedly(afterMilliseconds: settings.shutdownTimeoutMs, logger: logger)
        switch end {
        case .asked(let signal): logger.info("\(signal): stopping")
        case .failed(let reason): logger.critical("stopping: \(reason)")
        }
        await runtime.stop()
        if case .failed(let reason) = end { throw BrokerFailure(reason) }
    }

    /// Other tools wait for this line: its form is a contract.
    private static func announceReady(_ id: BrokerID, _ addresses: [ListenerAddress]) {
        let places = addresses.map(\.hostAndPort).joined(separator: ", ")
        LogOutput.write("weir broker \(id) ready on \(places)\n")
    }

    /// A stop that hangs is not a stop: what is synced is safe either way.
    private static func stopForcedly(afterMilliseconds delay: Int64, logger: Logger) {
        guard delay > 0 else { return }
        Task.detached {
            try? await Task.sleep(for: .milliseconds(delay))
            logger.critical("not stopped within shutdown.timeout.ms (\(delay)); ending anyway")
            _exit(1)
        }
    }
}

/// What ends a broker's service; the first announcement counts.
private final class ProcessEnd: Sendable {
    enum Reason: Sendable {
        case asked(String)
        case failed(String)
    }

    private let stream: AsyncStream<Reason>
    private let continuation: AsyncStream<Reason>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream(of: Reason.self, bufferingPolicy: .bufferingOldest(1)) }

    func announce(_ reason: Reason) { continuation.yield(reason) }

    func wait() async -> Reason {
        for await reason in stream { return reason }
        return .failed("nothing is left to wait for")
    }
}
