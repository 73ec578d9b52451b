public import SystemPackage
public import WeirModel
public import WeirSystem

/// All partition logs of one data directory: opens and recovers them, syncs them, checks retention, keeps the checkpoints.
///
/// Order of use: `open`, `openLog` for what the registry knows, `setAsideUnknown`, `start`; `close` at the end.
public final class LogManager: Sendable {
    /// Where directories go that the registry does not know, and tails that a crash cut off.
    static let setAsideName = "_set_aside"
    /// Present after a clean stop only, as Kafka has it.
    static let cleanMarkerName = ".kafka_cleanshutdown"
    static let deletedSuffix = "-delete"

    public let directory: FilePath
    /// The directory's own id, from `meta.properties`.
    public let directoryID: UniqueID
    /// Whether the last process that used the directory stopped in order.
    public let wasCleanlyStopped: Bool

    let data: DataDirectory
    let context: StorageContext
    let timers: any Timers
    let workers: any WorkerPool
    let state: Locked<State>
    /// Held by the regular round and by `close`, so that one does not see the other half done.
    let background = Locked(())
    /// Held for a turn of compaction.
    let cleaner = Locked(LogCleaner())
    /// Held while checkpoint files are written, from taking what they say on.
    let checkpointing = Locked(())

    struct State {
        var logs: [TopicPartition: PartitionLog] = [:]
        var opening: Set<TopicPartition> = []
        /// The partitions' directories that were found at the start and not opened since.
        var found: Set<String>
        /// What the checkpoint files said of logs that are not open.
        var recoveryPoints: [TopicPartition: Int64]
        var startOffsets: [TopicPartition: Int64]
        /// The logs that the checkpoint files on disk may speak of.
        var checkpointed: Set<TopicPartition> = []
        var timer: (any TimerHandle)?
        var isClosed = false
        var lastCheckpoint: MonotonicTime
        var lastRetention: MonotonicTime
        /// Up to where each log was compacted; those that are not open included.
        var cleanOffsets: [TopicPartition: Int64] = [:]
        /// Logs whose compaction met damage.
        var uncleanable: Set<TopicPartition> = []
        /// Whether the cleaner has a turn that is queued, waited for or under way.
        var isCleaning = false
        var nextCleaning: MonotonicTime
    }

    private init(
        data: DataDirectory, directoryID: UniqueID, wasClean: Bool, context: StorageContext, timers: any Timers,
        workers: any WorkerPool, state: State
    ) {
        self.data = data
        directory = data.path
        self.directoryID = directoryID
        wasCleanlyStopped = wasClean
        self.context = context
        self.timers = timers
        self.workers = workers
        self.state = Locked(state)
    }

    /// Opens a data directory for the broker and reads its checkpoints. No log is read yet.
    ///
    /// - Parameters:
    ///   - data: the locked directory; it belongs to the manager from now on, which unlocks it on `close`.
    ///   - flushers: threads that may block; at least `settings.flushersMax` of them, or syncs wait for each other.
    ///   - report: what the operator should read; called on any thread.
    /// - Throws: `.wrongIdentity` when the directory is another broker's, `.disk` when it cannot be read.
    public static func open(
        _ data: DataDirectory, clusterID: String, nodeID: BrokerID, clock: any WeirClock, timers: any Timers,
        random: any RandomSource, flushers: any WorkerPool, settings: StorageSettings = StorageSettings(),
        report: @escaping @Sendable (StorageNotice) -> Void = { _ in }
    ) throws(StorageError) -> LogManager {
        let directoryID = try data.claim(clusterID: clusterID, nodeID: nodeID, random: random)
        let context = StorageContext(
            fileSystem: data.fileSystem, clock: clock, random: random, flushers: flushers, settings: settings,
            report: report)
        do throws(FileError) {
            let now = clock.monotonic
            var state = State(
                found: try partitionDirectories(data), recoveryPoints: [:], startOffsets: [:], lastCheckpoint: now,
                lastRetention: now,
                nextCleaning: now.advanced(milliseconds: settings.cleaner.backoffMs))
            let marker = data.path.appending(cleanMarkerName)
            var wasClean = try data.fileSystem.kind(of: marker) != nil
            if let points = try checkpoint(OffsetCheckpoint.recoveryPoints, data, context) {
                state.recoveryPoints = points
            } else {
                wasClean = false
            }
            state.startOffsets = try checkpoint(OffsetCheckpoint.startOffsets, data, context) ?? [:]
            // Without it logs are compacted from their starts, which costs time and nothing else.
            let clean = try data.fileSystem.contents(of: data.path.appending(OffsetCheckpoint.cleanOffsets))
            state.cleanOffsets = clean.flatMap(OffsetCheckpoint.decode) ?? [:]
            state.checkpointed = Set(state.recoveryPoints.keys).union(state.startOffsets.keys)
            // From here on a crash is a crash.
            try data.fileSystem.remove(marker)
            try data.fileSystem.syncDirectory(data.path)
            return LogManager(
                data: data, directoryID: directoryID, wasClean: wasClean, context: context, timers: timers,
                workers: flushers, state: state)
        } catch {
            throw StorageError(error)
        }
    }

    private static func partitionDirectories(_ data: DataDirectory) throws(FileError) -> Set<String> {
        Set(try data.fileSystem.list(data.path).filter { !$0.hasPrefix(".") && parse($0) != nil })
    }

    /// Nil when the file is damaged; empty when it is missing.
    private static func checkpoint(
        _ name: String, _ data: DataDirectory, _ context: StorageContext
    ) throws(FileError) -> [TopicPartition: Int64]? {
        guard let bytes = try data.fileSystem.contents(of: data.path.appending(name)) else { return [:] }
        if let offsets = OffsetCheckpoint.decode(bytes) { return offsets }
        context.notice(.warning, "\(data.path.appending(name)) is damaged; all logs are checked from their start")
        return nil
    }

    /// Reads `topic-partition`; nil when a directory is not named so.
    static func parse(_ name: String) -> TopicPartition? {
        guard let dash = name.lastIndex(of: "-"), dash != name.startIndex,
            let partition = Int32(name[name.index(after: dash)...]), partition >= 0,
            TopicName.problem(with: String(name[..<dash])) == nil
        else { return nil }
        let found = TopicPartition(String(name[..<dash]), PartitionIndex(partition))
        return found.description == name ? found : nil
    }

    // MARK: State

    /// Whether the directory takes appends; it never comes back by itself.
    public var isOnline: Bool { context.isOnline }

    /// Calls the handler once when a failed disk takes the directory offline, on the thread that saw it.
    public func onOffline(_ handler: @escaping @Sendable (StorageError) -> Void) { context.onOffline(handler) }

    /// The open logs.
    public var logs: [PartitionLog] { state.withLock { Array($0.logs.values) } }

    public func log(for topicPartition: TopicPartition) -> PartitionLog? {
        state.withLock { $0.logs[topicPartition] }
    }

    /// Free and total bytes of the file system (DescribeLogDirs); nil when the system does not say.
    public var space: (usable: Int64, total: Int64)? {
        guard let space = try? context.fileSystem.space(at: directory) else { return nil }
        return (space.free, space.total)
    }

    /// How many segment and index files are open.
    public var openFileCount: Int { context.files.count }
}
