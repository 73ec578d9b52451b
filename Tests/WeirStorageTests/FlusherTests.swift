import Testing
import WeirModel
import WeirRecords
import WeirSystem
import WeirTesting

@testable import WeirStorage

/// How logs get their turns at being synced.
@Suite struct FlusherTests {
    /// Appends again whenever something became durable, so that there is always something to sync.
    private final class Feeder: LogObserver {
        private let left: Locked<Int>
        private let batch: ValidatedBatch

        init(_ count: Int, _ batch: ValidatedBatch) {
            left = Locked(count)
            self.batch = batch
        }

        func logAdvanced(_ log: PartitionLog, highWatermark: Offset, syncedEnd: Offset) {
            let isLeft = left.withLock { left in
                left -= 1
                return left > 0
            }
            if isLeft { _ = try? log.append(batch, leaderEpoch: LeaderEpoch(0)) }
        }

        func logFailed(_ log: PartitionLog, error: StorageError) {}
        var isDone: Bool { left.withLock { $0 <= 0 } }
    }

    @Test func otherWorkGetsItsTurnUnderSteadyLoad() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        let made = try batch()
        let feeder = Feeder(1000, made)
        log.setObserver(feeder)
        try log.put(made)
        let wasDone = Locked<Bool?>(nil)
        fixture.workers.submit { wasDone.withLock { $0 = feeder.isDone } }
        fixture.flush()
        #expect(wasDone.withLock { $0 } == false, "the pool's other work waited for the flusher to have nothing to do")
        #expect(feeder.isDone)
        #expect(log.syncedEnd == log.endOffset)
    }

    @Test(.timeLimit(.minutes(1))) func aDeletedLogLeavesTheQueue() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        try log.put(try batch())
        try fixture.manager.deleteLog(Fixture.tp)
        // Its data was never synced and never will be.
        fixture.flush()
        #expect(log.syncedEnd == .zero)
    }

    @Test func logsThatMayWaitAreNotedOnce() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.flushMode = .async
        settings.flushMessages = 2
        settings.flushMs = 86_400_000
        let log = try fixture.log(settings)
        for _ in 0..<100 {
            try log.put(try batch())
            fixture.flush()
        }
        #expect(fixture.manager.context.flusher.agingCount == 1)
    }
}
