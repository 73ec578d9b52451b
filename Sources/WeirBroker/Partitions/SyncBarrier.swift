import WeirModel
import WeirStorage
import WeirSystem

/// Waits until everything that somebody waits for is on disk.
final class SyncBarrier: AckWaiting {
    private struct State {
        var pending: Set<Int>
        var continuation: CheckedContinuation<Void, Never>?
    }
    private let state: Locked<State>

    private init(count: Int, _ continuation: CheckedContinuation<Void, Never>) {
        state = Locked(State(pending: Set(0..<count), continuation: continuation))
    }

    /// Returns when every batch that was appended before the call to a partition with parked acks is below the high
    /// watermark, or failed, and its ack answered; or when the time is up.
    static func wait(for table: PartitionTable, milliseconds: Int64, _ timers: any Timers) async {
        let partitions = table.topics.flatMap(\.partitions).compactMap { $0 }.filter(\.hasWaitingAcks)
        if partitions.isEmpty { return }
        let timer = Locked<(any TimerHandle)?>(nil)
        await withCheckedContinuation { continuation in
            let barrier = SyncBarrier(count: partitions.count, continuation)
            timer.withLock { $0 = timers.schedule(afterMilliseconds: milliseconds) { barrier.giveUp() } }
            for (index, partition) in partitions.enumerated() {
                let needed = partition.log.endOffset
                if partition.park(barrier, index: index, needed: needed) {
                    let highWatermark = partition.log.highWatermark
                    if highWatermark >= needed { partition.wake(highWatermark) }
                } else {
                    barrier.settle(index, .none)
                }
            }
        }
        timer.withLock { $0 }?.cancel()
    }

    func settle(_ index: Int, _ code: ErrorCode) {
        take { state in
            state.pending.remove(index)
            return state.pending.isEmpty
        }
    }

    private func giveUp() { take { _ in true } }

    private func take(_ isDone: (inout State) -> Bool) {
        let continuation = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard isDone(&state) else { return nil }
            defer { state.continuation = nil }
            return state.continuation
        }
        continuation?.resume()
    }
}
