internal import DequeModule
internal import WeirSystem

/// Syncs logs that have something new, several at a time: group commit. A log is in the queue once; what is appended while
/// it is being synced goes with its next turn.
final class Flusher: Sendable {
    private let pool: any WorkerPool
    private let parallelMax: Int
    private let state = Locked(State())

    private struct State {
        var queue = Deque<PartitionLog>()
        var workers = 0
        /// Logs with unsynced data that may wait (`flush.mode=async`), and until when. One entry a log: one that is left
        /// over because the log was synced earlier gives way to the next.
        var aging: [ObjectIdentifier: (log: PartitionLog, due: MonotonicTime)] = [:]
    }

    /// Turns after which a worker goes to the back of its pool's queue: the pool has other work, such as the regular
    /// round, which would never get a thread as long as there is always something to sync.
    private static let turnsMax = 4

    init(pool: any WorkerPool, parallelMax: Int) {
        self.pool = pool
        self.parallelMax = min(64, max(1, parallelMax))
    }

    /// Syncs the log soon. The caller makes sure that it is not queued already.
    func enqueue(_ log: PartitionLog) {
        let needsWorker = state.withLock { state -> Bool in
            state.queue.append(log)
            guard state.workers < parallelMax else { return false }
            state.workers += 1
            return true
        }
        if needsWorker { pool.submit { self.work() } }
    }

    /// Syncs the log when `flushAged` is called at that time or later.
    func enqueueAging(_ log: PartitionLog, due: MonotonicTime) {
        state.withLock { $0.aging[ObjectIdentifier(log)] = (log, due) }
    }

    /// Queues the logs whose oldest unsynced data has waited long enough.
    func flushAged(now: MonotonicTime) {
        let due = state.withLock { state -> [PartitionLog] in
            let due = state.aging.values.filter { $0.due <= now }.map(\.log)
            for log in due { state.aging[ObjectIdentifier(log)] = nil }
            return due
        }
        for log in due where log.claimForFlush() { enqueue(log) }
    }

    /// How many logs have unsynced data that may wait.
    var agingCount: Int { state.withLock { $0.aging.count } }

    private func work() {
        for _ in 0..<Self.turnsMax {
            guard let log = next() else { return }
            if log.flushTurn() { state.withLock { $0.queue.append(log) } }
        }
        pool.submit { self.work() }
    }

    private func next() -> PartitionLog? {
        state.withLock { state in
            if let log = state.queue.popFirst() { return log }
            state.workers -= 1
            return nil
        }
    }
}
