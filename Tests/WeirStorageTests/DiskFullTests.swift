import SystemPackage
import Testing
import WeirModel
import WeirRecords
import WeirSystem
import WeirTesting

@testable import WeirStorage

/// A disk without room at each place where it may run out of it.
@Suite struct DiskFullTests {
    /// Makes calls of one kind on files of that ending fail for want of space, until told otherwise.
    static func fill(_ disk: SimulatedFileSystem, _ operation: SimulatedFileSystem.Operation, _ endings: [String]) {
        disk.setFault { call, path in
            call == operation && endings.contains { path.string.hasSuffix($0) } ? .noSpace : nil
        }
    }

    @Test func indicesWithoutRoomRefuseNoBatch() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.indexIntervalBytes = 1
        let log = try fixture.log(settings)
        Self.fill(fixture.disk, .write, [".index", ".timeindex"])
        for offset in 0..<200 as Range<Int64> {
            #expect(try log.put(batch(timestamp: 1000 + offset)).baseOffset == Offset(offset))
        }
        #expect(log.endOffset == 200)
        fixture.disk.setFault(nil)
        fixture.flush()
        for offset in stride(from: 0, to: 200, by: 7) as StrideTo<Int64> {
            #expect(try log.headers(from: offset).first?.baseOffset == offset)
        }
        try fixture.restart()
        let again = try fixture.log(settings)
        #expect(again.endOffset == 200)
        #expect(try again.offset(forTimestamp: 1150)?.offset == 150)
    }

    /// A write that failed half-way leaves bytes behind the last batch. The segment that is rolled then must not keep them.
    @Test func rolledSegmentKeepsNothingOfAFailedWrite() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentBytes = 1000
        let log = try fixture.log(settings)
        // No preallocation: the file ends where the last batch does.
        Self.fill(fixture.disk, .allocate, [".log"])
        try log.put(try batch(valueBytes: 600))
        let space = try fixture.disk.space(at: Fixture.directory)
        fixture.disk.setCapacity(space.total - space.free + 20)
        #expect(throws: AppendError.self) { try log.put(try batch(valueBytes: 100)) }
        fixture.disk.setCapacity(Int64.max / 4)
        try log.put(try batch(valueBytes: 700))
        #expect(log.segmentCount == 2)
        #expect(log.flushNow())
        #expect(log.syncedEnd == 2)
        try fixture.reopen(fixture.disk.killed())
        let again = try fixture.log(settings)
        #expect(again.failure == nil)
        #expect(again.endOffset == 2)
        #expect(try again.headers().count == 2)
    }

    /// The rest of a longer batch that failed must not stand behind a shorter one that did not.
    @Test func shorterBatchAfterAFailedLongerOne() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        Self.fill(fixture.disk, .allocate, [".log"])
        try log.put(try batch())
        let sizeBefore = log.sizeBytes
        // The first part of a batch is written, and then the disk is full.
        let space = try fixture.disk.space(at: Fixture.directory)
        fixture.disk.setCapacity(space.total - space.free + 20)
        #expect(throws: AppendError.self) { try log.put(try batch(valueBytes: 300)) }
        fixture.disk.setCapacity(Int64.max / 4)
        fixture.disk.overwrite(
            fixture.path("00000000000000000000.log"),
            with: try fixture.bytes("00000000000000000000.log") + [UInt8](repeating: 0xFF, count: 2000))
        try log.put(try batch())
        fixture.flush()
        #expect(try fixture.bytes("00000000000000000000.log").count == Int(sizeBefore * 2))
    }
}

extension DiskFullTests {
    /// What a sync needs beside the log, a new partition's metadata, finds no room: nothing counts as synced, the directory
    /// stays online, and with room again the sync goes through.
    @Test(arguments: [false, true]) func noRoomForASyncsSmallFiles(byCheckpoint: Bool) throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        Self.fill(fixture.disk, .write, [".tmp"])
        try log.put(try batch())
        if byCheckpoint { log.checkpoint() } else { fixture.flush() }
        #expect(fixture.manager.isOnline)
        #expect(log.syncedEnd == .zero)
        fixture.disk.setFault(nil)
        fixture.time.advance(milliseconds: 1000)
        fixture.round()
        #expect(log.syncedEnd == 1)
        try fixture.reopen(fixture.disk.crashed(seed: 3))
        #expect(try fixture.log().endOffset == 1)
    }

    /// Files that were marked as synced for a checkpoint that failed before it synced them.
    @Test func failedCheckpointHidesNoUnsyncedData() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        try log.put(try batch())
        fixture.flush()
        try log.put(try batch())
        Self.fill(fixture.disk, .write, [".tmp"])
        log.checkpoint()
        fixture.disk.setFault(nil)
        fixture.flush()
        #expect(log.syncedEnd == 2)
        for seed in 0..<20 as Range<UInt64> {
            let after = try Fixture(disk: fixture.disk.crashed(seed: seed))
            #expect(try after.log().endOffset == 2, "seed \(seed)")
        }
    }

    @Test func tooManyOpenFilesPasses() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        fixture.disk.setFault { call, path in call == .open && path.string.contains("topic-0") ? .tooManyOpenFiles : nil
        }
        #expect(throws: AppendError.self) { try log.put(try batch()) }
        #expect(fixture.manager.isOnline)
        fixture.disk.setFault(nil)
        try log.put(try batch())
        fixture.flush()
        #expect(log.syncedEnd == 1)
    }
}
