import NIOCore
import SystemPackage
import Testing
import WeirModel
import WeirRecords
import WeirSystem
import WeirTesting

@testable import WeirStorage

/// Compaction against a dictionary: at random moments, with power cuts and kills at any call to the disk, and under readers.
@Suite struct CompactionCrashTests {
    /// What was written, by offset.
    struct Model {
        var written: [Int64: Entry] = [:]
        /// Everything below was told to be on disk.
        var synced: Int64 = 0

        /// Forgets what a crash took, which must not have been told to be on disk.
        mutating func cut(to end: Int64, _ context: Comment) {
            #expect(end >= synced, context)
            written = written.filter { $0.key < end }
        }

        /// What a reader sees must have been written; the newest of each key must be there, or be a tombstone that is old
        /// enough, and then nothing older of its key may be there.
        func check(_ log: PartitionLog, tombstonesUntil limitMs: Int64, _ context: Comment) throws {
            let seen = try log.entries()
            #expect(zip(seen, seen.dropFirst()).allSatisfy { $0.offset < $1.offset }, context)
            for entry in seen where written[entry.offset] != entry {
                Issue.record("\(context): saw \(entry), written was \(String(describing: written[entry.offset]))")
            }
            var newest: [String: Entry] = [:]
            for entry in written.values where entry.offset < log.highWatermark.rawValue {
                if newest[entry.key].map({ $0.offset < entry.offset }) ?? true { newest[entry.key] = entry }
            }
            let offsets = Set(seen.map(\.offset))
            let keys = Set(seen.map(\.key))
            for entry in newest.values where !offsets.contains(entry.offset) {
                #expect(entry.value == nil && entry.timestamp < limitMs, "\(context): \(entry) is missing")
                #expect(!keys.contains(entry.key), "\(context): \(entry) is gone, and older ones are not")
            }
        }
    }

    static func settings(_ random: inout SeededGenerator) -> TopicSettings {
        Fixture.compact {
            $0.segmentBytes = Int.random(in: 500...3000, using: &random)
            $0.indexIntervalBytes = Int.random(in: 1...600, using: &random)
            $0.minCleanableDirtyRatio = Double.random(in: 0...0.6, using: &random)
            $0.deleteRetentionMs = Int64.random(in: 0...20_000, using: &random)
            if Bool.random(using: &random) { $0.minCompactionLagMs = Int64.random(in: 0...5000, using: &random) }
        }
    }

    private func append(
        _ log: PartitionLog, _ model: inout Model, _ fixture: Fixture, _ random: inout SeededGenerator, keys: Int = 15
    ) throws {
        let records = (0..<Int.random(in: 1...4, using: &random)).map { _ -> (String, String?) in
            let value = String(repeating: "v", count: Int.random(in: 0...60, using: &random))
            return (
                "k\(Int.random(in: 0..<keys, using: &random))",
                random.oneIn(4) ? nil : "\(value)\(random.next() % 1000)"
            )
        }
        let now = fixture.time.wallMilliseconds
        let codec = random.oneIn(3) ? CompressionCodec.allCases.randomElement(using: &random) ?? .none : .none
        let result = try log.put(try keyed(records, KeyedSpec(codec: codec, timestamp: now)))
        for (index, record) in records.enumerated() {
            let offset = result.baseOffset.rawValue + Int64(index)
            model.written[offset] = Entry(
                offset: offset, key: record.0, value: record.1, timestamp: now + Int64(index))
        }
    }

    /// Writes, cleanings and clean restarts at random; power cuts and kills at random calls to the disk.
    @Test(arguments: 0..<12 as Range<UInt64>) func randomWork(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let fixture = try Fixture.compacting {
            $0.openFilesMax = 16
            $0.checkpointBytes = 3000
            if seed % 3 == 0 { $0.cleaner.dedupeBufferBytes = 24 * Int64(seed % 11 + 2) }
            $0.cleaner.bufferBytes = 100 + Int(seed) * 40
        }
        let settings = Self.settings(&random)
        var model = Model()
        for life in 0..<5 {
            let context: Comment = "seed \(seed), life \(life)"
            let log = try fixture.log(settings)
            #expect(log.failure == nil, context)
            model.cut(to: log.endOffset.rawValue, context)
            try model.check(log, tombstonesUntil: fixture.time.wallMilliseconds - settings.deleteRetentionMs, context)
            let crash = CrashImage()
            let (disk, cutSeed, isKill) = (fixture.disk, random.next(), random.oneIn(3))
            disk.atOperation(Int.random(in: 1...1500, using: &random)) {
                crash.image.withLock { $0 = isKill ? disk.killed() : disk.crashed(seed: cutSeed) }
            }
            for _ in 0..<150 where crash.isPending {
                let synced = log.syncedEnd.rawValue
                switch Int.random(in: 0..<12, using: &random) {
                case 0..<8: try append(log, &model, fixture, &random)
                case 8: fixture.flush()
                case 9:
                    fixture.flush()
                    fixture.time.advance(milliseconds: Int64.random(in: 0...3000, using: &random))
                    fixture.round()
                case 10: log.checkpoint()
                default:
                    fixture.flush()
                    guard crash.isPending else { break }
                    try model.check(
                        log, tombstonesUntil: fixture.time.wallMilliseconds - settings.deleteRetentionMs, context)
                }
                // What was told before this step surely was before the cut.
                model.synced = max(model.synced, crash.isPending ? log.syncedEnd.rawValue : synced)
            }
            if let image = crash.image.withLock({ $0 }) {
                try fixture.reopen(image)
            } else {
                try fixture.restart()
            }
            disk.atOperation(.max / 2) {}
        }
        for notice in fixture.notices.all { #expect(notice.level != .error, "seed \(seed): \(notice.message)") }
    }

    final class CrashImage: Sendable {
        let image = Locked<SimulatedFileSystem?>(nil)
        var isPending: Bool { image.withLock { $0 == nil } }
    }

    /// One cleaning of several groups of segments, cut short at each of its calls to the disk in turn, by a power cut and by
    /// a kill: the log comes back whole, no file is left over, and the next cleaning gets to the same end.
    @Test func crashAtEveryStep() throws {
        func prepared() throws -> (Fixture, PartitionLog, Model) {
            var random = SeededGenerator(seed: 5)
            let fixture = try Fixture.compacting()
            let log = try fixture.log(Self.stepSettings)
            var model = Model()
            for round in 0..<2 {
                for _ in 0..<(round == 0 ? 14 : 5) {
                    try append(log, &model, fixture, &random, keys: 3)
                }
                fixture.flush()
                // The first round's segments are small after this, so that several are put together next time.
                if round == 0 { fixture.clean() }
            }
            log.checkpoint()
            model.synced = log.syncedEnd.rawValue
            return (fixture, log, model)
        }
        let (reference, log, _) = try prepared()
        let before = reference.disk.operationCount
        reference.clean()
        let calls = reference.disk.operationCount - before
        let expected = try log.entries()
        #expect(calls > 50)
        var stages: Set<String> = []
        for call in 1...calls {
            for isKill in call % 3 == 0 ? [false, true] : [false] {
                let context: Comment = "call \(call), \(isKill ? "kill" : "power cut")"
                let (fixture, log, model) = try prepared()
                let (disk, crash) = (fixture.disk, CrashImage())
                disk.atOperation(call) {
                    crash.image.withLock { $0 = isKill ? disk.killed() : disk.crashed(seed: UInt64(call)) }
                }
                fixture.clean()
                #expect(try log.entries() == expected, context)
                let image = try #require(crash.image.withLock { $0 })
                for file in image.contents.map(\.path.string) where file.contains("topic-0/") {
                    for suffix in [".cleaned", ".swap", ".deleted"] where file.hasSuffix(suffix) {
                        stages.insert(suffix)
                    }
                }
                try fixture.reopen(image)
                let again = try fixture.log(Self.stepSettings)
                #expect(again.failure == nil && again.endOffset == log.endOffset, context)
                try model.check(again, tombstonesUntil: .min, context)
                #expect(try fixture.leftovers().isEmpty, context)
                fixture.clean()
                #expect(try again.entries() == expected, context)
                try fixture.restart()
                #expect(try fixture.log(Self.stepSettings).entries() == expected, context)
            }
        }
        #expect(stages == [".cleaned", ".swap", ".deleted"], "all stages of the replacement were hit")
    }

    static let stepSettings = Fixture.compact { $0.segmentBytes = 700 }

    /// A call to the disk that fails takes the directory offline, or leaves the log as it was; a restart finds all of it.
    @Test func errorAtEveryStep() throws {
        var outcomes: Set<Bool> = []
        for call in 0..<1000 {
            var random = SeededGenerator(seed: 6)
            let fixture = try Fixture.compacting()
            let log = try fixture.log(Self.stepSettings)
            var model = Model()
            for _ in 0..<8 { try append(log, &model, fixture, &random) }
            fixture.flush()
            model.synced = log.syncedEnd.rawValue
            let count = Locked(0)
            fixture.disk.setFault { _, path in
                count.withLock { count in
                    count += 1
                    return count - 1 == call ? .ioError : nil
                }
            }
            fixture.clean()
            fixture.disk.setFault(nil)
            outcomes.insert(fixture.manager.isOnline)
            let context: Comment = "call \(call)"
            if fixture.manager.isOnline { try model.check(log, tombstonesUntil: .min, context) }
            try fixture.reopen(fixture.disk.killed())
            let again = try fixture.log(Self.stepSettings)
            #expect(again.failure == nil, context)
            try model.check(again, tombstonesUntil: .min, context)
            #expect(try fixture.leftovers().isEmpty, context)
            if count.withLock({ $0 }) <= call { break }
        }
        #expect(outcomes == [true, false])
    }

    /// What a reader got before goes on to be what it was, whatever compaction does to the files.
    @Test func answersOnTheirWayStayWhole() throws {
        let fixture = try Fixture.compacting()
        let log = try fixture.log(Fixture.compact())
        let written = try fixture.write(log, (0..<200).map { ("k\($0 % 7)", "value \($0)") })
        var slices: [(Int64, FileSlice, ByteBuffer)] = []
        for offset in stride(from: Int64(0), to: 200, by: 3) {
            let slice = try #require(try log.read(from: Offset(offset), maxBytes: 300).bytes)
            slices.append((offset, slice, try slice.readAll()))
        }
        fixture.clean()
        #expect(try log.entries().count < written.count)
        for (offset, slice, bytes) in slices { #expect(try slice.readAll() == bytes, "from \(offset)") }
    }

    /// Readers on other threads, at all offsets and times, while the log is cleaned again and again.
    @Test func readersDuringCompaction() throws {
        var random = SeededGenerator(seed: 77)
        let fixture = try Fixture.compacting { $0.openFilesMax = 16 }
        let log = try fixture.log(Fixture.compact { $0.minCleanableDirtyRatio = 0 })
        var model = Model()
        let isDone = Locked(false)
        let seen = Locked<Set<String>>([])
        let reads = Locked(0)
        @Sendable func read(_ seed: UInt64) throws {
            var random = SeededGenerator(seed: seed)
            while !isDone.withLock({ $0 }) {
                let end = log.highWatermark.rawValue
                let from = Int64.random(in: 0...end, using: &random)
                let entries = try log.entries(from: from, maxBytes: Int.random(in: 1...3000, using: &random))
                #expect(entries.allSatisfy { $0.offset >= from })
                #expect(zip(entries, entries.dropFirst()).allSatisfy { $0.offset < $1.offset })
                seen.withLock { $0.formUnion(entries.map(\.description)) }
                if random.oneIn(3) { _ = try log.offset(forTimestamp: 1_700_000_000_000 + from * 10) }
                reads.withLock { $0 += 1 }
            }
        }
        let failures = Locked<[String]>([])
        let pool = ThreadPool(threads: 3, name: "readers")
        for seed in 1...3 {
            pool.submit {
                do { try read(UInt64(seed)) } catch { failures.withLock { $0.append("\(error)") } }
            }
        }
        for _ in 0..<30 {
            for _ in 0..<10 { try append(log, &model, fixture, &random) }
            fixture.flush()
            fixture.clean()
        }
        isDone.withLock { $0 = true }
        // Waits for the threads.
        pool.close()
        #expect(failures.withLock { $0 } == [])
        #expect(reads.withLock { $0 } > 10)
        let all = Set(model.written.values.map(\.description))
        #expect(seen.withLock { $0 }.isSubset(of: all))
        try model.check(log, tombstonesUntil: .min, "after the readers")
        #expect(fixture.notices.all.count { $0.message.contains("compacted up to") } >= 15)
    }

    /// Deleting or stopping in the middle of a cleaning ends it, and leaves nothing behind.
    @Test func deletionAndStopEndTheWork() throws {
        for isDeletion in [true, false] {
            let fixture = try Fixture.compacting { $0.cleaner.bytesPerSecondMax = 10_000 }
            let log = try fixture.log(Fixture.compact())
            let written = try fixture.write(log, (0..<200).map { ("k\($0 % 3)", "value value value \($0)") })
            fixture.time.advance(milliseconds: 1001)
            fixture.round()
            while try !fixture.names().contains(where: { $0.hasSuffix(".cleaned") }) {
                fixture.time.advance(milliseconds: 50)
                fixture.workers.runAll()
            }
            if isDeletion {
                try fixture.manager.deleteLog(Fixture.tp)
                fixture.time.advance(milliseconds: 100_000)
                fixture.workers.runAll()
                let fresh = try fixture.log(Fixture.compact())
                #expect(fresh.endOffset == .zero)
                let young = try fixture.write(fresh, (0..<5).map { ("k\($0)", "new") })
                fixture.clean()
                #expect(try fresh.entries() == young)
                #expect(try fixture.leftovers().isEmpty)
            } else {
                try fixture.restart()
                #expect(try fixture.leftovers().isEmpty)
                let again = try fixture.log(Fixture.compact())
                let seen = try again.entries()
                #expect(Set(seen.map(\.description)).isSubset(of: Set(written.map(\.description))))
                #expect(seen.last == written.last)
            }
        }
    }
}
