import Synchronization
public import WeirModel
public import WeirStorage
import WeirSystem

/// A partition that this broker leads: its log, and the requests that wait for it to move.
///
/// The log has its own lock, held for the append itself. The waiters have another, taken only when there are some: the
/// common append with nobody waiting costs one load of a counter. A waiter registers first and looks at the log second,
/// while the log moves first and looks for waiters second; both looks go through the log's lock, so one of them sees the
/// other.
public final class Partition: LogObserver, Sendable {
    public let topicPartition: TopicPartition
    public let topicID: UniqueID
    public let log: PartitionLog

    private let epoch: Atomic<Int32>
    private let inSyncReplicas: Atomic<Int>
    /// The error that everything gets once the partition is gone; 0 before.
    private let closed = Atomic<Int16>(0)
    private let waiterCount = Atomic<Int>(0)
    private let waiters = Locked(Waiters())

    private struct Waiters {
        var fetches: [FetchWaiter] = []
        var acks: [AckWaiter] = []
        /// Set when the partition goes away: nobody may start to wait any more.
        var isClosed = false
    }

    private struct FetchWaiter {
        let fetch: ParkedFetch
        /// The partition's place in the fetch.
        let index: Int
    }

    private struct AckWaiter {
        let acks: any AckWaiting
        let index: Int
        /// The high watermark that answers it.
        let needed: Offset
    }

    init(log: PartitionLog, topicID: UniqueID, leaderEpoch: LeaderEpoch, inSyncReplicas: Int) {
        self.log = log
        self.topicPartition = log.topicPartition
        self.topicID = topicID
        self.epoch = Atomic(leaderEpoch.rawValue)
        self.inSyncReplicas = Atomic(inSyncReplicas)
        log.setObserver(self)
    }

    /// The epoch of this broker's leadership.
    public var leaderEpoch: LeaderEpoch { LeaderEpoch(epoch.load(ordering: .acquiring)) }
    /// How many replicas are in sync, this one included.
    var inSyncReplicaCount: Int { inSyncReplicas.load(ordering: .relaxed) }

    func apply(leaderEpoch: LeaderEpoch, inSyncReplicas count: Int) {
        epoch.store(leaderEpoch.rawValue, ordering: .releasing)
        inSyncReplicas.store(count, ordering: .relaxed)
    }

    /// Whether the partition may be used by a client with that idea of the leader epoch (KIP-320); -1 means that it has none.
    func check(epoch client: Int32) -> ErrorCode {
        let refusal = closed.load(ordering: .acquiring)
        if refusal != 0 { return ErrorCode(rawValue: refusal) }
        guard client >= 0 else { return .none }
        let ours = epoch.load(ordering: .acquiring)
        return client == ours ? .none : client < ours ? .fencedLeaderEpoch : .unknownLeaderEpoch
    }

    // MARK: Waiting

    /// Parks a fetch until the high watermark moves. The caller must look at the log once more afterwards.
    /// - Returns: False when the partition is gone.
    func park(_ fetch: ParkedFetch, index: Int) -> Bool {
        waiters.withLock { waiters in
            guard !waiters.isClosed else { return false }
            waiters.fetches.append(FetchWaiter(fetch: fetch, index: index))
            waiterCount.store(waiters.fetches.count + waiters.acks.count, ordering: .sequentiallyConsistent)
            return true
        }
    }

    /// Takes a fetch that was answered out of the list.
    func unpark(_ fetch: ParkedFetch) {
        waiters.withLock { waiters in
            waiters.fetches.removeAll { $0.fetch === fetch }
            waiterCount.store(waiters.fetches.count + waiters.acks.count, ordering: .sequentiallyConsistent)
        }
    }

    /// Parks an acks=all answer until the high watermark reaches `needed`. The caller must look at the log afterwards.
    func park(_ acks: any AckWaiting, index: Int, needed: Offset) -> Bool {
        waiters.withLock { waiters in
            guard !waiters.isClosed else { return false }
            waiters.acks.append(AckWaiter(acks: acks, index: index, needed: needed))
            waiterCount.store(waiters.fetches.count + waiters.acks.count, ordering: .sequentiallyConsistent)
            return true
        }
    }

    /// Whether somebody waits for the disk.
    var hasWaitingAcks: Bool { waiters.withLock { !$0.acks.isEmpty } }

    public func logAdvanced(_ log: PartitionLog, highWatermark: Offset, syncedEnd: Offset) {
        if waiterCount.load(ordering: .sequentiallyConsistent) == 0 { return }
        wake(highWatermark)
    }

    /// Settles the acks that the high watermark reached, and shows every parked fetch the new data.
    func wake(_ highWatermark: Offset) {
        var acks: [AckWaiter] = []
        var fetches: [FetchWaiter] = []
        waiters.withLock { waiters in
            if !waiters.acks.isEmpty {
                // Appends are parked in the order of their offsets, but for racing connections: a stable partition
                // keeps those that have to wait on.
                var kept: [AckWaiter] = []
                for waiter in waiters.acks {
                    if waiter.needed <= highWatermark { acks.append(waiter) } else { kept.append(waiter) }
                }
                waiters.acks = kept
            }
            fetches = waiters.fetches
            waiterCount.store(waiters.fetches.count + waiters.acks.count, ordering: .sequentiallyConsistent)
        }
        for waiter in acks { waiter.acks.settle(waiter.index, .none) }
        for waiter in fetches { waiter.fetch.dataArrived(waiter.index, highWatermark) }
    }

    public func logFailed(_ log: PartitionLog, error: StorageError) {
        fail(with: .kafkaStorageError, forGood: false)
    }

    /// Answers everything that waits with the error; with `forGood` nothing may wait here any more.
    func fail(with code: ErrorCode, forGood: Bool) {
        if forGood { closed.store(code.rawValue, ordering: .releasing) }
        var acks: [AckWaiter] = []
        var fetches: [FetchWaiter] = []
        waiters.withLock { waiters in
            (acks, fetches) = (waiters.acks, waiters.fetches)
            waiters.acks = []
            waiters.fetches = []
            if forGood { waiters.isClosed = true }
            waiterCount.store(0, ordering: .sequentiallyConsistent)
        }
        for waiter in acks { waiter.acks.settle(waiter.index, code) }
        for waiter in fetches { waiter.fetch.partitionFailed() }
    }
}
