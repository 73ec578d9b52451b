import Synchronization
import WeirModel
import WeirStorage
import WeirSystem

/// A fetch that waits until it has its minimum of bytes, or its time is up.
final class ParkedFetch: Waiting, Sendable {
    private let targets: [FetchTarget]
    private let limits: FetchLimits
    /// Builds and sends the answer.
    private let complete: @Sendable (FetchPass) -> Void
    private let connection: ConnectionInfo
    private let settled = Atomic<Bool>(false)

    /// Bytes that were seen to be readable.
    private struct Available {
        var perTarget: [Int]
        var total: Int
    }
    private let available: Locked<Available>

    init(
        targets: [FetchTarget], limits: FetchLimits, seen: FetchPass, connection: ConnectionInfo,
        complete: @escaping @Sendable (FetchPass) -> Void
    ) {
        self.targets = targets
        self.limits = limits
        self.connection = connection
        self.complete = complete
        available = Locked(Available(perTarget: seen.partitions.map(\.credit), total: seen.credit))
    }

    var isSettled: Bool { settled.load(ordering: .acquiring) }
    var isAbandoned: Bool { connection.isClosed }

    /// Registers at every partition, then looks once more, in case something arrived in between.
    func park(in purgatory: Purgatory, seen: FetchPass) {
        for (index, target) in targets.enumerated() {
            guard let partition = target.partition else { continue }
            if !partition.park(self, index: index) { return finish() }
        }
        purgatory.park(self, milliseconds: limits.maxWaitMs)
        for (index, target) in targets.enumerated() {
            guard let partition = target.partition else { continue }
            let highWatermark = partition.log.highWatermark
            if highWatermark.rawValue != seen.partitions[index].highWatermark { dataArrived(index, highWatermark) }
        }
        // The answer may have gone out while entries were still being added.
        if isSettled { leave() }
    }

    /// The high watermark of a partition has moved. Called by whichever thread moved it, outside the log's lock.
    func dataArrived(_ index: Int, _ highWatermark: Offset) {
        let target = targets[index]
        if isSettled || highWatermark.rawValue <= target.fetchOffset { return }
        if isAbandoned { return finish() }
        if limits.minBytes > 1 {
            let found = target.read(maxBytes: min(limits.maxBytes, Int(max(0, target.maxBytes))), atLeastOneBatch: true)
            let total = available.withLock { available in
                available.total += found.credit - available.perTarget[index]
                available.perTarget[index] = found.credit
                return available.total
            }
            if total < limits.minBytes, !found.goesOn { return }
        }
        finish()
    }

    /// A partition went away or failed: its error goes out at once.
    func partitionFailed() { finish() }

    func expire() { finish() }

    private func finish() {
        guard !settled.exchange(true, ordering: .acquiringAndReleasing) else { return }
        leave()
        // A client that has gone away is not worth a read; its sink takes nothing any more.
        if isAbandoned { return }
        complete(FetchTarget.read(targets, limits))
    }

    private func leave() {
        for target in targets { target.partition?.unpark(self) }
    }
}
