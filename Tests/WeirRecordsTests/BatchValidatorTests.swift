import NIOCore
import Testing
import WeirModel
import WeirRecords

@Suite struct BatchValidatorTests {
    private func rules(_ change: (inout BatchRules) -> Void = { _ in }) -> BatchRules {
        var rules = BatchRules(timestampAfterMaxMs: 3_600_000, nowMs: noon)
        change(&rules)
        return rules
    }

    /// Expects a refusal with the code and gives it.
    @discardableResult
    private func refusal(
        _ bytes: ByteBuffer, _ rules: BatchRules, _ code: ErrorCode, _ location: SourceLocation = #_sourceLocation
    ) -> BatchRefusal? {
        do throws(BatchRefusal) {
            _ = try BatchValidator.validate(bytes, rules: rules)
            Issue.record("accepted", sourceLocation: location)
            return nil
        } catch {
            #expect(error.code == code, "\(error.message)", sourceLocation: location)
            return error
        }
    }

    @Test(arguments: CompressionCodec.allCases) func acceptsAGoodBatch(codec: CompressionCodec) throws {
        let bytes = try makeBatch(["one", "two", "three"], codec: codec)
        let batch = try BatchValidator.validate(bytes, rules: rules())
        #expect(batch.bytes == bytes)
        #expect(batch.header.recordCount == 3)
        #expect(batch.maxTimestamp == noon + 2)
        #expect(batch.maxTimestampOffsetDelta == 2)
    }

    // The batch as a whole.

    @Test func exactlyOneBatch() throws {
        let batch = try makeBatch(["a"])
        refusal(ByteBuffer(), rules(), .invalidRecord)
        for count in 1..<batch.readableBytes {
            refusal(ByteBuffer(bytes: batch.readableBytesView.prefix(count)), rules(), .invalidRecord)
        }
        refusal(ByteBuffer(bytes: Array(batch.readableBytesView) * 2), rules(), .invalidRecord)
        refusal(ByteBuffer(bytes: Array(batch.readableBytesView) + [0]), rules(), .invalidRecord)
    }

    @Test func impossibleLength() throws {
        for length: Int32 in [48, 0, -1, .min] {
            refusal(try altered(try makeBatch(["a"])) { $0.batchLength = length }, rules(), .corruptMessage)
        }
        refusal(try altered(try makeBatch(["a"])) { $0.batchLength = .max }, rules(), .invalidRecord)
    }

    @Test func oldFormats() throws {
        for magic: Int8 in [0, 1] {
            let bytes = try altered(try makeBatch(["a"])) { $0.magic = magic }
            refusal(bytes, rules { $0.produceVersion = 2 }, .unsupportedForMessageFormat)
            refusal(bytes, rules { $0.produceVersion = 3 }, .invalidRecord)
        }
        refusal(try altered(try makeBatch(["a"])) { $0.magic = 3 }, rules { $0.produceVersion = 2 }, .invalidRecord)
        refusal(try altered(try makeBatch(["a"])) { $0.magic = -2 }, rules(), .invalidRecord)
    }

    @Test func everyFlippedBitBehindTheChecksum() throws {
        let batch = Array(try makeBatch(["abc"]).readableBytesView)
        for index in 17..<batch.count {
            for bit in 0..<8 {
                var bytes = batch
                bytes[index] ^= 1 << bit
                refusal(ByteBuffer(bytes: bytes), rules(), .corruptMessage)
            }
        }
    }

    @Test func size() throws {
        let batch = try makeBatch(["abc"])
        _ = try BatchValidator.validate(batch, rules: rules { $0.maxMessageBytes = batch.readableBytes })
        refusal(batch, rules { $0.maxMessageBytes = batch.readableBytes - 1 }, .messageTooLarge)
    }

    @Test func baseOffset() throws {
        refusal(try altered(try makeBatch(["a"])) { $0.baseOffset = 1 }, rules(), .invalidRecord)
    }

    @Test(arguments: CompressionCodec.allCases) func lyingCounts(codec: CompressionCodec) throws {
        let batch = try makeBatch(["a", "b", "c"], codec: codec)
        for (count, delta): (Int32, Int32) in [
            (0, -1), (0, 0), (-1, -2), (3, 3), (2, 2), (4, 2), (1, 0), (2, 1), (4, 3), (.max, .max - 1), (.min, .max),
        ] {
            let bytes = try altered(batch) {
                $0.recordCount = count
                $0.lastOffsetDelta = delta
            }
            refusal(bytes, rules(), .invalidRecord)
        }
    }

    @Test func attributes() throws {
        let batch = try makeBatch(["a"])
        refusal(try altered(batch) { $0.attributes.isControl = true }, rules(), .invalidRecord)
        _ = try BatchValidator.validate(
            try altered(batch) { $0.attributes.isControl = true }, rules: rules { $0.allowControl = true })
        refusal(try altered(batch) { $0.attributes.timestampType = .logAppendTime }, rules(), .invalidTimestamp)
        refusal(try altered(batch) { $0.attributes.hasDeleteHorizon = true }, rules(), .invalidRecord)
        for codec: UInt16 in 5...7 {
            refusal(try altered(batch) { $0.attributes.rawValue = codec }, rules(), .invalidRecord)
        }
    }

    @Test func zstdNeedsProduceSeven() throws {
        let batch = try makeBatch(["a"], codec: .zstd)
        refusal(batch, rules { $0.produceVersion = 6 }, .unsupportedCompressionType)
        _ = try BatchValidator.validate(batch, rules: rules { $0.produceVersion = 7 })
    }

    @Test func producers() throws {
        let values = ["a"]
        _ = try BatchValidator.validate(
            try makeBatch(values, producerID: 0, producerEpoch: 0, baseSequence: 0, isTransactional: true),
            rules: rules())
        refusal(try makeBatch(values, producerID: 1, producerEpoch: 0, baseSequence: -1), rules(), .invalidRecord)
        refusal(try makeBatch(values, producerID: 1, producerEpoch: -1, baseSequence: 0), rules(), .invalidRecord)
        refusal(try makeBatch(values, isTransactional: true), rules(), .invalidRecord)
    }

    // Records.

    @Test func nullKeysOnACompactedTopic() throws {
        var builder = RecordBatchBuilder()
        for (index, key) in ["a", nil, "", nil].enumerated() {
            try builder.append(
                key: key.map { ByteBuffer(string: $0) }, value: nil, timestamp: noon + Int64(index))
        }
        let batch = try builder.finish()
        _ = try BatchValidator.validate(batch, rules: rules())
        let refused = refusal(batch, rules { $0.requireKeys = true }, .invalidRecord)
        #expect(refused?.recordErrors.map(\.index) == [1, 3])
    }

    @Test(arguments: [CompressionCodec.none, .lz4]) func timestampBounds(codec: CompressionCodec) throws {
        func batch(_ timestamps: [Int64]) throws -> ByteBuffer {
            var builder = RecordBatchBuilder(codec: codec)
            for timestamp in timestamps { try builder.append(key: nil, value: nil, timestamp: timestamp) }
            return try builder.finish()
        }
        let bounds = rules {
            $0.timestampBeforeMaxMs = 1000
            $0.timestampAfterMaxMs = 500
        }
        _ = try BatchValidator.validate(try batch([noon - 1000, noon + 500, -1]), rules: bounds)
        let late = refusal(try batch([noon, noon - 1001, noon, noon + 501]), bounds, .invalidTimestamp)
        #expect(late?.recordErrors.map(\.index) == [1, 3])
        refusal(try batch([.min, .max]), bounds, .invalidTimestamp)
        refusal(try batch([0]), bounds, .invalidTimestamp)
        // Without bounds any time is good, and with the broker's time the producer's does not matter.
        let unbounded = rules { $0.timestampAfterMaxMs = .max }
        _ = try BatchValidator.validate(try batch([.max, 0]), rules: unbounded)
        _ = try BatchValidator.validate(try batch([0]), rules: rules { $0.timestampType = .logAppendTime })
    }

    @Test func namesNoMoreThanAThousandRecords() throws {
        let batch = try makeBatch(Array(repeating: "v", count: 3000), keys: false)
        let refused = refusal(batch, rules { $0.requireKeys = true }, .invalidRecord)
        #expect(refused?.recordErrors.count == BatchRefusal.recordErrorsMax)
    }

    /// One record with each length and count moved to an impossible value, in a batch whose checksum is right.
    @Test func malformedRecords() throws {
        let batch = try makeBatch(["a"])
        let good: [UInt8] = [0x14, 0, 0, 0, 0x02, 0x6B, 0x02, 0x76, 0x02, 0x00, 0x01]
        _ = try BatchValidator.validate(try replacingRecords(batch, good), rules: rules())
        for (index, value): (Int, UInt8) in [
            (0, 0x12), (0, 0x16), (0, 0x00), (0, 0x01), (0, 0x80),  // the record's length
            (3, 0x02), (3, 0x01),  // the offset delta
            (4, 0x03), (4, 0x04), (4, 0x7F), (4, 0x80), (4, 0xFF),  // the key's length
            (6, 0x03), (6, 0x04), (6, 0x7F), (6, 0xFF),  // the value's length
            (8, 0x00), (8, 0x01), (8, 0x04), (8, 0x7E), (8, 0xFF),  // the headers' count
            (9, 0x01), (9, 0x02), (9, 0x7E), (10, 0x03), (10, 0x02),  // the header's lengths
        ] {
            var bytes = good
            bytes[index] = value
            refusal(try replacingRecords(batch, bytes), rules(), .invalidRecord)
        }
        for count in 0..<good.count {
            refusal(try replacingRecords(batch, Array(good.prefix(count))), rules(), .invalidRecord)
        }
        refusal(try replacingRecords(batch, good + [0]), rules(), .invalidRecord)
        refusal(try replacingRecords(batch, good + good), rules(), .invalidRecord)
        // Varints that never end, or say more than they may.
        for long in [
            Array(repeating: 0x80, count: 12), Array(repeating: 0xFF, count: 12), [0x94, 0x80, 0x80, 0x80, 0x70],
        ] as [[UInt8]] {
            refusal(try replacingRecords(batch, long + good.dropFirst()), rules(), .invalidRecord)
            refusal(
                try replacingRecords(batch, [0x7E, 0] + long + Array(repeating: 0, count: 60)), rules(), .invalidRecord)
        }
    }

    // What the broker writes anew.

    @Test func aWrongMaximumTimestampIsPutRight() throws {
        let bytes = try altered(try makeBatch(["a", "b"])) { $0.maxTimestamp = noon + 99_999 }
        let batch = try BatchValidator.validate(bytes, rules: rules())
        #expect(batch.header.maxTimestamp == noon + 1)
        let view = try BatchView(parsing: batch.bytes)
        #expect(view.header == batch.header)
        try view.verifyCRC()
    }

    @Test(arguments: CompressionCodec.allCases) func logAppendTime(codec: CompressionCodec) throws {
        let bytes = try makeBatch(["a", "b"], codec: codec)
        let copy = ByteBuffer(bytes: bytes.readableBytesView)
        let batch = try BatchValidator.validate(
            bytes,
            rules: rules {
                $0.timestampType = .logAppendTime
                $0.nowMs = noon + 5000
            })
        #expect(bytes == copy, "the given bytes do not change")
        let view = try BatchView(parsing: batch.bytes)
        try view.verifyCRC()
        #expect(view.header == batch.header)
        #expect(view.header.attributes.timestampType == .logAppendTime)
        #expect(try view.records().map(\.timestamp) == [noon + 5000, noon + 5000])
        #expect((batch.maxTimestamp, batch.maxTimestampOffsetDelta) == (noon + 5000, 1))
    }

    @Test(arguments: CompressionCodec.allCases, CompressionCodec.allCases)
    func recompresses(from source: CompressionCodec, to target: CompressionCodec) throws {
        let values = (0..<50).map { "value \($0)" }
        let bytes = try makeBatch(values, codec: source, producerID: 4, producerEpoch: 1, baseSequence: 9)
        let batch = try BatchValidator.validate(bytes, rules: rules { $0.targetCodec = target })
        let view = try BatchView(parsing: batch.bytes)
        try view.verifyCRC()
        #expect(view.header == batch.header)
        #expect(view.header.attributes.codec == target)
        #expect((view.header.producerID, view.header.producerEpoch, view.header.baseSequence) == (4, 1, 9))
        #expect(try view.records() == BatchView(parsing: bytes).records())
        if source == target { #expect(batch.bytes == bytes) }
    }

    @Test func recompressionTakesTheLevel() throws {
        let bytes = try makeBatch((0..<500).map { "value number \($0 * 7919 % 1000)" })
        let sizes = try [1, 19].map { level in
            try BatchValidator.validate(
                bytes,
                rules: rules {
                    $0.targetCodec = .zstd
                    $0.targetCompressionLevel = level
                }
            ).bytes.readableBytes
        }
        #expect(sizes[1] < sizes[0])
    }

    @Test func recompressionKeepsToTheSizeLimit() throws {
        let bytes = try makeBatch(Array(repeating: String(repeating: "x", count: 1000), count: 100), codec: .zstd)
        let limited = rules { $0.maxMessageBytes = 50_000 }
        _ = try BatchValidator.validate(bytes, rules: limited)
        refusal(
            bytes,
            rules {
                $0.maxMessageBytes = 50_000
                $0.targetCodec = CompressionCodec.none
            }, .messageTooLarge)
    }
}

private func * (bytes: [UInt8], times: Int) -> [UInt8] { Array((0..<times).map { _ in bytes }.joined()) }
