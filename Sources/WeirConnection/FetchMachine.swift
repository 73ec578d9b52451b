public import WeirModel
public import WeirSystem

/// Where reading a partition starts.
public enum OffsetSpec: Sendable, Hashable {
    case earliest
    /// After the last visible record.
    case latest
    /// The first record whose timestamp is that many milliseconds since 1970 or later; the end when there is none.
    case timestamp(Int64)
    case offset(Offset)

    /// What ListOffsets calls it; nil when no look-up is needed.
    var lookup: Int64? {
        switch self {
        case .earliest: -2
        case .latest: -1
        case .timestamp(let milliseconds): max(0, milliseconds)
        case .offset: nil
        }
    }
}

/// A consumer's reading side: which partition is read from where, what is fetched next from which broker, and how much is
/// held for the user.
///
/// At most one fetch is in flight per broker. Every seek or new assignment gives a partition a new `tag`; answers that carry
/// an older one are dropped. The bytes stay with the driver.
public struct FetchMachine: Sendable {
    public struct Configuration: Sendable, Equatable {
        /// A partition with that much fetched and not yet taken is left out of fetches, in bytes.
        public var bufferedPerPartitionMax = 4 << 20
        /// No more is fetched while this much is held in all, in bytes.
        public var bufferedTotalMax = 64 << 20
        /// What a broker may return for one partition, in bytes.
        public var partitionBytesMax = 1 << 20
        /// How long a broker may wait for data, in milliseconds.
        public var waitMs: Int32 = 500
        /// Instead of `waitMs`, while a partition of the broker is left out because its buffer is full: it must not wait
        /// behind the others' long poll, in milliseconds.
        public var shortWaitMs: Int32 = 10
        public var backoff = Backoff(initialMs: 20, maximumMs: 1000)
        /// Whether a position that the log no longer has is an error rather than a jump.
        public var reportsLoss = true
        /// Where to go when it is a jump, or when the log has been truncated below the position.
        public var resetTo = OffsetSpec.latest

        public init() {}
    }

    enum Stage: Sendable, Equatable {
        /// Can transition to: lookingUp.
        case needsOffset(OffsetSpec)
        /// ListOffsets is in flight. Can transition to: ready, needsOffset, stopped.
        case lookingUp(OffsetSpec)
        /// Can transition to: fetching.
        case ready
        /// Can transition to: ready, needsOffset, stopped.
        case fetching(BrokerID)
        /// The user was told of an error and must seek. Can transition to: ready, needsOffset.
        case stopped
    }

    struct Partition: Sendable {
        var stage: Stage
        var tag: UInt64
        /// The next offset to fetch.
        var position = Offset.zero
        /// The epoch of the last record before the position, for truncation detection.
        var lastEpoch = LeaderEpoch.none
        var buffered = 0
        var isPaused = false
        var notBefore: MonotonicTime?
        var failures = 0
        var highWatermark: Offset?
        var lastStableOffset: Offset?
        var logStart: Offset?
    }

    public var configuration: Configuration
    private(set) var partitions: [TopicPartition: Partition] = [:]
    /// The order in which partitions stand in fetches; it turns so that none starves when answers are full.
    private var order: [TopicPartition] = []
    private var fetching: Set<BrokerID> = []
    private var buffered = 0
    private var nextTag: UInt64 = 1

    public init(configuration: Configuration) { self.configuration = configuration }

    // MARK: Assignment

    public var assigned: [TopicPartition] { order.sorted() }
    public func isAssigned(_ partition: TopicPartition) -> Bool { partitions[partition] != nil }

    /// Starts to read a partition, or moves it: a seek.
    public mutating func start(_ partition: TopicPartition, at spec: OffsetSpec) {
        var state =
            partitions[partition]
            ?? Partition(stage: .stopped, tag: 0)
        if partitions[partition] == nil { order.append(partition) }
        buffered -= state.buffered
        state.buffered = 0
        state.tag = nextTag
        nextTag += 1
        state.notBefore = nil
        state.failures = 0
        state.lastEpoch = .none
        if case .offset(let offset) = spec {
            state.position = offset
            state.stage = .ready
        } else {
            state.stage = .needsOffset(spec)
        }
        partitions[partition] = state
    }

    public mutating func stop(_ partition: TopicPartition) {
        guard let state = partitions.removeValue(forKey: partition) else { return }
        buffered -= state.buffered
        order.removeAll { $0 == partition }
    }

    public mutating func pause(_ partition: TopicPartition) { partitions[partition]?.isPaused = true }
    public mutating func resume(_ partition: TopicPartition) { partitions[partition]?.isPaused = false }
    public func isPaused(_ partition: TopicPartition) -> Bool { partitions[partition]?.isPaused ?? false }

    /// The tag that data of the partition must carry to be of use; nil when it is not assigned.
    public func tag(of partition: TopicPartition) -> UInt64? { partitions[partition]?.tag }

    /// What the last answer said about a partition.
    public func watermarks(of partition: TopicPartition) -> (logStart: Offset?, highWatermark: Offset?) {
        (partitions[partition]?.logStart, partitions[partition]?.highWatermark)
    }

    // MARK: Asking

    public struct FetchItem: Sendable, Equatable {
        public let partition: TopicPartition
        public let tag: UInt64
        public let position: Offset
        public let lastEpoch: LeaderEpoch
        public let currentEpoch: LeaderEpoch
    }

    public struct Fetch: Sendable, Equatable {
        public let broker: BrokerID
        public let items: [FetchItem]
        public let waitMs: Int32
    }

    public struct LookupItem: Sendable, Equatable {
        public let partition: TopicPartition
        public let tag: UInt64
        /// As ListOffsets has it: -1 latest, -2 earliest, or milliseconds since 1970.
        public let timestamp: Int64
        public let currentEpoch: LeaderEpoch
    }

    public struct PollResult: Sendable, Equatable {
        public var fetches: [Fetch] = []
        public var lookups: [BrokerID: [LookupItem]] = [:]
        public var needsMetadata = false
        public var wakeAt: MonotonicTime?
    }

    public mutating func poll(now: MonotonicTime, view: ClusterView) -> PollResult {
        var result = PollResult()
        var items: [BrokerID: [FetchItem]] = [:]
        var brokers: [BrokerID] = []
        var isHeldBack: Set<BrokerID> = []
        for partition in order {
            guard let state = partitions[partition] else { continue }
            if let notBefore = state.notBefore, now < notBefore {
                result.wakeAt = min(result.wakeAt ?? notBefore, notBefore)
                continue
            }
            let spec: OffsetSpec?
            switch state.stage {
            case .needsOffset(let wanted): spec = wanted
            case .ready: spec = nil
            case .lookingUp, .fetching, .stopped: continue
            }
            if spec == nil, state.isPaused { continue }
            guard let known = view.topics[partition.topic]?.partition(partition.partition), let leader = known.leader
            else {
                result.needsMetadata = true
                continue
            }
            if let spec, let timestamp = spec.lookup {
                partitions[partition]?.stage = .lookingUp(spec)
                result.lookups[leader, default: []].append(
                    LookupItem(
                        partition: partition, tag: state.tag, timestamp: timestamp, currentEpoch: known.leaderEpoch))
                continue
            }
            if fetching.contains(leader) { continue }
            if state.buffered >= configuration.bufferedPerPartitionMax || buffered >= configuration.bufferedTotalMax {
                isHeldBack.insert(leader)
                continue
            }
            if items[leader] == nil { brokers.append(leader) }
            items[leader, default: []].append(
                FetchItem(
                    partition: partition, tag: state.tag, position: state.position, lastEpoch: state.lastEpoch,
                    currentEpoch: known.leaderEpoch))
        }
        for broker in brokers {
            guard let wanted = items[broker] else { continue }
            fetching.insert(broker)
            for item in wanted { partitions[item.partition]?.stage = .fetching(broker) }
            let wait = isHeldBack.contains(broker) ? configuration.shortWaitMs : configuration.waitMs
            result.fetches.append(Fetch(broker: broker, items: wanted, waitMs: wait))
        }
        if !brokers.isEmpty, order.count > 1 { order.append(order.removeFirst()) }
        return result
    }

    // MARK: Answers

    public enum Verdict: Sendable, Equatable {
        /// The data is the next of the partition.
        case deliver
        /// Nothing to hand on.
        case nothing
        /// The answer belongs to an older seek or assignment.
        case stale
        /// The leader may have moved; the partition is tried again after a back-off.
        case refreshMetadata
        /// Records from the position up to (not including) `resumesAt` are gone. Nothing is read until a seek.
        case lost(position: Offset, resumesAt: Offset?)
        /// The broker refused for good. Nothing is read until a seek.
        case refused(ErrorCode)
    }

    /// A partition's part of a Fetch answer.
    public struct Fetched: Sendable, Equatable {
        public var error: ErrorCode
        public var highWatermark: Offset
        public var logStart: Offset
        public var byteCount: Int
        /// Behind the last complete batch; nil when there is none.
        public var nextPosition: Offset?
        /// The leader epoch of the last complete batch.
        public var lastEpoch: LeaderEpoch
        /// Set when the leader's log parted from what was read: the end of the common part.
        public var divergedAt: Offset?

        public init(
            error: ErrorCode, highWatermark: Offset, logStart: Offset, byteCount: Int, nextPosition: Offset?,
            lastEpoch: LeaderEpoch, divergedAt: Offset? = nil
        ) {
            self.error = error
            self.highWatermark = highWatermark
            self.logStart = logStart
            self.byteCount = byteCount
            self.nextPosition = nextPosition
            self.lastEpoch = lastEpoch
            self.divergedAt = divergedAt
        }
    }

    /// The broker's fetch is over, however it ended; call before the per-partition parts.
    public mutating func fetchEnded(_ fetch: Fetch) {
        fetching.remove(fetch.broker)
        for item in fetch.items {
            guard let state = partitions[item.partition], state.stage == .fetching(fetch.broker) else { continue }
            partitions[item.partition]?.stage = .ready
        }
    }

    /// A fetch or look-up got no answer at all.
    public mutating func failed(
        _ parts: [(partition: TopicPartition, tag: UInt64)], now: MonotonicTime, random: any RandomSource
    ) {
        for part in parts {
            guard partitions[part.partition]?.tag == part.tag else { continue }
            backOff(part.partition, now: now, random: random)
        }
    }

    private mutating func backOff(_ partition: TopicPartition, now: MonotonicTime, random: any RandomSource) {
        guard var state = partitions[partition] else { return }
        state.failures += 1
        let delay = configuration.backoff.delayMs(failures: state.failures, random: random)
        state.notBefore = now.advanced(milliseconds: delay)
        if case .lookingUp(let spec) = state.stage { state.stage = .needsOffset(spec) }
        partitions[partition] = state
    }

    public mutating func fetched(
        _ partition: TopicPartition, tag: UInt64, _ answer: Fetched, now: MonotonicTime, random: any RandomSource
    ) -> Verdict {
        guard var state = partitions[partition], state.tag == tag else { return .stale }
        switch answer.error {
        case .none:
            state.failures = 0
            state.highWatermark = answer.highWatermark
            if answer.logStart.rawValue >= 0 { state.logStart = answer.logStart }
            if let end = answer.divergedAt {
                partitions[partition] = state
                return lose(partition, resumesAt: end)
            }
            guard let next = answer.nextPosition, next > state.position else {
                partitions[partition] = state
                return .nothing
            }
            state.position = next
            state.lastEpoch = answer.lastEpoch
            state.buffered += answer.byteCount
            buffered += answer.byteCount
            partitions[partition] = state
            return .deliver
        case .offsetOutOfRange:
            let start = answer.logStart.rawValue >= 0 ? answer.logStart : nil
            return lose(partition, resumesAt: start.flatMap { $0 > state.position ? $0 : nil })
        case let code where ProducerMachine.meansStaleMetadata(code) || code == .offsetNotAvailable || code.isRetriable:
            backOff(partition, now: now, random: random)
            return .refreshMetadata
        case let code:
            partitions[partition]?.stage = .stopped
            return .refused(code)
        }
    }

    /// The position is not in the log. Without loss reporting the reader jumps, otherwise it stops.
    private mutating func lose(_ partition: TopicPartition, resumesAt: Offset?) -> Verdict {
        guard let state = partitions[partition] else { return .stale }
        if configuration.reportsLoss {
            partitions[partition]?.stage = .stopped
            return .lost(position: state.position, resumesAt: resumesAt)
        }
        partitions[partition]?.stage = .needsOffset(configuration.resetTo)
        partitions[partition]?.lastEpoch = .none
        return .nothing
    }

    /// The answer to a look-up: an offset, -1 when the log has no record that late.
    public mutating func lookedUp(
        _ item: LookupItem, error: ErrorCode, offset: Int64, now: MonotonicTime, random: any RandomSource
    ) -> Verdict {
        guard var state = partitions[item.partition], state.tag == item.tag, case .lookingUp = state.stage else {
            return .stale
        }
        switch error {
        case .none:
            if offset < 0 {
                state.stage = .needsOffset(.latest)
            } else {
                state.position = Offset(offset)
                state.stage = .ready
            }
            state.failures = 0
            partitions[item.partition] = state
            return .nothing
        case let code where code.isRetriable || ProducerMachine.meansStaleMetadata(code):
            backOff(item.partition, now: now, random: random)
            return .refreshMetadata
        case let code:
            partitions[item.partition]?.stage = .stopped
            return .refused(code)
        }
    }

    /// The position of a partition, once known: the offset of the next record that will be fetched.
    public func position(of partition: TopicPartition) -> Offset? {
        guard let state = partitions[partition] else { return nil }
        switch state.stage {
        case .ready, .fetching, .stopped: return state.position
        case .needsOffset, .lookingUp: return nil
        }
    }

    /// The user took data that had been delivered under that tag.
    public mutating func taken(_ partition: TopicPartition, tag: UInt64, byteCount: Int) {
        guard let state = partitions[partition], state.tag == tag else { return }
        let bytes = min(byteCount, state.buffered)
        partitions[partition]?.buffered -= bytes
        buffered -= bytes
    }
}
