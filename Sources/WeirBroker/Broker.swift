public import Logging
public import WeirModel
public import WeirRegistry
public import WeirStorage
public import WeirSystem

/// A broker without its sockets: what handlers need, and its life.
///
/// Whoever starts one has opened the seams, the registry and the data directory; `Dispatcher` is how requests get in. Nothing
/// here blocks but `start` and `stop`.
public final class Broker: Sendable {
    /// What a broker is made of.
    public struct Environment: Sendable {
        public var settings: BrokerSettings
        public var clock: any WeirClock
        public var timers: any Timers
        public var random: any RandomSource
        /// For requests that wait for the disk.
        public var workers: any WorkerPool
        /// The cluster's metadata, open.
        public var store: ClusterStore
        /// The data directory, open and recovered.
        public var logs: LogManager
        /// Where clients reach this broker, one for each listener, with the real ports.
        public var endpoints: [WeirRegistry.BrokerEndpoint]
        public var authorizer: any Authorizer
        public var logger: Logger

        public init(
            settings: BrokerSettings, clock: any WeirClock, timers: any Timers, random: any RandomSource,
            workers: any WorkerPool, store: ClusterStore, logs: LogManager, endpoints: [WeirRegistry.BrokerEndpoint],
            authorizer: any Authorizer = AllowAll(), logger: Logger
        ) {
            self.settings = settings
            self.clock = clock
            self.timers = timers
            self.random = random
            self.workers = workers
            self.store = store
            self.logs = logs
            self.endpoints = endpoints
            self.authorizer = authorizer
            self.logger = logger
        }
    }

    public let clock: any WeirClock
    public let timers: any Timers
    public let random: any RandomSource
    public let logs: LogManager
    public let store: ClusterStore
    public let metadata: MetadataCache
    public let partitions: PartitionTable
    public let authorizer: any Authorizer
    public let groups: GroupCoordinator
    public let logger: Logger
    /// A new one for each start.
    public let incarnation: UniqueID

    let workers: any WorkerPool
    let purgatory: Purgatory
    let fetchSessions: FetchSessionCache
    let producerIDs: ProducerIDs
    let topics: TopicAdmin
    let configs: ConfigAdmin
    private let applier: ClusterApplier
    private let groupHost: GroupHost
    private let nodeID: BrokerID

    private init(_ environment: Environment) {
        let settings = environment.settings
        clock = environment.clock
        timers = environment.timers
        random = environment.random
        workers = environment.workers
        logs = environment.logs
        store = environment.store
        authorizer = environment.authorizer
        logger = environment.logger
        nodeID = settings.nodeID
        incarnation = UniqueID.random(high: random.next(), low: random.next())
        metadata = MetadataCache(ClusterView(state: ClusterState(), localID: settings.nodeID))
        partitions = PartitionTable()
        purgatory = Purgatory(clock: clock, timers: timers)
        fetchSessions = FetchSessionCache(slots: settings.maxIncrementalFetchSessionCacheSlots, random: random)
        producerIDs = ProducerIDs(store)
        applier = ClusterApplier(
            settings: settings, logs: logs, partitions: partitions, metadata: metadata, logger: logger)
        topics = TopicAdmin(store: store, applier: applier, logger: logger)
        configs = ConfigAdmin(store: store, applier: applier, authorizer: authorizer, logger: logger)
        groupHost = GroupHost(
            settings: settings, clock: clock, partitions: partitions, metadata: metadata, topics: topics,
            purgatory: purgatory, logger: logger)
        groups = GroupCoordinator(
            host: groupHost, settings: settings, clock: clock, timers: timers, random: random, logger: logger)
    }

    /// Registers the broker, opens the partitions that are its own, and reads the groups' offsets.
    public static func start(_ environment: Environment) async throws -> Broker {
        let broker = Broker(environment)
        try await broker.start(environment.endpoints)
        return broker
    }

    private func start(_ endpoints: [WeirRegistry.BrokerEndpoint]) async throws {
        try await register(endpoints)
        if !logs.wasCleanlyStopped {
            // Unsynced records that consumers of an asynchronously flushed topic had seen may be gone.
            try await store.bumpLeaderEpochs(ledBy: nodeID)
        }
        try logs.setAsideUnknown(known: Self.partitions(of: store.state, ledBy: nodeID))
        applier.setHooks(
            ClusterApplier.Hooks(
                partitionOpened: { [groupHost, groups] in groupHost.opened($0, groups) },
                topicDeleted: { [groupHost, groups] in
                    groupHost.deleted($0, groups)
                    groups.topicDeleted($0.name)
                },
                settingsChanged: { _ in }))
        await applier.openAhead(store.state, on: workers)
        // Gives the state there is at once, and every later one.
        store.observe { [applier] in applier.apply($0) }
        logs.start()
        groups.start()
        // The first block of producer ids is fetched ahead of need, without holding up the start.
        Task { [producerIDs] in try? await producerIDs.prefetch() }
    }

    /// Tells the cluster that this broker is there. The data directory's lock has shown that no other process has it, so what
    /// an earlier process of this broker left behind is replaced.
    private func register(_ endpoints: [WeirRegistry.BrokerEndpoint]) async throws {
        if let old = store.state.brokers[nodeID] {
            try await store.unregisterBroker(nodeID, incarnation: old.incarnation)
        }
        let registration = try await store.registerBroker(
            nodeID, endpoints: endpoints, rack: settings.rack, incarnation: incarnation, directories: [logs.directoryID]
        )
        let epoch = try registration.get().epoch
        logger.info("registered as broker \(nodeID), epoch \(epoch)")
    }

    private static func partitions(of state: ClusterState, ledBy id: BrokerID) -> [TopicPartition: UniqueID] {
        var known: [TopicPartition: UniqueID] = [:]
        for topic in state.topics.values {
            for (index, partition) in topic.partitions.enumerated() where partition.replicas.contains(id) {
                known[TopicPartition(topic.name, PartitionIndex(Int32(clamping: index)))] = topic.id
            }
        }
        return known
    }

    /// How long a stop waits for what is appended to get to disk.
    private static let syncOnStopMs: Int64 = 5_000

    /// Answers whatever waits, tells the cluster, and lets go. The data directory is the caller's to close, after this.
    ///
    /// Whoever waits for the disk is answered when what is being synced now is synced: a producer that was told of a timeout
    /// instead would send batches again that are in the log.
    public func stop() async {
        purgatory.expireFetches()
        await SyncBarrier.wait(for: partitions, milliseconds: Self.syncOnStopMs, timers)
        groups.stop()
        purgatory.close()
        do throws(RegistryError) {
            try await store.unregisterBroker(nodeID, incarnation: incarnation)
        } catch {
            logger.warning("the registration could not be taken back: \(error)")
        }
        store.close()
    }

    /// The settings in force: those given at the start, and above them the dynamic ones.
    public var settings: BrokerSettings { applier.settings }

    /// The most bytes of one Fetch answer.
    var fetchMaxBytes: Int { applier.fetchMaxBytes }
}
