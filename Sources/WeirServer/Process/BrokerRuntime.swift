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

/// A broker with everything around it that it does not know: event loops, disk, registry, listeners.
final class BrokerRuntime: Sendable {
    let addresses: [ListenerAddress]
    private let broker: Broker
    private let server: BrokerServer
    private let logs: LogManager
    private let registry: SQLiteRegistry
    private let group: MultiThreadedEventLoopGroup
    private let pools: [ThreadPool]

    private init(
        broker: Broker, server: BrokerServer, logs: LogManager, registry: SQLiteRegistry,
        group: MultiThreadedEventLoopGroup, pools: [ThreadPool]
    ) {
        self.broker = broker
        self.server = server
        self.logs = logs
        self.registry = registry
        self.group = group
        self.pools = pools
        addresses = server.addresses
    }

    /// Threads for what waits for the disk: cold reads, deletions, logs that are recovered at the start.
    private static let workerThreads = 8

    /// Takes the data directory, binds the listeners, recovers, and serves.
    ///
    /// - Parameters:
    ///   - descriptors: How many files the process may have open.
    ///   - failed: Called when the broker can no longer serve, with the reason.
    static func start(
        _ settings: BrokerSettings, descriptors: Int, logger: Logger, failed: @escaping @Sendable (String) -> Void
    ) async throws -> BrokerRuntime {
        // The lock comes first: nothing of another broker's is touched.
        let data = try openDirectory(settings)
        let clock = SystemClock()
        let random = SystemRandom()
        let threads = settings.numNetworkThreads > 0 ? settings.numNetworkThreads : Int(weir_available_processors())
        let group = MultiThreadedEventLoopGroup(numberOfThreads: max(threads, 1))
        let timers = EventLoopTimers(group: group)
        let workers = ThreadPool(threads: workerThreads, name: "weir-worker")
        let flushers = ThreadPool(threads: settings.flusherThreads, name: "weir-flusher")

        let registry = try SQLiteRegistry(
            path: data.path.appending(BrokerProcess.registryName), clock: clock, timers: timers)
        let store = try await ClusterStore.open(registry, nodeID: settings.nodeID, random: random)
        let logs = try LogManager.open(
            data, clusterID: store.state.clusterID.description, nodeID: settings.nodeID, clock: clock, timers: timers,
            random: random, flushers: flushers, settings: storageSettings(settings, descriptors: descriptors)
        ) { notice in
            logger.log(level: notice.level.loggerLevel, "\(notice.message)")
        }
        logs.onOffline { failed("the data directory \(data.path) failed: \($0)") }

        let server = try await bind(settings, descriptors: descriptors, group: group, workers: workers, logger: logger)
        let broker = try await Broker.start(
            Broker.Environment(
                settings: settings, clock: clock, timers: timers, random: random, workers: workers, store: store,
                logs: logs, endpoints: endpoints(settings, bound: server.addresses), logger: logger))
        try await server.serve(Dispatcher(broker: broker))
        return BrokerRuntime(
            broker: broker, server: server, logs: logs, registry: registry, group: group, pools: [workers, flushers])
    }

    /// Lets nobody in, starts nothing more, answers what waits, and closes everything in the reverse order.
    func stop() async {
        await server.stopListening()
        await server.stopRequests()
        await broker.stop()
        // Answers given just now are on their way to the loops before the connections close.
        await server.closeConnections()
        logs.close()
        await registry.close()
        for pool in pools { pool.close() }
        try? await group.shutdownGracefully()
    }

    // MARK: The parts

    private static func openDirectory(_ settings: BrokerSettings) throws -> DataDirectory {
        guard let directory = settings.logDirs.first, settings.logDirs.count == 1 else {
            throw BrokerFailure(
                "log.dirs: \(settings.logDirs.count) data directories; more than one is not built yet, give one")
        }
        return try DataDirectory(FilePath(directory), fileSystem: LinuxFileSystem())
    }

    /// Half of what the process may open stays for connections and everything else.
    private static func openFilesMax(_ settings: BrokerSettings, descriptors: Int) -> Int {
        max(16, min(settings.logMaxOpenFiles, descriptors / 2))
    }

    private static func storageSettings(_ settings: BrokerSettings, descriptors: Int) -> StorageSettings {
        var storage = StorageSettings()
        storage.flushersMax = min(max(settings.flusherThreads, 1), 64)
        storage.openFilesMax = openFilesMax(settings, descriptors: descriptors)
        storage.producerExpirationMs = settings.producerIDExpirationMs
        storage.retentionCheckIntervalMs = settings.logRetentionCheckIntervalMs
        storage.checkpointIntervalMs = settings.logFlushOffsetCheckpointIntervalMs
        storage.cleaner.isEnabled = settings.logCleanerEnable
        storage.cleaner.backoffMs = settings.logCleanerBackoffMs
        storage.cleaner.dedupeBufferBytes = settings.logCleanerDedupeBufferSize
        storage.cleaner.bufferBytes = settings.logCleanerIOBufferSize
        storage.cleaner.bufferLoadFactor = settings.logCleanerIOBufferLoadFactor
        storage.cleaner.bytesPerSecondMax = settings.logCleanerIOMaxBytesPerSecond
        return storage
    }

    private static func bind(
        _ settings: BrokerSettings, descriptors: Int, group: MultiThreadedEventLoopGroup, workers: ThreadPool,
        logger: Logger
    ) async throws -> BrokerServer {
        var limits = ServerLimits(settings)
        limits.connectionRoom = ServerLimits.connectionRoom(
            descriptors: descriptors, openFilesMax: openFilesMax(settings, descriptors: descriptors))
        do {
            return try await BrokerServer.bind(
                settings.listeners, group: group, limits: limits, logger: logger,
                coldAnswers: ColdAnswers(workers: workers))
        } catch {
            let places = settings.listeners.map(\.hostAndPort).joined(separator: ", ")
            let reason = (error as? IOError).map { Errno(rawValue: $0.errnoCode).description } ?? "\(error)"
            throw BrokerFailure("cannot listen on \(places): \(reason)")
        }
    }

    /// What clients are told: the advertised address of each listener, else the listener's own, with the port that was got.
    private static func endpoints(_ settings: BrokerSettings, bound: [ListenerAddress]) -> [WeirRegistry.BrokerEndpoint]
    {
        bound.map { listener in
            let advertised = settings.advertisedListeners.first { $0.name == listener.name }
            var host = advertised?.host ?? listener.host
            // Clients cannot connect to "every address": they are told the machine's name, as Kafka does.
            if advertised == nil, listener.isWildcard { host = machineName() }
            let port = advertised.map { $0.port == 0 ? listener.port : $0.port } ?? listener.port
            return WeirRegistry.BrokerEndpoint(
                listener: listener.name, host: host, port: port,
                securityProtocol: settings.securityProtocol(of: listener) ?? "PLAINTEXT")
        }
    }

    private static func machineName() -> String {
        var bytes = [CChar](repeating: 0, count: 256)
        guard gethostname(&bytes, bytes.count - 1) == 0 else { return "127.0.0.1" }
        let name = String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return name.isEmpty ? "127.0.0.1" : name
    }
}

extension StorageNotice.Level {
    fileprivate var loggerLevel: Logger.Level {
        switch self {
        case .info: .info
        case .warning: .warning
        case .error: .error
        }
    }
}
