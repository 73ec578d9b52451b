import WeirCoordination
public import WeirModel
public import WeirSystem

public import Logging

/// What the shards share.
struct GroupCoordinatorParts: Sendable {
    let host: any GroupCoordinatorHost
    let limits: GroupLimits
    let clock: any WeirClock
    let timers: any Timers
    let random: any RandomSource
    let logger: Logger

    var now: Moment {
        Moment(monotonic: clock.monotonic.nanoseconds / 1_000_000, wall: clock.wallMilliseconds)
    }
}

/// Drives the groups of the offsets partitions that this broker leads: brings requests, time and written records to the
/// machines of WeirCoordination, and carries out what they decide.
///
/// Safe to use from any thread; nothing here waits. Completions are called once, on any thread, with no lock held. A
/// partition serves after `load` and until `unload`; otherwise requests get NOT_COORDINATOR.
public final class GroupCoordinator: Sendable {
    public let host: any GroupCoordinatorHost
    let parts: GroupCoordinatorParts
    /// How long offsets of an empty group last.
    let retentionMs: Int64
    /// The longest note with an offset, in bytes.
    public let offsetMetadataBytesMax: Int
    private let checkIntervalMs: Int64

    private struct State {
        var shards: [PartitionIndex: GroupShard] = [:]
        var expiryTimer: (any TimerHandle)?
        var isRunning = false
    }
    private let state = Locked(State())

    public init(
        host: any GroupCoordinatorHost, settings: BrokerSettings, clock: any WeirClock, timers: any Timers,
        random: any RandomSource, logger: Logger
    ) {
        self.host = host
        retentionMs = settings.offsetsRetentionMs
        offsetMetadataBytesMax = settings.offsetMetadataMaxBytes
        checkIntervalMs = max(settings.offsetsRetentionCheckIntervalMs, 1)
        let limits = GroupLimits(
            minSessionTimeoutMs: Int32(clamping: settings.groupMinSessionTimeoutMs),
            maxSessionTimeoutMs: Int32(clamping: settings.groupMaxSessionTimeoutMs), maxSize: settings.groupMaxSize,
            initialRebalanceDelayMs: settings.groupInitialRebalanceDelayMs)
        parts = GroupCoordinatorParts(
            host: host, limits: limits, clock: clock, timers: timers, random: random, logger: logger)
    }

    // MARK: Coming and going

    /// Starts the regular check for expired offsets.
    public func start() {
        state.withLock { $0.isRunning = true }
        scheduleExpiry()
    }

    /// Answers whoever waits with NOT_COORDINATOR and serves nobody any more. Every record handed to the log before stays.
    public func stop() {
        let (shards, timer) = state.withLock { state in
            state.isRunning = false
            defer { state.expiryTimer = nil }
            return (Array(state.shards.values), state.expiryTimer)
        }
        timer?.cancel()
        for shard in shards { shard.unload() }
    }

    /// Takes over a partition that this broker now leads: replays its log on this thread. Its groups answer
    /// COORDINATOR_LOAD_IN_PROGRESS meanwhile.
    public func load(_ partition: PartitionIndex) throws {
        let shard = state.withLock { state in
            if let shard = state.shards[partition] { return shard }
            let shard = GroupShard(partition: partition, parts: parts)
            state.shards[partition] = shard
            return shard
        }
        try shard.load()
    }

    /// Gives up a partition that this broker does not lead any more.
    public func unload(_ partition: PartitionIndex) {
        state.withLock { $0.shards[partition] }?.unload()
    }

    /// Forgets the offsets of a topic that was deleted.
    public func topicDeleted(_ topic: String) {
        for shard in shards { shard.deleteOffsets(ofTopic: topic) }
    }

    private func scheduleExpiry() {
        let timer = parts.timers.schedule(afterMilliseconds: checkIntervalMs) { [weak self] in
            guard let self, self.state.withLock({ $0.isRunning }) else { return }
            self.expireOffsets()
            self.scheduleExpiry()
        }
        state.withLock { $0.expiryTimer = timer }
    }

    /// Deletes what has expired: offsets of empty groups, and groups that have nothing left.
    func expireOffsets() {
        for shard in shards { shard.expire(retentionMs: retentionMs) }
    }

    var shards: [GroupShard] {
        state.withLock { state in state.shards.sorted { $0.key < $1.key }.map(\.value) }
    }

    // MARK: Where a group lives

    /// The partition of `__consumer_offsets` that keeps the group, as Kafka places it: Java's hash of the id.
    public func partition(of group: String) -> PartitionIndex {
        Self.partition(of: group, count: host.offsetsPartitionCount)
    }

    static func partition(of group: String, count: Int32) -> PartitionIndex {
        var hash: Int32 = 0
        for unit in group.utf16 { hash = hash &* 31 &+ Int32(unit) }
        let positive = hash == .min ? 0 : abs(hash)
        return PartitionIndex(count > 0 ? positive % count : 0)
    }

    func shard(of group: String) -> GroupShard? {
        let partition = partition(of: group)
        return state.withLock { $0.shards[partition] }
    }

    /// A member id that nobody has: the client's own name and 128 random bits.
    func makeMemberID(_ prefix: String) -> String {
        let id = UniqueID.random(high: parts.random.next(), low: parts.random.next())
        return prefix + "-" + hexadecimal(id)
    }

    /// The usual form, `8-4-4-4-12`.
    private func hexadecimal(_ id: UniqueID) -> String {
        let digits = [id.high, id.low].map { half in
            let text = String(half, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }.joined()
        var text = ""
        for (index, digit) in digits.enumerated() {
            if [8, 12, 16, 20].contains(index) { text.append("-") }
            text.append(digit)
        }
        return text
    }
}
