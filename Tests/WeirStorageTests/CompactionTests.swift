import NIOCore
import SystemPackage
import Testing
import WeirModel
import WeirRecords
import WeirSystem
import WeirTesting

@testable import WeirStorage

@Suite struct CompactionTests {
    static let day: Int64 = 86_400_000

    @Test func newestOfEachKeyStaysAtItsOffset() throws {
        let fixture = try Fixture.compacting()
        let log = try fixture.log(Fixture.compact())
        let written = try fixture.write(log, (0..<200).map { ("k\($0 % 7)", "value \($0)") })
        let segmentsBefore = log.segmentCount
        let sizeBefore = log.sizeBytes
        let active = try #require(log.state.withLock { $0.segments.last?.baseOffset })
        fixture.clean()
        let seen = try log.entries()
        let clean = seen.filter { $0.offset < active }
        // Of the cleaned part the newest of each key, and nothing of it that the active segment replaces is missed.
        #expect(Set(clean.map(\.key)).count == clean.count)
        #expect(clean.map(\.offset) == Array((active - 7)..<active))
        #expect(seen == written.filter { $0.offset >= active - 7 })
        #expect(log.sizeBytes < sizeBefore / 4)
        #expect(log.endOffset == Offset(200) && log.startOffset == .zero)
        // Every offset can still be asked for; the answer starts at the next record there is.
        for offset in Int64(0)..<200 {
            #expect(try log.entries(from: offset) == written.filter { $0.offset >= max(offset, active - 7) })
        }
        #expect(try log.entries(maxBytes: 1) == seen)
        #expect(try fixture.leftovers().isEmpty)
        let checkpoint = try #require(try fixture.disk.contents(of: "/data/cleaner-offset-checkpoint"))
        #expect(String(decoding: checkpoint, as: UTF8.self) == "0\n1\ntopic 0 \(active)\n")
        try fixture.restart()
        let again = try fixture.log(Fixture.compact())
        #expect(try again.entries() == seen)
        try fixture.reopen(fixture.disk.killed())
        let last = try fixture.log(Fixture.compact())
        #expect(try last.entries() == seen)
        // What was made small is put together the next time.
        try fixture.write(last, (0..<60).map { ("k\($0 % 7)", "value \($0)") })
        fixture.clean()
        #expect(last.segmentCount <= segmentsBefore / 2)
        #expect(try fixture.leftovers().isEmpty)
    }

    @Test(arguments: CompressionCodec.allCases, [TimestampType.createTime, .logAppendTime])
    func batchesAreRewrittenWithTheirCodec(codec: CompressionCodec, type: TimestampType) throws {
        let fixture = try Fixture.compacting()
        let log = try fixture.log(Fixture.compact())
        let spec = KeyedSpec(codec: codec, timestamp: fixture.time.wallMilliseconds, timestampType: type)
        try log.put(try keyed((0..<20).map { ("k\($0)", "first \($0)") }, spec), epoch: 3)
        try log.put(try keyed((0..<20).filter { $0 % 2 == 0 }.map { ("k\($0)", nil) }, spec), epoch: 4)
        let before = try log.headers(upTo: .logEnd)
        try fixture.write(log, (0..<80).map { ("other", "filler filler filler filler \($0)") })
        fixture.clean()
        let headers = try log.headers()
        #expect(headers[0].baseOffset == 0 && headers[0].lastOffsetDelta == 19)
        #expect(headers[0].recordCount == 10)
        #expect(headers[0].attributes.codec == codec && headers[0].attributes.timestampType == type)
        #expect(headers[0].partitionLeaderEpoch == 3 && headers[1].partitionLeaderEpoch == 4)
        #expect(headers[1].attributes.hasDeleteHorizon)
        #expect(headers[1].maxTimestamp == before[1].maxTimestamp)
        let seen = try log.entries()
        #expect(seen.prefix(10).map(\.key) == (0..<20).filter { $0 % 2 == 1 }.map { "k\($0)" })
        #expect(seen.prefix(10).map(\.offset) == [1, 3, 5, 7, 9, 11, 13, 15, 17, 19])
        #expect(seen.dropFirst(10).prefix(10).map(\.offset) == Array(20..<30))
        // The time of a tombstone stays, although the batch counts from its delete horizon now.
        let times = seen.dropFirst(10).prefix(10).map(\.timestamp)
        #expect(times == (0..<10).map { spec.timestamp + (type == .createTime ? $0 : 0) })
        let slice = try #require(try log.read(from: .zero, maxBytes: 1).bytes)
        let record = try #require(try BatchView(parsing: try slice.readAll()).records().first)
        #expect(record.headers == [RecordHeader(key: "h", value: ByteBuffer(string: "k1"))])
    }

    @Test func tombstonesStayForTheirTime() throws {
        let fixture = try Fixture.compacting()
        let settings = Fixture.compact { $0.deleteRetentionMs = 60_000 }
        let log = try fixture.log(settings)
        func fill() throws { try fixture.write(log, (0..<40).map { ("filler", "some bytes of filling \($0)") }) }
        try fixture.write(log, [("gone", "value"), ("kept", "value"), ("gone", nil)])
        try fill()
        let cleanedAt = fixture.time.wallMilliseconds
        fixture.clean()
        #expect(
            try log.entries().prefix(2).map(\.description) == [
                "1: kept=value@\(cleanedAt)", "2: gone=null@\(cleanedAt)",
            ])
        let header = try #require(try log.headers().first { $0.baseOffset == 2 })
        #expect(header.attributes.hasDeleteHorizon)
        let horizon = header.baseTimestamp
        #expect((cleanedAt + 60_000...cleanedAt + 70_000).contains(horizon))
        // Before that time another cleaning leaves it, and does not move the time.
        fixture.time.advance(milliseconds: horizon - fixture.time.wallMilliseconds - 5_000)
        try fill()
        fixture.clean()
        #expect(try log.headers().first { $0.baseOffset == 2 }?.baseTimestamp == horizon)
        fixture.time.advance(milliseconds: 10_000)
        try fill()
        fixture.clean()
        #expect(try log.entries().allSatisfy { $0.key != "gone" })
        #expect(try log.entries().first?.key == "kept")
    }

    @Test func youngRecordsAreLeftAlone() throws {
        let fixture = try Fixture.compacting()
        let log = try fixture.log(Fixture.compact { $0.minCompactionLagMs = 3_600_000 })
        let written = try fixture.write(log, (0..<100).map { ("k", "value value value \($0)") })
        fixture.clean()
        #expect(try log.entries() == written)
        fixture.time.advance(milliseconds: 3_590_000)
        let young = try fixture.write(log, (0..<100).map { ("k", "value value value \($0)") })
        fixture.time.advance(milliseconds: 20_000)
        fixture.clean()
        let seen = try log.entries()
        #expect(seen.count < written.count + young.count)
        #expect(seen.suffix(young.count) == young[...], "the younger hundred are within the lag")
    }

    @Test func dirtyRatioHoldsCompactionBackAndMaxLagDoesNotWait() throws {
        let fixture = try Fixture.compacting()
        let settings = Fixture.compact {
            $0.minCleanableDirtyRatio = 0.9
            $0.maxCompactionLagMs = 600_000
        }
        let log = try fixture.log(settings)
        // All dirty: cleaned. Every key stays, so the clean part is large.
        try fixture.write(log, (0..<200).map { ("k\($0)", "value value value") })
        fixture.clean()
        try fixture.write(log, (0..<30).map { _ in ("k1", "value value value") })
        let before = try log.entries()
        fixture.clean()
        #expect(try log.entries() == before, "a tenth of the log is dirty")
        fixture.time.advance(milliseconds: 600_001)
        // The active segment is as old as that, too: this rolls it.
        try fixture.write(log, [("k2", "new")])
        fixture.clean()
        let seen = try log.entries()
        // The newest k2 is in the active segment, which replaces nothing yet.
        #expect(seen.count == 201)
        #expect(seen.suffix(2).map(\.key) == ["k1", "k2"])
    }

    @Test func smallKeyMapTakesSeveralPasses() throws {
        let fixture = try Fixture.compacting { $0.cleaner.dedupeBufferBytes = 24 * 20 }
        let log = try fixture.log(Fixture.compact())
        let keys = (0..<300).map { "k\($0 * 7919 % 97)" }
        let written = try fixture.write(log, keys.enumerated().map { ($1, "value \($0)") })
        let active = try #require(log.state.withLock { $0.segments.last?.baseOffset })
        fixture.clean()
        var newest: [String: Int64] = [:]
        for entry in written where entry.offset < active { newest[entry.key] = entry.offset }
        let expected = written.filter { $0.offset >= active || newest[$0.key] == $0.offset }
        #expect(try log.entries() == expected)
        #expect(fixture.notices.all.count { $0.message.contains("compacted up to") } > 5)
    }

    @Test func producersLastBatchStaysEmpty() throws {
        let fixture = try Fixture.compacting()
        let settings = Fixture.compact()
        let log = try fixture.log(settings)
        func send(_ sequence: Int32) throws -> AppendResult {
            try log.put(
                try keyed(
                    [("k", "idempotent")],
                    KeyedSpec(timestamp: fixture.time.wallMilliseconds, producer: (9, 0, sequence))))
        }
        for sequence in 0..<3 { _ = try send(Int32(sequence)) }
        try fixture.write(log, (0..<80).map { ("k", "some bytes of filling \($0)") })
        fixture.clean()
        let headers = try log.headers().filter { $0.producerID == 9 }
        #expect(headers.map(\.lastSequence) == [2])
        #expect(headers.map(\.recordCount) == [0] && headers.map(\.baseOffset) == [2])
        // Only the log knows the producer now.
        for name in try fixture.names() where name.hasSuffix(".snapshot") {
            try fixture.disk.remove(fixture.path(name))
        }
        try fixture.reopen(fixture.disk.killed())
        let again = try fixture.log(settings)
        let batch = try keyed([("k", "idempotent")], KeyedSpec(producer: (9, 0, 2)))
        #expect(try again.put(batch).isDuplicate)
        #expect(throws: AppendError.self) {
            try again.put(try keyed([("k", "x")], KeyedSpec(producer: (9, 0, 4))))
        }
    }

    @Test func transactionsAreKeptOrVoided() throws {
        let fixture = try Fixture.compacting()
        let settings = Fixture.compact { $0.deleteRetentionMs = 60_000 }
        let log = try fixture.log(settings)
        func send(_ producer: Int64, _ sequence: Int32, _ key: String) throws {
            let spec = KeyedSpec(
                timestamp: fixture.time.wallMilliseconds, producer: (producer, 0, sequence), isTransactional: true)
            try log.append(try keyed([(key, "of \(producer)")], spec), leaderEpoch: LeaderEpoch(0))
        }
        func end(_ producer: Int64, commit: Bool) throws {
            let batch = try marker(producer: producer, isCommit: commit, timestamp: fixture.time.wallMilliseconds)
            _ = try log.append(batch, leaderEpoch: LeaderEpoch(0), origin: .coordinator)
        }
        func fill() throws { try fixture.write(log, (0..<60).map { ("filler", "some bytes of filling \($0)") }) }
        try fixture.write(log, [("a", "before"), ("b", "before")])  // 0, 1
        try send(1, 0, "a")  // 2: aborted, so it must not replace 0
        try send(2, 0, "b")  // 3: committed
        try end(1, commit: false)  // 4
        try end(2, commit: true)  // 5
        // Their last batches are others, so that the first may go.
        try send(1, 1, "c")  // 6
        try end(1, commit: true)  // 7
        try fill()
        fixture.clean()
        let keys = try log.entries().filter { $0.key != "filler" }.map(\.description)
        #expect(keys.map { $0.prefix(4) } == ["0: a", "3: b", "6: c"])
        func markers() throws -> [Int64] { try log.headers().filter { $0.attributes.isControl }.map(\.baseOffset) }
        // The abort had data in this pass; it goes only when a later pass finds none, and its time is over.
        #expect(try markers() == [4, 5, 7])
        try fill()
        fixture.clean()
        #expect(try log.headers().first { $0.baseOffset == 4 }?.attributes.hasDeleteHorizon == true)
        #expect(try log.headers().first { $0.baseOffset == 5 }?.attributes.hasDeleteHorizon == false)
        fixture.time.advance(milliseconds: 70_000)
        try fill()
        fixture.clean()
        #expect(try markers() == [5, 7])
        #expect(
            try log.entries().filter { $0.key != "filler" }.map { $0.description.prefix(4) } == [
                "0: a", "3: b", "6: c",
            ])
    }

    @Test func openTransactionIsNotCleaned() throws {
        let fixture = try Fixture.compacting()
        let log = try fixture.log(Fixture.compact())
        try fixture.write(log, (0..<60).map { ("filler", "some bytes of filling \($0)") })
        let spec = KeyedSpec(timestamp: fixture.time.wallMilliseconds, producer: (1, 0, 0), isTransactional: true)
        try log.put(try keyed([("filler", "open")], spec))
        let after = try fixture.write(log, (0..<60).map { ("filler", "some bytes of filling \($0)") })
        fixture.clean()
        #expect(try log.entries().suffix(60) == after[...])
        #expect(log.state.withLock { $0.segments[1].baseOffset } <= 60)
    }

    @Test func deleteAndCompactTogether() throws {
        let fixture = try Fixture.compacting()
        let settings = Fixture.compact {
            $0.cleanupPolicy = [.compact, .delete]
            $0.retentionMs = Self.day
        }
        let log = try fixture.log(settings)
        try fixture.write(log, (0..<100).map { ("k\($0 % 50)", "old old old \($0)") })
        fixture.clean()
        fixture.time.advance(milliseconds: Self.day + 1000)
        let young = try fixture.write(log, (0..<100).map { ("n\($0 % 50)", "young young \($0)") })
        fixture.clean()
        fixture.manager.expireOldSegments()
        #expect(log.startOffset > .zero)
        let seen = try log.entries()
        #expect(Set(seen.map(\.key)).isSuperset(of: Set(young.map(\.key))))
        #expect(seen.count < 160)
    }

    @Test func disabledCleanerDoesNothing() throws {
        let fixture = try Fixture.compacting { $0.cleaner.isEnabled = false }
        let log = try fixture.log(Fixture.compact())
        let written = try fixture.write(log, (0..<100).map { ("k", "value value value \($0)") })
        fixture.clean()
        #expect(try log.entries() == written)
    }

    @Test func throttledToItsRate() throws {
        let fixture = try Fixture.compacting { $0.cleaner.bytesPerSecondMax = 10_000 }
        let log = try fixture.log(Fixture.compact())
        let written = try fixture.write(log, (0..<200).map { ("k\($0 % 3)", "value value value \($0)") })
        // About 20 KB to read twice and little to write: four seconds at this rate.
        let bytes = log.sizeBytes
        fixture.time.advance(milliseconds: 1001)
        fixture.round()
        let started = fixture.time.wallMilliseconds
        while !fixture.notices.contains("compacted up to"), fixture.time.wallMilliseconds < started + 60_000 {
            fixture.time.advance(milliseconds: 50)
            fixture.workers.runAll()
        }
        let took = fixture.time.wallMilliseconds - started
        #expect(took >= 2 * bytes / 10 * 8 / 10, "\(bytes) bytes, took \(took) ms")
        #expect(took <= 3 * bytes / 10 + 2000, "\(bytes) bytes, took \(took) ms")
        #expect(try log.entries().count < written.count)
    }

    @Test func dirtiestLogIsFirst() throws {
        let fixture = try Fixture.compacting()
        let other = TopicPartition("topic", PartitionIndex(1))
        let settings = Fixture.compact { $0.minCleanableDirtyRatio = 0.1 }
        let (one, two) = (try fixture.log(settings), try fixture.log(settings, other))
        try fixture.write(one, (0..<200).map { ("k\($0)", "value value value \($0)") })
        fixture.clean()
        let before = fixture.notices.all.count
        try fixture.write(one, (0..<100).map { ("k\($0)", "value value value \($0)") })
        try fixture.write(two, (0..<100).map { ("k\($0)", "value value value \($0)") })
        fixture.clean()
        let order = fixture.notices.all.dropFirst(before).filter { $0.message.contains("compacted up to") }
        #expect(order.map { $0.message.prefix(7) } == ["topic-1", "topic-0"])
    }

    @Test func damagedBatchStopsCompactionOfItsLogOnly() throws {
        let fixture = try Fixture.compacting()
        let other = TopicPartition("topic", PartitionIndex(1))
        let (one, two) = (try fixture.log(Fixture.compact()), try fixture.log(Fixture.compact(), other))
        try fixture.write(one, (0..<100).map { ("k", "value value value \($0)") })
        try fixture.write(two, (0..<100).map { ("k", "value value value \($0)") })
        var bytes = try #require(try fixture.disk.contents(of: fixture.path("00000000000000000000.log")))
        bytes[300] ^= 0x40
        fixture.disk.overwrite(fixture.path("00000000000000000000.log"), with: bytes)
        fixture.clean()
        fixture.clean()
        #expect(fixture.notices.all.count { $0.message.contains("is not compacted any more") } == 1)
        #expect(fixture.manager.isOnline && one.failure == nil)
        #expect(try two.entries().count < 60)
        #expect(try fixture.leftovers().isEmpty)
    }

    @Test func noRoomLeavesTheLogAsItWas() throws {
        let fixture = try Fixture.compacting()
        let log = try fixture.log(Fixture.compact())
        let written = try fixture.write(log, (0..<200).map { ("k\($0 % 50)", "value value value \($0)") })
        fixture.disk.setCapacity(fixture.disk.contents.reduce(0) { $0 + Int64($1.bytes.count) })
        fixture.clean()
        #expect(fixture.notices.contains("has to wait"))
        #expect(fixture.manager.isOnline && log.failure == nil)
        #expect(try log.entries() == written)
        #expect(try fixture.leftovers().isEmpty)
        fixture.disk.setCapacity(.max / 4)
        fixture.clean()
        #expect(try log.entries().count < written.count)
    }

    @Test func timesAndEpochsAreFoundAfterwards() throws {
        let fixture = try Fixture.compacting()
        let log = try fixture.log(Fixture.compact())
        let start = fixture.time.wallMilliseconds
        for index in 0..<150 {
            fixture.time.advance(milliseconds: 1000)
            try log.put(
                try keyed([("k\(index % 20)", "value value")], KeyedSpec(timestamp: start + Int64(index) * 1000)),
                epoch: Int32(index / 50))
        }
        fixture.flush()
        fixture.clean()
        let seen = try log.entries()
        for time in stride(from: start, to: start + 149_000, by: 700) {
            let expected = seen.first { $0.timestamp >= time }
            #expect(try log.offset(forTimestamp: time)?.offset.rawValue == expected?.offset)
        }
        #expect(try log.maxTimestampOffset()?.offset == Offset(149))
        #expect(log.epochEndOffset(for: LeaderEpoch(1))?.endOffset == Offset(100))
    }
}
