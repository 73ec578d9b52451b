import NIOCore
import Testing
import WeirRecords

/// What others write we read, and what we write others read: kafka-python's batches, and the codecs' PyPI packages.
@Suite struct StrangersTests {
    @Test func readsWhatKafkaPythonWrites() throws {
        var random = SeededGenerator()
        var requests: [String] = []
        var wanted: [(codec: CompressionCodec, records: [Record])] = []
        for codec in CompressionCodec.allCases {
            for count in [1, 2, 10, 70] {
                let records = random.records(count)
                requests.append("write \(codec.rawValue) 7 3 42 \(Strangers.text(records))")
                wanted.append((codec, records))
            }
        }
        for (answer, (codec, records)) in zip(try Strangers.ask(requests), wanted) {
            let bytes = try Strangers.bytes(answer)
            let batch = try BatchValidator.validate(bytes, rules: BatchRules(maxMessageBytes: 1 << 30, nowMs: noon))
            #expect(batch.bytes == bytes, "nothing had to be put right")
            #expect((batch.header.producerID, batch.header.producerEpoch, batch.header.baseSequence) == (7, 3, 42))
            let view = try BatchView(parsing: bytes)
            try view.verifyCRC()
            #expect(try view.records() == records, "\(codec), seed \(testSeed)")
        }
    }

    @Test func kafkaPythonReadsWhatWeWrite() throws {
        var random = SeededGenerator()
        var requests: [String] = []
        var wanted: [String] = []
        for codec in CompressionCodec.allCases {
            for framing in codec == .snappy ? [SnappyFraming.raw, .xerial] : [.raw] {
                for count in [1, 2, 10, 70] {
                    let records = random.records(count)
                    let bytes = try makeBatch(
                        records,
                        builder: RecordBatchBuilder(
                            codec: codec, baseOffset: 1000, producerID: 9, producerEpoch: 1, baseSequence: 5,
                            isTransactional: true, snappyFraming: framing))
                    let view = try BatchView(parsing: bytes)
                    requests.append("read \(Strangers.hex(bytes.readableBytesView))")
                    wanted.append(
                        "1000,\(999 + count),\(view.header.baseTimestamp),\(view.header.maxTimestamp),0,9,1,5,"
                            + "\(codec.rawValue),1 \(Strangers.text(records))")
                }
            }
        }
        for (answer, wanted) in zip(try Strangers.ask(requests), wanted) {
            #expect(answer == wanted, "seed \(testSeed)")
        }
    }

    private static let samples: [[UInt8]] = {
        var random = SeededGenerator(test: "samples")
        return [[0x41], random.bytes(1000), Array(repeating: 0x61, count: 100_000), random.bytes(70_000)]
    }()

    /// What tools/tests/kafka_records.py can compress with, each in another shape that some client writes.
    private static let writers: [(kind: String, codec: CompressionCodec)] = [
        ("gzip", .gzip), ("gzip-1", .gzip), ("gzip-two-members", .gzip), ("gzip-cramjam", .gzip),
        ("snappy-raw", .snappy), ("snappy-raw-cramjam", .snappy), ("snappy-xerial", .snappy),
        ("snappy-xerial-small", .snappy), ("lz4", .lz4), ("lz4-size-4", .lz4), ("lz4-size-5", .lz4),
        ("lz4-size-6", .lz4), ("lz4-size-7", .lz4), ("lz4-checksums", .lz4), ("lz4-high", .lz4), ("lz4-no-size", .lz4),
        ("zstd", .zstd), ("zstd-without-size", .zstd), ("zstd-streamed", .zstd), ("zstd-checksum", .zstd),
        ("zstd-two-frames", .zstd), ("zstd-cramjam", .zstd),
    ]

    @Test func decompressesWhatOthersCompress() throws {
        let samples = Self.samples.map { Strangers.hex($0) }
        let cases = Self.writers.flatMap { writer in samples.indices.map { (writer, $0) } }
        let answers = try Strangers.ask(cases.map { "compress \($0.kind) \(samples[$1])" })
        for ((writer, index), answer) in zip(cases, answers) {
            let sample = Self.samples[index]
            let packed = try Strangers.bytes(answer)
            let unpacked = try Compression.decompress(packed, with: writer.codec, limit: sample.count)
            #expect(unpacked == ByteBuffer(bytes: sample), "\(writer.kind), sample \(index)")
            #expect(throws: CompressionError.self, "\(writer.kind), sample \(index)") {
                try Compression.decompress(packed, with: writer.codec, limit: sample.count - 1)
            }
        }
    }

    /// The Java clients refuse dependent blocks, so nobody may store them.
    @Test func refusesDependentLZ4Blocks() throws {
        let answers = try Strangers.ask(["compress lz4-linked \(Strangers.hex(Self.samples[3]))"])
        let packed = try Strangers.bytes(answers[0])
        #expect(throws: CompressionError.self) { try Compression.decompress(packed, with: .lz4, limit: 1 << 20) }
    }

    private static let readers: [(kind: String, codec: CompressionCodec)] = [
        ("gzip", .gzip), ("gzip-cramjam", .gzip), ("snappy-raw", .snappy), ("snappy-raw-cramjam", .snappy),
        ("lz4", .lz4), ("lz4-cramjam", .lz4), ("zstd", .zstd), ("zstd-cramjam", .zstd),
    ]

    @Test func othersDecompressWhatWeCompress() throws {
        let samples = Self.samples.map { Strangers.hex($0) }
        var requests: [String] = []
        var wanted: [(label: String, hex: String)] = []
        for (kind, codec) in Self.readers {
            for level in [nil, 1, 9] as [Int?] {
                for (index, sample) in Self.samples.enumerated() {
                    let packed = try Compression.compress(ByteBuffer(bytes: sample), with: codec, level: level)
                    requests.append("decompress \(kind) \(Strangers.hex(packed.readableBytesView))")
                    wanted.append(("\(kind), level \(level ?? -1), sample \(index)", samples[index]))
                }
            }
        }
        for (answer, wanted) in zip(try Strangers.ask(requests), wanted) {
            #expect(answer == wanted.hex, "\(wanted.label)")
        }
    }
}
