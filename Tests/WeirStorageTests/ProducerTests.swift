import Testing
import WeirModel
import WeirRecords
import WeirSystem
import WeirTesting

@testable import WeirStorage

/// Idempotent producers, by Kafka's rules.
@Suite struct ProducerTests {
    private func put(
        _ log: PartitionLog, _ sequence: Int32, records: Int = 1, id: Int64 = 4, epoch: Int16 = 0,
        timestamp: Int64 = 1_700_000_000_000
    ) throws -> AppendResult {
        try log.put(
            try batch(BatchSpec(records: records, timestamp: timestamp, producer: (id, epoch, sequence))))
    }

    private func refusal(_ body: () throws -> AppendResult) -> ErrorCode? {
        do {
            _ = try body()
            return nil
        } catch {
            return (error as? AppendError)?.code
        }
    }

    @Test func duplicatesWithinTheWindowGetTheOriginalOffset() throws {
        let log = try Fixture().log()
        for index in 0..<6 as Range<Int32> { _ = try put(log, index * 2, records: 2) }
        for index in 1..<6 as Range<Int32> {
            let again = try put(log, index * 2, records: 2)
            #expect(again.isDuplicate)
            #expect(again.baseOffset == Offset(Int64(index) * 2))
            #expect(again.lastOffset == Offset(Int64(index) * 2 + 1))
        }
        // The sixth back is out of the window; the same start with another length is no duplicate.
        #expect(refusal { try put(log, 0, records: 2) } == .outOfOrderSequenceNumber)
        #expect(refusal { try put(log, 10, records: 1) } == .outOfOrderSequenceNumber)
        #expect(log.endOffset == Offset(12))
    }

    @Test func gapsAndOldEpochsAreRefused() throws {
        let log = try Fixture().log()
        _ = try put(log, 0, epoch: 3)
        #expect(refusal { try put(log, 2, epoch: 3) } == .outOfOrderSequenceNumber)
        #expect(refusal { try put(log, 1, epoch: 2) } == .invalidProducerEpoch)
        #expect(refusal { try put(log, 5, epoch: 4) } == .outOfOrderSequenceNumber)
        _ = try put(log, 0, epoch: 4)
        #expect(refusal { try put(log, 1, epoch: 3) } == .invalidProducerEpoch)
        _ = try put(log, 1, epoch: 4)
        #expect(log.endOffset == Offset(3))
    }

    @Test func unknownProducerMayStartAnywhere() throws {
        let log = try Fixture().log()
        #expect(try put(log, 17).baseOffset == .zero)
        #expect(refusal { try put(log, 19) } == .outOfOrderSequenceNumber)
        _ = try put(log, 18)
    }

    @Test func sequencesWrap() throws {
        let log = try Fixture().log()
        _ = try put(log, Int32.max - 3, records: 2)
        // Sequences max-1, max, 0.
        let across = try put(log, Int32.max - 1, records: 3)
        #expect(across.baseOffset == Offset(2))
        #expect(try put(log, Int32.max - 1, records: 3).isDuplicate)
        _ = try put(log, 1)
        #expect(refusal { try put(log, 1, records: 2) } == .outOfOrderSequenceNumber)
        let exact = try Fixture().log()
        _ = try put(exact, Int32.max)
        #expect(try put(exact, 0).baseOffset == Offset(1))
    }

    @Test func coordinatorsMaySkipSequences() throws {
        let log = try Fixture().log()
        _ = try put(log, 0)
        let result = try log.append(
            try batch(BatchSpec(producer: (4, 0, 9))), leaderEpoch: LeaderEpoch(0), origin: .coordinator)
        #expect(result.baseOffset == Offset(1))
    }

    @Test(arguments: [true, false]) func windowSurvivesARestart(cleanly: Bool) throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        for index in 0..<7 as Range<Int32> { _ = try put(log, index) }
        fixture.flush()
        if cleanly { try fixture.restart() } else { try fixture.reopen(fixture.disk.crashed(seed: 3)) }
        let again = try fixture.log()
        #expect(again.endOffset == Offset(7))
        for index in 2..<7 as Range<Int32> {
            #expect(try put(again, index).baseOffset == Offset(Int64(index)))
        }
        #expect(refusal { try put(again, 8) } == .outOfOrderSequenceNumber)
        #expect(try put(again, 7).baseOffset == Offset(7))
    }

    @Test func windowSurvivesFromSnapshotAndTail() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        for index in 0..<3 as Range<Int32> { _ = try put(log, index) }
        fixture.flush()
        log.checkpoint()
        #expect(try fixture.names().contains("00000000000000000003.snapshot"))
        for index in 3..<6 as Range<Int32> { _ = try put(log, index) }
        fixture.flush()
        try fixture.reopen(fixture.disk.crashed(seed: 3))
        let again = try fixture.log()
        for index in 1..<6 as Range<Int32> { #expect(try put(again, index).isDuplicate) }
    }

    @Test func damagedSnapshotFallsBackToTheLog() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        for index in 0..<3 as Range<Int32> { _ = try put(log, index) }
        try fixture.restart()
        let path = fixture.path("00000000000000000003.snapshot")
        var bytes = try #require(fixture.disk.contents.first { $0.path == path }).bytes
        #expect(bytes.count == 10 + 3 * 46)
        bytes[20] ^= 1
        fixture.disk.overwrite(path, with: bytes)
        _ = try fixture.log()
        try fixture.restart()
        fixture.disk.overwrite(path, with: bytes)
        try fixture.reopen(fixture.disk)
        let again = try fixture.log()
        #expect(try put(again, 2).isDuplicate)
        #expect(fixture.notices.contains("is not a sound producer snapshot"))
    }

    @Test func producersExpire() throws {
        var settings = StorageSettings()
        settings.producerExpirationMs = 10_000
        let fixture = try Fixture(settings: settings)
        let log = try fixture.log()
        _ = try put(log, 0, id: 1, timestamp: fixture.time.wallMilliseconds)
        fixture.flush()
        fixture.time.advance(milliseconds: 9000)
        _ = try put(log, 0, id: 2, timestamp: fixture.time.wallMilliseconds)
        fixture.manager.expireOldSegments()
        #expect(log.activeProducers.count == 2)
        fixture.time.advance(milliseconds: 2000)
        fixture.manager.expireOldSegments()
        #expect(log.activeProducers.map(\.producerID) == [ProducerID(2)])
    }

    @Test func snapshotsReadBack() throws {
        var random = SeededGenerator(seed: 5)
        for _ in 0..<200 {
            var states = ProducerStates()
            for _ in 0..<Int.random(in: 0...30, using: &random) {
                var header = RecordBatchHeader()
                header.producerID = Int64.random(in: 0...5, using: &random)
                header.producerEpoch = Int16.random(in: 0...2, using: &random)
                header.baseSequence = Int32.random(in: 0...Int32.max, using: &random)
                header.lastOffsetDelta = Int32.random(in: 0...1000, using: &random)
                header.baseOffset = Int64.random(in: 0...1_000_000, using: &random)
                header.maxTimestamp = Int64.random(in: -1...2_000_000_000_000, using: &random)
                states.update(header)
            }
            let bytes = ProducerSnapshot.encode(states)
            #expect(ProducerSnapshot.decode(bytes) == states)
            // Any flipped bit and any cut is noticed.
            var damaged = bytes
            damaged[Int.random(in: 0..<bytes.count, using: &random)] ^= UInt8(
                1 << Int.random(in: 0..<8, using: &random))
            #expect(ProducerSnapshot.decode(damaged) == nil)
            #expect(ProducerSnapshot.decode(Array(bytes.dropLast())) == nil)
        }
    }
}
