import SystemPackage
import Testing
import WeirModel
import WeirRecords
import WeirSystem
import WeirTesting

@testable import WeirStorage

/// Logs that are deleted, and others that come to have their names.
@Suite struct DeletionTests {
    static let newID = UniqueID(high: 70, low: 90)

    /// A log with ten synced records, a recovery point and a start that the checkpoint files know.
    private func deletable() throws -> Fixture {
        let fixture = try Fixture()
        let log = try fixture.log()
        for _ in 0..<10 { try log.put(try batch()) }
        fixture.flush()
        log.checkpoint()
        #expect(try log.deleteRecords(before: 5) == 5)
        fixture.manager.writeCheckpoints()
        return fixture
    }

    /// The new log has less than the old one's recovery point says was on disk, and starts below its start.
    @Test func newLogOfTheNameIsNotJudgedByTheOldOne() throws {
        let fixture = try deletable()
        try fixture.manager.deleteLog(Fixture.tp)
        let log = try fixture.manager.openLog(Fixture.tp, topicID: Self.newID, settings: TopicSettings())
        try log.put(try batch())
        fixture.flush()
        #expect(log.syncedEnd == 1)
        try fixture.reopen(fixture.disk.killed())
        try fixture.manager.setAsideUnknown(known: [Fixture.tp: Self.newID])
        let again = try fixture.manager.openLog(Fixture.tp, topicID: Self.newID, settings: TopicSettings())
        #expect(again.failure == nil)
        #expect(again.startOffset == .zero)
        #expect(again.endOffset == 1)
    }

    /// The broker dies between the deletion and anything else; much later there is a topic of the name again.
    @Test(arguments: 0..<40 as Range<Int>) func diedWhileDeleting(calls: Int) throws {
        let fixture = try deletable()
        let image = Locked<SimulatedFileSystem?>(nil)
        let disk = fixture.disk
        disk.atOperation(calls) { image.withLock { $0 = disk.killed() } }
        try fixture.manager.deleteLog(Fixture.tp)
        fixture.flush()
        try fixture.reopen(image.withLock { $0 } ?? disk.killed())
        try fixture.manager.setAsideUnknown(known: [:])
        let log = try fixture.manager.openLog(Fixture.tp, topicID: Self.newID, settings: TopicSettings())
        #expect(log.failure == nil)
        try log.put(try batch())
        fixture.flush()
        try fixture.reopen(fixture.disk.killed())
        let again = try fixture.manager.openLog(Fixture.tp, topicID: Self.newID, settings: TopicSettings())
        #expect(again.failure == nil)
        #expect(again.offsets.start == .zero)
        #expect(again.endOffset == 1)
    }

    /// A directory of another topic id is set aside, and what the checkpoints said of it goes with it.
    @Test func strangersCheckpointsGoWithThem() throws {
        let fixture = try deletable()
        try fixture.reopen(fixture.disk.killed())
        let log = try fixture.manager.openLog(Fixture.tp, topicID: Self.newID, settings: TopicSettings())
        try log.put(try batch())
        fixture.flush()
        try fixture.reopen(fixture.disk.killed())
        let again = try fixture.manager.openLog(Fixture.tp, topicID: Self.newID, settings: TopicSettings())
        #expect(again.failure == nil)
        #expect(again.endOffset == 1)
    }

    @Test func openLogOfAnotherTopicIsNotHandedOut() throws {
        let fixture = try deletable()
        #expect(throws: StorageError.self) {
            try fixture.manager.openLog(Fixture.tp, topicID: Self.newID, settings: TopicSettings())
        }
    }

    /// Retention took segments out before the log was deleted; their files' names are a new log's by now.
    @Test func retentionOfADeletedLogSparesTheNewOne() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentBytes = 300
        settings.retentionBytes = 0
        let old = try fixture.log(settings)
        for _ in 0..<10 { try old.put(try batch()) }
        fixture.flush()
        let dropped = old.expire(nowMs: fixture.time.wallMilliseconds)
        #expect(!dropped.isEmpty)
        try fixture.manager.deleteLog(Fixture.tp)
        let new = try fixture.manager.openLog(Fixture.tp, topicID: Self.newID, settings: settings)
        try new.put(try batch())
        fixture.flush()
        old.remove(dropped)
        #expect(fixture.manager.isOnline)
        #expect(try fixture.names().contains("00000000000000000000.log"))
    }

    /// What DeleteRecords answered is not forgotten.
    @Test func startsSurvive() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        for _ in 0..<10 { try log.put(try batch()) }
        fixture.flush()
        #expect(try log.deleteRecords(before: 5) == 5)
        #expect(fixture.manager.saveStartOffsets())
        for seed in 0..<10 as Range<UInt64> {
            let after = try Fixture(disk: fixture.disk.crashed(seed: seed))
            #expect(try after.log().startOffset == 5, "seed \(seed)")
        }
        fixture.disk.setFault { call, _ in call == .write ? .noSpace : nil }
        #expect(!fixture.manager.saveStartOffsets())
    }
}
