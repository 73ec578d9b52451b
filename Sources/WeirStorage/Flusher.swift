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
        /// Logs with unsynced data that may wait (`flush.mode=async`), and until when.
        var aging: [(log: PartitionLog, due: MonotonicTime)] = []
    }

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
        state.withLock { $0.aging.append((log, due)) }
    }

    /// Queues the logs whose oldest unsynced data has waited long enough.
    func flushAged(now: MonotonicTime) {
        let due = state.withLock { state -> [PartitionLog] in
            guard !state.aging.isEmpty else { return [] }
            var due: [PartitionLog] = []
            state.aging.removeAll { entry in
                guard entry.due <= now else { return false }
                due.append(entry.log)
                return true
            }
            return due
        }
        for log in due where log.claimForFlush() { enqueue(log) }
    }

    private func work() {
        while let log = next() {
            if log.flushTurn() { state.withLock { $0.queue.append(log) } }
        }
    }

    private func next() -> PartitionLog? {
        state.withLock { state in
            if let log = state.queue.popFirst() { return log }
            state.workers -= 1
            return nil
        }
    }
}
