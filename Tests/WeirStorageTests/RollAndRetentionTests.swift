import NIOCore
import SystemPackage
import Testing
import WeirModel
import WeirRecords
import WeirSystem
import WeirTesting

@testable import WeirStorage

@Suite struct RollAndRetentionTests {
    private let start: Int64 = 1_700_000_000_000

    @Test func rollsBySize() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentBytes = 1000
        let log = try fixture.log(settings)
        let size = try batch(valueBytes: 400).bytes.readableBytes
        for _ in 0..<5 { try log.put(try batch(valueBytes: 400)) }
        fixture.flush()
        #expect(size * 2 <= 1000 && size * 3 > 1000)
        #expect(log.segmentCount == 3)
        let logs = try fixture.names().filter { $0.hasSuffix(".log") }
        #expect(logs == [0, 2, 4].map { SegmentName.text($0, .log) })
        // A rolled segment has no zeros at its end.
        #expect(try fixture.disk.kind(of: fixture.path(SegmentName.text(0, .log))) == .file(size: Int64(size * 2)))
        #expect(log.sizeBytes == Int64(size * 5))
    }

    @Test func rollsByTimeOfRecords() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentMs = 1000
        let log = try fixture.log(settings)
        try log.put(try batch(timestamp: start))
        try log.put(try batch(timestamp: start + 1000))
        #expect(log.segmentCount == 1)
        try log.put(try batch(timestamp: start + 1001))
        #expect(log.segmentCount == 2)
    }

    @Test func rollsByTimeOfTheClockWithoutTimestamps() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentMs = 1000
        let log = try fixture.log(settings)
        try log.put(try batch(timestamp: -1))
        fixture.time.advance(milliseconds: 1000)
        try log.put(try batch(timestamp: -1))
        #expect(log.segmentCount == 1)
        fixture.time.advance(milliseconds: 1)
        try log.put(try batch(timestamp: -1))
        #expect(log.segmentCount == 2)
    }

    @Test func jitterRollsEarlier() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentMs = 100_000
        settings.segmentJitterMs = 50_000
        let log = try fixture.log(settings)
        try log.put(try batch(timestamp: start))
        try log.put(try batch(timestamp: start + 50_000))
        #expect(log.segmentCount == 1)
        try log.put(try batch(timestamp: start + 100_000))
        #expect(log.segmentCount == 2)
    }

    @Test func rollsWhenTheIndexIsFull() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentIndexBytes = 36
        settings.indexIntervalBytes = 1
        let log = try fixture.log(settings)
        for index in 0..<6 { try log.put(try batch(timestamp: start + Int64(index))) }
        #expect(log.segmentCount > 1)
        fixture.flush()
        #expect(try log.headers().count == 6)
    }

    @Test func filesGrowInDoublingSteps() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        func length() throws -> Int64 {
            guard case .file(let size)? = try fixture.disk.kind(of: fixture.path(SegmentName.text(0, .log))) else {
                return -1
            }
            return size
        }
        try log.put(try batch())
        #expect(try length() == 64 << 10)
        try log.put(try batch(valueBytes: 70_000))
        #expect(try length() == 128 << 10)
        try log.put(try batch(valueBytes: 300_000))
        #expect(try length() == 512 << 10)
        fixture.flush()
        let size = log.sizeBytes
        fixture.manager.close()
        #expect(try length() == size)
    }

    @Test func retentionByTime() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentBytes = 1000
        settings.retentionMs = 10_000
        let log = try fixture.log(settings)
        let now = fixture.time.wallMilliseconds
        for index in 0..<8 { try log.put(try batch(valueBytes: 400, timestamp: now + Int64(index) * 1000)) }
        fixture.flush()
        fixture.time.advance(milliseconds: 13_001)
        fixture.manager.expireOldSegments()
        // Segments 0-1 and 2-3 end at 1000 and 3000; only those are older than 10 s at 13001.
        #expect(log.startOffset == Offset(4))
        #expect(try fixture.names().filter { $0.hasSuffix(".log") }.count == 2)
        let error = #expect(throws: ReadError.self) { try log.read(from: Offset(3), maxBytes: 100) }
        #expect(error?.code == .offsetOutOfRange)
        fixture.time.advance(milliseconds: 20_000)
        fixture.manager.expireOldSegments()
        #expect(log.startOffset == Offset(8))
        #expect(log.endOffset == Offset(8))
        #expect(log.sizeBytes == 0)
        // The end outlives its records, also over a restart.
        try fixture.restart()
        let again = try fixture.log(settings)
        #expect(again.startOffset == Offset(8))
        #expect(try again.put(try batch()).baseOffset == Offset(8))
    }

    @Test func retentionBySize() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentBytes = 1000
        settings.retentionMs = -1
        let size = Int64(try batch(valueBytes: 400).bytes.readableBytes)
        settings.retentionBytes = size * 3
        let log = try fixture.log(settings)
        for _ in 0..<8 { try log.put(try batch(valueBytes: 400)) }
        fixture.flush()
        fixture.manager.expireOldSegments()
        #expect(log.sizeBytes == size * 4)
        #expect(log.startOffset == Offset(4))
    }

    @Test func compactedOnlyTopicsKeepEverything() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentBytes = 1000
        settings.cleanupPolicy = .compact
        settings.retentionMs = 1
        settings.retentionBytes = 1
        let log = try fixture.log(settings)
        for _ in 0..<4 { try log.put(try batch(valueBytes: 400)) }
        fixture.flush()
        fixture.time.advance(milliseconds: 100_000)
        fixture.manager.expireOldSegments()
        #expect(log.startOffset == .zero)
    }

    @Test func unsyncedSegmentsAreNotDropped() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentBytes = 1000
        settings.retentionMs = 1
        let log = try fixture.log(settings)
        for _ in 0..<4 { try log.put(try batch(valueBytes: 400)) }
        fixture.time.advance(milliseconds: 100_000)
        fixture.manager.expireOldSegments()
        #expect(log.startOffset == .zero)
    }

    @Test func deleteRecords() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentBytes = 1000
        let log = try fixture.log(settings)
        for _ in 0..<7 { try log.put(try batch(valueBytes: 400), epoch: 2) }
        fixture.flush()
        #expect(try log.deleteRecords(before: Offset(3)) == Offset(3))
        #expect(try log.deleteRecords(before: Offset(1)) == Offset(3))
        #expect(throws: ReadError.self) { try log.deleteRecords(before: Offset(8)) }
        #expect(try log.headers().map(\.baseOffset) == [3, 4, 5, 6])
        fixture.round()
        fixture.manager.expireOldSegments()
        #expect(try fixture.names().filter { $0.hasSuffix(".log") }.count == 3)
        #expect(log.startOffset == Offset(3))
        try fixture.reopen(fixture.disk.crashed(seed: 1))
        let again = try fixture.log(settings)
        #expect(again.startOffset == Offset(3))
        #expect(again.endOffset == Offset(7))
        #expect(again.epochEndOffset(for: LeaderEpoch(2))?.endOffset == Offset(7))
        #expect(try again.deleteRecords(before: Offset(7)) == Offset(7))
        fixture.manager.expireOldSegments()
        #expect(again.sizeBytes == 0)
        #expect(try again.put(try batch(), epoch: 2).baseOffset == Offset(7))
    }

    @Test func regularRoundChecksRetention() throws {
        var storage = StorageSettings()
        storage.retentionCheckIntervalMs = 5000
        let fixture = try Fixture(settings: storage)
        var settings = TopicSettings()
        settings.retentionMs = 1000
        let log = try fixture.log(settings)
        fixture.manager.start()
        try log.put(try batch(timestamp: fixture.time.wallMilliseconds))
        fixture.flush()
        for _ in 0..<6 {
            fixture.time.advance(milliseconds: 1000)
            fixture.flush()
        }
        #expect(log.startOffset == Offset(1))
    }

    @Test func offsetsByTime() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentBytes = 5000
        settings.indexIntervalBytes = 300
        let log = try fixture.log(settings)
        #expect(try log.offset(forTimestamp: 0) == nil)
        #expect(try log.maxTimestampOffset() == nil)
        var random = SeededGenerator(seed: 3)
        var times: [Int64] = []
        for index in 0..<300 {
            let count = Int.random(in: 1...4, using: &random)
            // Mostly growing, sometimes stepping back.
            let time = start + Int64(index) * 100 - (random.oneIn(5) ? Int64.random(in: 0...2000, using: &random) : 0)
            let codec = CompressionCodec.allCases[index % CompressionCodec.allCases.count]
            let spec = BatchSpec(
                records: count, valueBytes: 50, timestamp: time, timestampStep: 7, codec: codec)
            try log.put(try batch(spec), epoch: 4)
            for record in 0..<count { times.append(time + Int64(record) * 7) }
        }
        fixture.flush()
        func check(_ log: PartitionLog) throws {
            for _ in 0..<300 {
                let wanted = start + Int64.random(in: -3000...33_000, using: &random)
                let expected = times.firstIndex { $0 >= wanted }
                let found = try log.offset(forTimestamp: wanted)
                #expect(found?.offset.rawValue == expected.map { Int64($0) })
                if let found {
                    #expect(found.timestamp == times[Int(found.offset.rawValue)])
                    #expect(found.leaderEpoch == LeaderEpoch(4))
                }
            }
            let largest = try #require(times.max())
            #expect(try log.maxTimestampOffset()?.offset.rawValue == times.firstIndex(of: largest).map { Int64($0) })
        }
        try check(log)
        try fixture.restart()
        try check(try fixture.log(settings))
    }

    @Test func truncation() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentBytes = 1000
        let log = try fixture.log(settings)
        for index in 0..<9 { try log.put(try batch(valueBytes: 300), epoch: Int32(index / 3)) }
        fixture.flush()
        let before = try log.headers()
        try log.truncate(to: Offset(4))
        #expect(log.offsets == LogOffsets(start: .zero, highWatermark: Offset(4), syncedEnd: Offset(4), end: Offset(4)))
        #expect(try log.headers() == Array(before[..<4]))
        #expect(log.latestEpoch == LeaderEpoch(1))
        try log.put(try batch(valueBytes: 100), epoch: 9)
        #expect(log.highWatermark == Offset(4))
        fixture.flush()
        #expect(log.highWatermark == Offset(5))
        try fixture.reopen(fixture.disk.crashed(seed: 4))
        let again = try fixture.log(settings)
        #expect(again.endOffset == Offset(5))
        #expect(again.latestEpoch == LeaderEpoch(9))
    }
}
