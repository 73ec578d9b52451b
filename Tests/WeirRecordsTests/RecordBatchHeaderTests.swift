import NIOCore
import Testing
import WeirModel
import WeirRecords

@Suite struct RecordBatchHeaderTests {
    @Test func everyFieldStandsWhereKafkaPutsIt() throws {
        let header = RecordBatchHeader(
            baseOffset: 0x0102_0304_0506_0708, batchLength: 0x1112_1314, partitionLeaderEpoch: 0x2122_2324, magic: 2,
            crc: 0x3132_3334, attributes: BatchAttributes(rawValue: 0x0078), lastOffsetDelta: 0x4142_4344,
            baseTimestamp: 0x5152_5354_5556_5758, maxTimestamp: 0x6162_6364_6566_6768,
            producerID: 0x7172_7374_7576_7778, producerEpoch: 0x0182, baseSequence: 0x1192_9394,
            recordCount: 0x21A2_A3A4)
        var bytes = [UInt8](repeating: 0, count: 61)
        bytes.withUnsafeMutableBytes { header.write(to: $0) }
        let expected =
            "0102030405060708" + "11121314" + "21222324" + "02" + "31323334" + "0078" + "41424344"
            + "5152535455565758" + "6162636465666768" + "7172737475767778" + "0182" + "11929394" + "21a2a3a4"
        #expect(Strangers.hex(bytes) == expected)
        #expect(try bytes.withUnsafeBytes { try RecordBatchHeader(parsing: $0) } == header)
        #expect(header.totalBytes == 0x1112_1314 + 12)
    }

    @Test func attributeBits() {
        var attributes = BatchAttributes(codec: .zstd, timestampType: .logAppendTime, isTransactional: true)
        #expect(attributes.rawValue == 0b001_1100)
        attributes.isControl = true
        attributes.hasDeleteHorizon = true
        attributes.codec = .gzip
        attributes.timestampType = .createTime
        #expect(attributes.rawValue == 0b111_0001)
        for number: UInt16 in 5...7 {
            #expect(BatchAttributes(rawValue: number).codec == nil)
            #expect(BatchAttributes(rawValue: number).codecNumber == UInt8(number))
        }
    }

    @Test func sequencesWrap() {
        var header = RecordBatchHeader(lastOffsetDelta: 4, baseSequence: Int32.max - 2)
        #expect(header.lastSequence == 1)
        header.baseSequence = Int32.max - 4
        #expect(header.lastSequence == Int32.max)
        header.baseSequence = -1
        #expect(header.lastSequence == -1)
    }

    @Test func everyTruncationIsRefused() throws {
        let batch = Array(try makeBatch(["a"]).readableBytesView)
        for count in 0..<61 {
            _ = batch.withUnsafeBytes { bytes in
                #expect(throws: RecordError.self) {
                    try RecordBatchHeader(parsing: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
                }
            }
        }
    }

    @Test func impossibleLengthsAreRefused() throws {
        let batch = try makeBatch(["a"])
        let wrong: [(inout RecordBatchHeader) -> Void] = [
            { $0.batchLength = 48 }, { $0.batchLength = -1 }, { $0.batchLength = .min }, { $0.lastOffsetDelta = -1 },
            { $0.recordCount = -5 }, { $0.baseOffset = -1 },
            {
                $0.baseOffset = .max; $0.lastOffsetDelta = 1
            },
            { $0.magic = 1 },
        ]
        for change in wrong {
            let bytes = try altered(batch, change)
            #expect(throws: RecordError.self) { try BatchView(parsing: bytes) }
        }
    }

    @Test func changesInPlace() throws {
        var bytes = Array(try makeBatch(["a", "b"]).readableBytesView)
        try bytes.withUnsafeMutableBytes { bytes in
            RecordBatchHeader.setBaseOffset(77, in: bytes)
            RecordBatchHeader.setPartitionLeaderEpoch(5, in: bytes)
            var header = try RecordBatchHeader(parsing: UnsafeRawBufferPointer(bytes))
            #expect(header.checksumMatches(UnsafeRawBufferPointer(bytes)))
            #expect((header.baseOffset, header.partitionLeaderEpoch, header.lastOffset) == (77, 5, 78))
            RecordBatchHeader.setMaxTimestamp(noon + 9, type: .logAppendTime, in: bytes)
            header = try RecordBatchHeader(parsing: UnsafeRawBufferPointer(bytes))
            #expect(header.checksumMatches(UnsafeRawBufferPointer(bytes)))
            #expect(header.maxTimestamp == noon + 9)
            #expect(header.attributes.timestampType == .logAppendTime)
            bytes[70] ^= 1
            #expect(!header.checksumMatches(UnsafeRawBufferPointer(bytes)))
        }
        let records = try BatchView(parsing: try makeBatch(["a"])).records()
        #expect(records.count == 1)
    }

    @Test func codecNames() {
        for codec in CompressionCodec.allCases { #expect(CompressionCodec(name: codec.name) == codec) }
        #expect(CompressionCodec(name: "brotli") == nil)
        #expect(CompressionCodec(topicCompressionType: "producer") == nil)
        #expect(CompressionCodec(topicCompressionType: "uncompressed") == CompressionCodec.none)
        #expect(CompressionCodec(topicCompressionType: "zstd") == .zstd)
    }
}
