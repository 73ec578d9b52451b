import NIOCore
import Testing
import WeirModel
import WeirRecords

@Suite struct RecordBatchTests {
    @Test(arguments: CompressionCodec.allCases) func whatIsBuiltIsRead(codec: CompressionCodec) throws {
        var random = SeededGenerator()
        for count in [1, 2, 63, 64, 65, 200] {
            let records = random.records(count)
            let bytes = try makeBatch(
                records, builder: RecordBatchBuilder(codec: codec, producerID: 5, producerEpoch: 2, baseSequence: 11))
            let view = try BatchView(parsing: bytes)
            try view.verifyCRC()
            #expect(try view.records() == records, "seed \(testSeed)")
            #expect(view.header.recordCount == Int32(count))
            #expect(view.header.maxTimestamp == records.map(\.timestamp).max())
            let batch = try BatchValidator.validate(bytes, rules: BatchRules(maxMessageBytes: 1 << 30, nowMs: noon))
            #expect(batch.bytes == bytes)
        }
    }

    @Test func aBuilderNeedsARecord() {
        var builder = RecordBatchBuilder()
        #expect(builder.isEmpty)
        #expect(throws: RecordError.self) { try builder.finish() }
    }

    @Test func estimatesBoundTheSize() throws {
        var random = SeededGenerator()
        var builder = RecordBatchBuilder()
        for record in random.records(50) {
            let before = builder.estimatedBytes
            try builder.append(
                key: record.key, value: record.value, headers: record.headers, timestamp: record.timestamp)
            let bound = RecordBatchBuilder.recordBytesMax(key: record.key, value: record.value, headers: record.headers)
            #expect(builder.estimatedBytes - before <= bound)
        }
        #expect(builder.count == 50)
        let estimate = builder.estimatedBytes
        #expect(try builder.finish().readableBytes == estimate)
    }

    @Test func timestampsAtTheEndsOfTime() throws {
        for timestamps: [Int64] in [[.min, .max], [.max, .min], [-1, 0], [0, -1], [.max, .max]] {
            var builder = RecordBatchBuilder()
            for timestamp in timestamps { try builder.append(key: nil, value: nil, timestamp: timestamp) }
            #expect(try BatchView(parsing: try builder.finish()).records().map(\.timestamp) == timestamps)
        }
    }

    @Test func walksBatchesAndLeavesAPartAtTheEnd() throws {
        var bytes = ByteBuffer()
        for base in [Int64(0), 3, 6] {
            var builder = RecordBatchBuilder(baseOffset: base)
            for _ in 0..<3 { try builder.append(key: nil, value: ByteBuffer(string: "v"), timestamp: noon) }
            bytes.writeImmutableBuffer(try builder.finish())
        }
        let size = bytes.readableBytes / 3
        for count in 0...bytes.readableBytes {
            var iterator = RecordBatchIterator(ByteBuffer(bytes: bytes.readableBytesView.prefix(count)))
            var offsets: [Int64] = []
            while let batch = try iterator.next() { offsets += try batch.records().map(\.offset) }
            #expect(offsets == Array(0..<Int64(3 * (count / size))))
            #expect(iterator.remaining.readableBytes == count % size)
        }
    }

    @Test func logAppendTimeReplacesTheRecordsTimes() throws {
        var builder = RecordBatchBuilder(timestampType: .logAppendTime, baseOffset: 10, logAppendTime: noon)
        for timestamp: Int64 in [5, 6] { try builder.append(key: nil, value: nil, timestamp: timestamp) }
        let view = try BatchView(parsing: try builder.finish())
        #expect(try view.records().map(\.timestamp) == [noon, noon])
        let largest = try view.maxTimestampRecord()
        #expect(largest?.offset == 11 && largest?.timestamp == noon)
    }

    @Test(arguments: [CompressionCodec.none, .zstd]) func looksUpByTime(codec: CompressionCodec) throws {
        var builder = RecordBatchBuilder(codec: codec, baseOffset: 100)
        for delta: Int64 in [0, 5, 3, 9, 9] { try builder.append(key: nil, value: nil, timestamp: noon + delta) }
        let view = try BatchView(parsing: try builder.finish())
        for (delta, offset): (Int64, Int64?) in [
            (-5, 100), (0, 100), (1, 101), (4, 101), (6, 103), (9, 103), (10, nil),
        ] {
            #expect(try view.firstRecord(atOrAfter: noon + delta)?.offset == offset)
        }
        #expect(try view.maxTimestampRecord()?.offset == 103)
    }

    @Test func gapsAfterCompactionAreRead() throws {
        let bytes = try makeBatch(["a", "b", "c"])
        // Three records in a range of eight offsets, as the last batch of a cleaned segment keeps it.
        let view = try BatchView(parsing: try altered(bytes) { $0.lastOffsetDelta = 7 })
        #expect(try view.records().count == 3)
        #expect(view.header.lastOffset == 7)
    }

    @Test func lyingBatchesThrow() throws {
        let bytes = try makeBatch(["a", "b"])
        for (count, delta): (Int32, Int32) in [(1, 1), (3, 2), (.max, .max), (2, 0)] {
            let view = try BatchView(
                parsing: try altered(bytes) {
                    $0.recordCount = count
                    $0.lastOffsetDelta = delta
                })
            #expect(throws: RecordError.self) { try view.records() }
        }
        let unknown = try BatchView(parsing: try altered(bytes) { $0.attributes.rawValue = 6 })
        #expect(throws: RecordError.self) { try unknown.records() }
        let bomb = try BatchView(parsing: try makeBatch([String(repeating: "x", count: 100_000)], codec: .gzip))
        let error = #expect(throws: RecordError.self) { try bomb.records(limit: 5000) }
        #expect(error?.code == .tooLarge)
    }

    /// Random damage to valid batches: never a crash, and never accepted unless the checksum covers what changed.
    @Test(arguments: CompressionCodec.allCases) func damagedBatches(codec: CompressionCodec) throws {
        var random = SeededGenerator()
        let rules = BatchRules(maxMessageBytes: 1 << 30, nowMs: noon, decompressedBytesMax: 1 << 20)
        for _ in 0..<40 {
            let good = try makeBatch(random.records(1 + random.below(6)), builder: RecordBatchBuilder(codec: codec))
            for _ in 0..<40 {
                var bytes = Array(good.readableBytesView)
                for _ in 0...random.below(3) {
                    // Mostly the head: that is where the lengths are.
                    let index = random.below(random.chance(2) ? min(bytes.count, 100) : bytes.count)
                    bytes[index] = UInt8(random.below(256))
                }
                if random.chance(5) { bytes.removeLast(random.below(bytes.count)) }
                let damaged = ByteBuffer(bytes: bytes)
                if let batch = try? BatchValidator.validate(damaged, rules: rules) {
                    // Only the leader epoch is outside of all checks.
                    #expect(
                        batch.bytes.readableBytesView.dropFirst(16) == good.readableBytesView.dropFirst(16),
                        "seed \(testSeed)")
                }
                var iterator = RecordBatchIterator(damaged)
                while let view = try? iterator.next() { _ = try? view.records(limit: 1 << 20) }
                // With a checksum that fits, the content alone decides; whatever is accepted can be read back.
                guard bytes.count > 61, let sealed = try? altered(damaged, { _ in }) else { continue }
                if let batch = try? BatchValidator.validate(sealed, rules: rules) {
                    #expect(try BatchView(parsing: batch.bytes).records().count == Int(batch.header.recordCount))
                }
            }
        }
    }
}
