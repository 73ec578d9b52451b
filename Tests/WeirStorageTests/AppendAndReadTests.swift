import NIOCore
import SystemPackage
import Testing
import WeirModel
import WeirRecords
import WeirSystem
import WeirTesting

@testable import WeirStorage

@Suite struct AppendAndReadTests {
    @Test func newLogHasNoFiles() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        #expect(log.offsets == LogOffsets(start: .zero, highWatermark: .zero, syncedEnd: .zero, end: .zero))
        #expect(try log.read(from: .zero, maxBytes: 1000).bytes == nil)
        #expect(try fixture.disk.kind(of: Fixture.directory.appending("topic-0")) == nil)
    }

    @Test func offsetsFollowEachOtherAndBecomeVisibleWhenSynced() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        let watcher = Watcher()
        log.setObserver(watcher)
        let first = try log.put(try batch(records: 3), epoch: 5)
        #expect(first.baseOffset == Offset(0))
        #expect(first.lastOffset == Offset(2))
        #expect(!first.highWatermarkAdvanced)
        let second = try log.put(try batch(records: 2), epoch: 5)
        #expect(second.baseOffset == Offset(3))
        #expect(log.highWatermark == .zero)
        #expect(try log.read(from: .zero, maxBytes: 1000).bytes == nil)
        #expect(try log.headers(upTo: .logEnd).map(\.baseOffset) == [0, 3])
        fixture.flush()
        #expect(log.highWatermark == Offset(5))
        #expect(watcher.progress == [.init(highWatermark: 5, syncedEnd: 5)])
        let headers = try log.headers()
        #expect(headers.map(\.baseOffset) == [0, 3])
        #expect(headers.allSatisfy { $0.partitionLeaderEpoch == 5 })
        #expect(log.latestEpoch == LeaderEpoch(5))
    }

    @Test func asyncLogShowsAtOnceAndSyncsLater() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.flushMode = .async
        settings.flushMs = 3000
        let log = try fixture.log(settings)
        let watcher = Watcher()
        log.setObserver(watcher)
        let result = try log.put(try batch())
        #expect(result.highWatermarkAdvanced)
        #expect(watcher.progress == [.init(highWatermark: 1, syncedEnd: 0)])
        #expect(try log.headers().count == 1)
        fixture.round()
        #expect(log.syncedEnd == .zero)
        fixture.time.advance(milliseconds: 3000)
        fixture.round()
        #expect(log.syncedEnd == Offset(1))
        // Again, to see that the log is taken a second time.
        try log.put(try batch())
        fixture.time.advance(milliseconds: 3000)
        fixture.round()
        #expect(log.syncedEnd == Offset(2))
    }

    @Test func flushMessagesSyncsEarly() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.flushMode = .async
        settings.flushMessages = 3
        let log = try fixture.log(settings)
        try log.put(try batch(records: 2))
        fixture.flush()
        #expect(log.syncedEnd == .zero)
        try log.put(try batch())
        fixture.flush()
        #expect(log.syncedEnd == Offset(3))
    }

    @Test func changingTheFlushModeTakesEffect() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        try log.put(try batch())
        var settings = TopicSettings()
        settings.flushMode = .async
        log.apply(settings: settings)
        #expect(log.highWatermark == Offset(1))
        settings.flushMode = .sync
        try log.put(try batch())
        log.apply(settings: settings)
        // What was shown stays shown.
        #expect(log.highWatermark == Offset(2))
        fixture.flush()
        #expect(log.syncedEnd == Offset(2))
        try log.put(try batch())
        #expect(log.highWatermark == Offset(2))
        fixture.flush()
        #expect(log.highWatermark == Offset(3))
    }

    @Test func readsFromAnyOffsetInAnySize() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentBytes = 20_000
        settings.indexIntervalBytes = 1000
        let log = try fixture.log(settings)
        var random = SeededGenerator(seed: 11)
        for _ in 0..<200 {
            try log.put(
                try batch(
                    records: Int.random(in: 1...5, using: &random), valueBytes: Int.random(in: 0...300, using: &random))
            )
        }
        fixture.flush()
        #expect(log.segmentCount > 3)
        let all = try log.headers()
        #expect(all.count == 200)
        for _ in 0..<2000 {
            let offset = Int64.random(in: 0..<log.endOffset.rawValue, using: &random)
            let maxBytes = Int.random(in: 1...5000, using: &random)
            let read = try log.read(from: Offset(offset), maxBytes: maxBytes)
            let slice = try #require(read.bytes)
            var batches = RecordBatchIterator(try slice.readAll())
            let first = try #require(try batches.next())
            #expect(first.header.baseOffset <= offset && offset <= first.header.lastOffset)
            #expect(slice.count <= maxBytes || slice.count == first.header.totalBytes)
            while let next = try batches.next() { try next.verifyCRC() }
            #expect(batches.remaining.readableBytes == 0)
        }
        #expect(try log.headers(maxBytes: 1) == all)
        #expect(try log.headers(maxBytes: 3000) == all)
        #expect(try log.headers(maxBytes: Int.max) == all)
    }

    @Test func firstBatchLargerThanTheLimit() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        try log.put(try batch(valueBytes: 5000))
        try log.put(try batch(valueBytes: 5000))
        fixture.flush()
        let one = try log.read(from: .zero, maxBytes: 100, minOneBatch: true)
        #expect((one.bytes?.count ?? 0) > 5000 && (one.bytes?.count ?? 0) < 5200)
        #expect(try log.read(from: .zero, maxBytes: 100, minOneBatch: false).bytes == nil)
    }

    @Test func outOfRange() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        try log.put(try batch())
        fixture.flush()
        #expect(try log.read(from: Offset(1), maxBytes: 10).bytes == nil)
        for offset in [Int64(-1), 2, Int64.max, Int64.min] {
            let error = #expect(throws: ReadError.self) { try log.read(from: Offset(offset), maxBytes: 10) }
            #expect(error?.code == .offsetOutOfRange)
        }
    }

    @Test func batchLargerThanASegmentIsRefused() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentBytes = 1000
        let log = try fixture.log(settings)
        let large = try batch(valueBytes: 2000)
        let error = #expect(throws: AppendError.self) { try log.put(large) }
        #expect(error?.code == .recordListTooLarge)
        #expect(log.endOffset == .zero)
    }

    @Test func sliceOutlivesItsSegment() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        try log.put(try batch())
        fixture.flush()
        let slice = try #require(try log.read(from: .zero, maxBytes: 1000).bytes)
        try fixture.manager.deleteLog(Fixture.tp)
        fixture.time.advance(milliseconds: 100_000)
        fixture.flush()
        #expect(try fixture.disk.list(Fixture.directory).allSatisfy { !$0.contains("topic") })
        #expect(try slice.readAll().readableBytes == slice.count)
        let refused = try batch()
        #expect(throws: AppendError.self) { try log.put(refused) }
    }

    @Test func leaderEpochsAndTheirEnds() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        #expect(log.epochEndOffset(for: LeaderEpoch(0)) == nil)
        for epoch: Int32 in [1, 1, 3, 7] { try log.put(try batch(records: 2), epoch: epoch) }
        fixture.flush()
        func end(_ epoch: Int32) -> [Int64]? {
            log.epochEndOffset(for: LeaderEpoch(epoch)).map { [Int64($0.epoch.rawValue), $0.endOffset.rawValue] }
        }
        #expect(end(0) == [0, 0])
        #expect(end(1) == [1, 4])
        #expect(end(2) == [1, 4])
        #expect(end(3) == [3, 6])
        #expect(end(7) == [7, 8])
        #expect(end(8) == nil)
        // The file is due before the recovery point moves.
        log.checkpoint()
        let text = try #require(fixture.disk.contents.first { $0.path == fixture.path("leader-epoch-checkpoint") })
            .bytes
        #expect(String(decoding: text, as: UTF8.self) == "0\n3\n1 0\n3 4\n7 6\n")
    }
}

extension AppendAndReadTests {
    /// A damaged batch in the middle of the log is not passed over in silence, in whatever sizes a consumer reads.
    @Test(arguments: [50, 200, 1 << 20]) func damageIsNotPassedOver(maxBytes: Int) throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentBytes = 1000
        let log = try fixture.log(settings)
        for _ in 0..<40 { try log.put(try batch()) }
        fixture.flush()
        var bytes = try fixture.bytes("00000000000000000000.log")
        let size = try batch().bytes.readableBytes
        // The magic of the batch at offset 3.
        bytes[3 * size + 16] = 9
        fixture.disk.overwrite(fixture.path("00000000000000000000.log"), with: bytes)
        #expect(log.segmentCount > 1)
        // Another place first, so that nothing is remembered of where reads ended.
        _ = try log.read(from: 20, maxBytes: 1)
        let error = #expect(throws: ReadError.self) { try log.read(from: 3, maxBytes: maxBytes) }
        #expect(error?.code == .corruptMessage)
    }
}
