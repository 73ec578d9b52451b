import SystemPackage
import Testing
import WeirModel
import WeirTesting

@testable import WeirStorage

/// A process without a descriptor to spare has no broken disk: nothing may go offline, and all goes on afterwards.
@Suite("Without descriptors") struct DescriptorShortageTests {
    @Test func anAppendThatCannotOpenItsSegmentIsRefusedAndNothingElse() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        fixture.disk.setFault { operation, _ in operation == .open ? .tooManyOpenFiles : nil }
        let error = #expect(throws: AppendError.self) { try log.put(try batch()) }
        #expect(error?.code == .kafkaStorageError)
        #expect(fixture.manager.isOnline)
        fixture.disk.setFault(nil)
        #expect(try log.put(try batch()).baseOffset == Offset(0))
        fixture.flush()
        #expect(log.syncedEnd == Offset(1))
    }

    @Test(arguments: [SimulatedFileSystem.Operation.open, .syncDirectory])
    func aSyncThatCannotOpenWhatItNeedsIsDoneLater(operation: SimulatedFileSystem.Operation) throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        let watcher = Watcher()
        log.setObserver(watcher)
        try log.put(try batch())
        fixture.disk.setFault { $1.string.hasPrefix("/data/topic-0") && $0 == operation ? .tooManyOpenFiles : nil }
        fixture.flush()
        #expect(fixture.manager.isOnline && log.failure == nil && watcher.failures == 0)
        #expect(log.syncedEnd == Offset(0) && log.highWatermark == Offset(0))
        // The shortage is over: what was appended before and after it gets to disk without anybody's doing.
        fixture.disk.setFault(nil)
        try log.put(try batch())
        fixture.time.advance(milliseconds: 1000)
        fixture.round()
        #expect(log.syncedEnd == Offset(2))
        #expect(watcher.progress.last?.highWatermark == 2)
        let after = try Fixture(disk: fixture.disk.crashed(seed: 1))
        #expect(try after.log().endOffset == Offset(2))
    }

    @Test func aCheckpointThatCannotOpenWhatItNeedsTakesNothingForSynced() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        for _ in 0..<3 { try log.put(try batch()) }
        fixture.disk.setFault { operation, _ in
            operation == .open || operation == .syncDirectory ? .tooManyOpenFiles : nil
        }
        log.checkpoint()
        fixture.manager.writeCheckpoints()
        #expect(fixture.manager.isOnline)
        fixture.disk.setFault(nil)
        fixture.flush()
        #expect(log.syncedEnd == Offset(3))
        for seed in 0..<8 as Range<UInt64> {
            let after = try Fixture(disk: fixture.disk.crashed(seed: seed))
            #expect(try after.log().endOffset == Offset(3), "seed \(seed)")
        }
    }
}
