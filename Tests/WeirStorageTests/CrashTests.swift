import Testing
import WeirModel
import WeirRecords
import WeirSystem
import WeirTesting

@testable import WeirStorage

/// Random work against a model, power cuts at random calls to the disk, and what must hold after them.
@Suite struct CrashTests {
    /// What the test knows of one log.
    struct Model {
        /// All batches ever appended, by base offset: their last offset and checksum.
        var batches: [Int64: (last: Int64, crc: UInt32)] = [:]
        var end: Int64 = 0
        /// The highest offset that was shown or acknowledged as on disk.
        var synced: Int64 = 0
        /// The highest start that was asked for.
        var start: Int64 = 0
    }

    /// A moment at which the power was cut.
    final class Moment: Sendable {
        struct Cut {
            var disk: SimulatedFileSystem
            var synced: [TopicPartition: Int64]
        }
        let cut = Locked<Cut?>(nil)
    }

    static let partitions = (0..<3).map { TopicPartition("topic", PartitionIndex($0)) }

    static func settings(_ random: inout SeededGenerator) -> TopicSettings {
        var settings = TopicSettings()
        settings.segmentBytes = Int.random(in: 7000...30_000, using: &random)
        settings.indexIntervalBytes = Int.random(in: 1...1000, using: &random)
        settings.retentionMs = -1
        return settings
    }

    /// Several lives of one disk: work, cut, recover, check, and on.
    @Test(arguments: 0..<60 as Range<UInt64>) func acknowledgedSurvivesPowerCuts(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var storage = StorageSettings()
        storage.checkpointBytes = 5000
        storage.openFilesMax = 16
        let fixture = try Fixture(settings: storage)
        let settings = Self.settings(&random)
        var models = [TopicPartition: Model](uniqueKeysWithValues: Self.partitions.map { ($0, Model()) })
        for life in 0..<6 {
            let context: Comment = "seed \(seed), life \(life)"
            let logs = try Self.partitions.map { try fixture.log(settings, $0) }
            for log in logs { try check(log, &models[log.topicPartition, default: Model()], context) }
            let moment = Moment()
            let calls = Int.random(in: 1...400, using: &random)
            let cutSeed = random.next()
            let disk = fixture.disk
            disk.atOperation(calls) {
                // Under the logs' locks perhaps: the offsets that were told are in the models' twin below.
                moment.cut.withLock { $0 = Moment.Cut(disk: disk.crashed(seed: cutSeed), synced: [:]) }
            }
            let told = Told()
            for log in logs { log.setObserver(told) }
            while moment.cut.withLock({ $0 == nil }) {
                // What was told before this step surely was before the cut.
                let before = told.synced
                try step(fixture, logs, &models, &random)
                moment.cut.withLock { cut in
                    if cut != nil { cut?.synced = before }
                }
            }
            let cut = try #require(moment.cut.withLock { $0 })
            for (tp, synced) in cut.synced {
                let before = models[tp]?.synced ?? 0
                models[tp]?.synced = max(before, synced)
            }
            try fixture.reopen(cut.disk)
        }
        for notice in fixture.notices.all { #expect(notice.level != .error, "seed \(seed): \(notice.message)") }
    }

    /// The same with a process that dies: the page cache stays, so that every appended batch is there.
    @Test(arguments: 0..<20 as Range<UInt64>) func killLosesNothing(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let fixture = try Fixture()
        let settings = Self.settings(&random)
        var models = [TopicPartition: Model](uniqueKeysWithValues: Self.partitions.map { ($0, Model()) })
        for life in 0..<4 {
            let logs = try Self.partitions.map { try fixture.log(settings, $0) }
            for log in logs {
                #expect(log.endOffset.rawValue == models[log.topicPartition]?.end, "seed \(seed), life \(life)")
                try check(log, &models[log.topicPartition, default: Model()], "seed \(seed), life \(life)")
            }
            for _ in 0..<Int.random(in: 1...60, using: &random) { try step(fixture, logs, &models, &random) }
            try fixture.reopen(fixture.disk.killed())
        }
    }

    final class Told: LogObserver {
        private let state = Locked<[TopicPartition: Int64]>([:])
        func logAdvanced(_ log: PartitionLog, highWatermark: Offset, syncedEnd: Offset) {
            state.withLock { $0[log.topicPartition] = max($0[log.topicPartition] ?? 0, highWatermark.rawValue) }
        }
        func logFailed(_ log: PartitionLog, error: StorageError) {}
        var synced: [TopicPartition: Int64] { state.withLock { $0 } }
    }

    private func step(
        _ fixture: Fixture, _ logs: [PartitionLog], _ models: inout [TopicPartition: Model],
        _ random: inout SeededGenerator
    ) throws {
        let log = logs[Int.random(in: 0..<logs.count, using: &random)]
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<13:
            let spec = BatchSpec(
                records: Int.random(in: 1...4, using: &random), valueBytes: Int.random(in: 0...1500, using: &random),
                timestamp: 1_700_000_000_000 + Int64.random(in: 0...1000, using: &random),
                fill: UInt8.random(in: 0...255, using: &random))
            let made = try batch(spec)
            let result = try log.put(
                made, epoch: Int32(log.latestEpoch.rawValue + (random.oneIn(10) ? 1 : 0)).clampedAtZero)
            models[log.topicPartition]?.batches[result.baseOffset.rawValue] = (
                result.lastOffset.rawValue, made.header.crc
            )
            models[log.topicPartition]?.end = result.lastOffset.rawValue + 1
        case 13..<17: fixture.flush()
        case 17: log.checkpoint()
        case 18: fixture.round()
        default:
            let start = Int64.random(in: 0...log.highWatermark.rawValue, using: &random)
            if random.oneIn(4) {
                let now = try log.deleteRecords(before: Offset(start))
                let before = models[log.topicPartition]?.start ?? 0
                models[log.topicPartition]?.start = max(before, now.rawValue)
                if random.oneIn(2) { fixture.manager.expireOldSegments() }
            } else {
                _ = try log.headers(from: max(start, log.startOffset.rawValue))
            }
        }
    }

    /// Everything that was shown is there and unchanged, nothing else is, and what was lost may come again.
    private func check(_ log: PartitionLog, _ model: inout Model, _ context: Comment) throws {
        #expect(log.failure == nil, context)
        let offsets = log.offsets
        #expect(offsets.end.rawValue >= model.synced, context)
        #expect(offsets.end.rawValue <= model.end, context)
        #expect(offsets.start.rawValue <= model.start, context)
        #expect(offsets.highWatermark == offsets.end, context)
        #expect(offsets.syncedEnd == offsets.end, context)
        var next = offsets.start.rawValue
        for header in try log.headers() {
            if next > header.baseOffset {
                // The start may be in the middle of the first batch.
                #expect(next == offsets.start.rawValue, context)
            } else {
                #expect(header.baseOffset == next, context)
            }
            let known = model.batches[header.baseOffset]
            #expect(known?.last == header.lastOffset, context)
            #expect(known?.crc == header.crc, context)
            next = header.lastOffset + 1
        }
        #expect(next == offsets.end.rawValue, context)
        try checkIndices(log, context)
        // From here on the log's end is the truth: what was lost was never acknowledged.
        model.batches = model.batches.filter { $0.key < offsets.end.rawValue }
        model.end = offsets.end.rawValue
        model.start = max(model.start, offsets.start.rawValue)
    }

    /// Each index entry names a batch that is there, and every offset is found through the index.
    private func checkIndices(_ log: PartitionLog, _ context: Comment) throws {
        try log.state.withLock { state in
            for segment in state.segments {
                let file = try segment.log.file()
                for index in 0..<segment.offsetIndex.count {
                    let entry = try segment.offsetIndex.entry(at: index)
                    let header = try HeaderWindow.withWindow(file) { window throws(FileError) in
                        try window.header(at: Int64(entry.position), limit: segment.size)
                    }
                    #expect(header?.lastOffset == segment.baseOffset + Int64(entry.relativeOffset), context)
                }
                var last: Int64 = -1
                for index in 0..<segment.timeIndex.count {
                    let entry = try segment.timeIndex.entry(at: index)
                    #expect(entry.timestamp > last, context)
                    last = entry.timestamp
                }
            }
        }
    }
}

extension Int32 {
    fileprivate var clampedAtZero: Int32 { Swift.max(0, self) }
}
