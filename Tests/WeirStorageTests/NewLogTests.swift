import SystemPackage
import Testing
import WeirModel
import WeirRecords
import WeirSystem
import WeirTesting

@testable import WeirStorage

/// What the first records of many new partitions cost, and that they are durable for it.
@Suite struct NewLogTests {
    static let count = 20

    private func logs(_ fixture: Fixture) throws -> [PartitionLog] {
        try (0..<Self.count).map {
            try fixture.log(TopicSettings(), TopicPartition("topic", PartitionIndex(Int32($0))))
        }
    }

    @Test func newLogsShareTheSyncOfTheDataDirectory() throws {
        let fixture = try Fixture()
        let logs = try logs(fixture)
        let counts = Locked((files: 0, own: 0, parent: 0))
        fixture.disk.setFault { call, path in
            counts.withLock { counts in
                if call == .sync { counts.files += 1 }
                if call == .syncDirectory {
                    if path == Fixture.directory { counts.parent += 1 } else { counts.own += 1 }
                }
            }
            return nil
        }
        for log in logs { try log.put(try batch()) }
        fixture.flush()
        for log in logs { #expect(log.syncedEnd == 1) }
        // The log and its metadata, and the directory with their names.
        #expect(counts.withLock { $0.files } == 2 * Self.count)
        #expect(counts.withLock { $0.own } == Self.count)
        #expect(counts.withLock { $0.parent } == 1)
    }

    /// The power goes at some call while the flushers work; what was told by then is there.
    @Test(arguments: 0..<60 as Range<UInt64>) func acknowledgedFirstRecordsSurvive(seed: UInt64) throws {
        let fixture = try Fixture()
        let logs = try logs(fixture)
        var random = SeededGenerator(seed: seed)
        let calls = Int.random(in: 1...260, using: &random)
        let cut = Locked<(disk: SimulatedFileSystem, told: Set<TopicPartition>)?>(nil)
        let told = Locked(Set<TopicPartition>())
        let disk = fixture.disk
        disk.atOperation(calls) {
            cut.withLock { $0 = (disk.crashed(seed: seed), told.withLock { $0 }) }
        }
        let watcher = FirstWatcher { tp in told.withLock { _ = $0.insert(tp) } }
        for log in logs { log.setObserver(watcher) }
        for (index, log) in logs.enumerated() {
            try log.put(try batch(), epoch: 3)
            if index == Self.count / 2 { fixture.flush() }
        }
        fixture.flush()
        let moment = cut.withLock { $0 } ?? (disk: disk.crashed(seed: seed), told: told.withLock { $0 })
        let after = try Fixture(disk: moment.disk)
        for log in logs where moment.told.contains(log.topicPartition) {
            let again = try after.log(TopicSettings(), log.topicPartition)
            #expect(again.endOffset == 1, "seed \(seed): \(log.topicPartition)")
            #expect(again.latestEpoch == LeaderEpoch(3), "seed \(seed): \(log.topicPartition)")
            #expect(
                try after.disk.kind(of: Fixture.directory.appending("\(log.topicPartition)/partition.metadata")) != nil)
        }
    }

    private final class FirstWatcher: LogObserver {
        private let body: @Sendable (TopicPartition) -> Void
        init(_ body: @escaping @Sendable (TopicPartition) -> Void) { self.body = body }
        func logAdvanced(_ log: PartitionLog, highWatermark: Offset, syncedEnd: Offset) { body(log.topicPartition) }
        func logFailed(_ log: PartitionLog, error: StorageError) {}
    }

    /// Epochs that are not in their file yet come from the batches, and those below the recovery point from the file.
    @Test(arguments: [false, true]) func epochsSurviveACrash(checkpointed: Bool) throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        for epoch in [1, 1, 2, 4] as [Int32] { try log.put(try batch(), epoch: epoch) }
        fixture.flush()
        if checkpointed {
            log.checkpoint()
            fixture.manager.writeCheckpoints()
        }
        try log.put(try batch(), epoch: 6)
        fixture.flush()
        for seed in 0..<10 as Range<UInt64> {
            let after = try Fixture(disk: fixture.disk.crashed(seed: seed))
            let again = try after.log()
            #expect(again.latestEpoch == LeaderEpoch(6))
            #expect(again.epochEndOffset(for: LeaderEpoch(1))?.endOffset == 2)
            #expect(again.epochEndOffset(for: LeaderEpoch(3))?.endOffset == 3)
        }
    }

    @Test func epochsDoNotGoBack() throws {
        let log = try Fixture().log()
        try log.put(try batch(), epoch: 5)
        #expect(throws: AppendError.self) { try log.put(try batch(), epoch: 4) }
    }

    /// A sync that failed while the broker was stopping: what it lost must not be acknowledged by the stop's own sync.
    @Test func failedSyncDuringStopIsNotAcknowledged() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        try log.put(try batch())
        let manager = fixture.manager
        fixture.disk.setFault { call, _ in
            // Another log's flusher meets the broken disk at that moment.
            if call == .syncAll { manager.context.fail(FileError("fdatasync", "/data/topic-0", .ioError)) }
            return nil
        }
        fixture.manager.close()
        #expect(log.syncedEnd == .zero)
        #expect(try fixture.disk.kind(of: Fixture.directory.appending(".kafka_cleanshutdown")) == nil)
    }
}
