import NIOCore
import Testing
@testable import WeirRecords

private let codecs: [CompressionCodec] = [.gzip, .snappy, .lz4, .zstd]

@Suite struct CompressionTests {
    /// Sizes around every boundary in the code, compressible and not.
    private func samples() -> [ByteBuffer] {
        var random = SeededGenerator()
        return [0, 1, 7, 100, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537, 200_000].flatMap { count in
            [ByteBuffer(bytes: random.bytes(count)), ByteBuffer(repeating: 0x41, count: count)]
        }
    }

    @Test(arguments: codecs) func roundTrips(codec: CompressionCodec) throws {
        for sample in samples() {
            for framing in codec == .snappy ? [SnappyFraming.raw, .xerial] : [.raw] {
                let packed = try Compression.compress(sample, with: codec, snappyFraming: framing)
                let unpacked = try Compression.decompress(packed, with: codec, limit: sample.readableBytes)
                #expect(unpacked == sample)
            }
        }
    }

    @Test(arguments: codecs) func levelsAreMovedIntoTheirRange(codec: CompressionCodec) throws {
        let sample = ByteBuffer(repeating: 0x61, count: 10_000)
        for level in [Int.min, -7, -1, 0, 1, 5, 9, 12, 22, Int.max] {
            let packed = try Compression.compress(sample, with: codec, level: level)
            #expect(try Compression.decompress(packed, with: codec, limit: 10_000) == sample)
        }
    }

    @Test(arguments: CompressionCodec.allCases) func theLimitIsExact(codec: CompressionCodec) throws {
        for count in [1, 100, 65_536, 100_000] {
            let packed = try Compression.compress(ByteBuffer(repeating: 0x61, count: count), with: codec)
            #expect(try Compression.decompress(packed, with: codec, limit: count).readableBytes == count)
            for limit in [count - 1, 0, -1, Int.min] {
                let error = #expect(throws: CompressionError.self) {
                    try Compression.decompress(packed, with: codec, limit: limit)
                }
                #expect(error?.code == .tooLarge, "\(count) bytes, limit \(limit)")
            }
        }
    }

    /// Some hundred megabytes out of some kilobytes: the decoder stops at the limit, and its output never grew much beyond.
    @Test(arguments: codecs) func bombs(codec: CompressionCodec) throws {
        let limit = 100_000
        let bomb = try Compression.compress(ByteBuffer(repeating: 0, count: 64 << 20), with: codec)
        var output = ByteBuffer()
        let error = #expect(throws: CompressionError.self) {
            try bomb.withUnsafeReadableBytes { bytes in
                try Compression.decompress(bytes, with: codec, limit: limit, to: &output)
            }
        }
        #expect(error?.code == .tooLarge)
        #expect(output.capacity <= 4 * limit, "\(output.capacity) bytes were reserved")
    }

    /// Small inputs that declare huge sizes reserve nothing of the kind.
    @Test func declaredSizesAreNotBelieved() throws {
        let lies: [(CompressionCodec, [UInt8])] = [
            (.snappy, [0xFF, 0xFF, 0xFF, 0x7F, 0x00, 0x41]),
            (
                .snappy,
                SnappyCodec.xerialMagic + [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 6, 0xFF, 0xFF, 0xFF, 0x7F, 0x00, 0x41]
            ),
            // A zstd frame with a content size of 256 MiB and a last raw block of one byte.
            (.zstd, [0x28, 0xB5, 0x2F, 0xFD, 0xA0, 0x00, 0x00, 0x00, 0x10, 0x09, 0x00, 0x00, 0x41]),
        ]
        for (codec, bytes) in lies {
            var output = ByteBuffer()
            #expect(throws: CompressionError.self) {
                try bytes.withUnsafeBytes { bytes in
                    try Compression.decompress(bytes, with: codec, limit: 1 << 30, to: &output)
                }
            }
            #expect(output.capacity <= 1 << 20, "\(codec): \(output.capacity) bytes were reserved")
        }
    }

    @Test(arguments: codecs) func everyTruncationIsRefused(codec: CompressionCodec) throws {
        var random = SeededGenerator()
        let sample = ByteBuffer(bytes: random.bytes(300) + Array(repeating: 0, count: 300))
        for framing in codec == .snappy ? [SnappyFraming.raw, .xerial] : [.raw] {
            let packed = try Compression.compress(sample, with: codec, snappyFraming: framing)
            for count in 0..<packed.readableBytes {
                // A xerial stream may end behind its header or any block: then it is a shorter one, not a broken one.
                if framing == .xerial, count == SnappyCodec.xerialHeaderBytes { continue }
                #expect(throws: CompressionError.self, "\(codec) \(framing) \(count)") {
                    let part = ByteBuffer(bytes: packed.readableBytesView.prefix(count))
                    return try Compression.decompress(part, with: codec, limit: 10_000)
                }
            }
        }
    }

    @Test(arguments: codecs) func whatFollowsIsRefused(codec: CompressionCodec) throws {
        var packed = try Compression.compress(ByteBuffer(repeating: 0x61, count: 1000), with: codec)
        packed.writeBytes([1, 2, 3])
        #expect(throws: CompressionError.self) { try Compression.decompress(packed, with: codec, limit: 10_000) }
    }

    /// Random damage gives an error or some output within the limit, and the pooled contexts stay usable.
    @Test(arguments: codecs) func damageIsContained(codec: CompressionCodec) throws {
        var random = SeededGenerator()
        let sample = ByteBuffer(bytes: random.bytes(500) + Array(repeating: 7, count: 3000))
        for framing in codec == .snappy ? [SnappyFraming.raw, .xerial] : [.raw] {
            let packed = Array(try Compression.compress(sample, with: codec, snappyFraming: framing).readableBytesView)
            for _ in 0..<1500 {
                var damaged = packed
                for _ in 0...random.below(3) { damaged[random.below(damaged.count)] = UInt8(random.below(256)) }
                if random.chance(4) { damaged.removeLast(random.below(damaged.count)) }
                if let output = try? Compression.decompress(ByteBuffer(bytes: damaged), with: codec, limit: 5000) {
                    #expect(output.readableBytes <= 5000)
                }
            }
            #expect(try Compression.decompress(ByteBuffer(bytes: packed), with: codec, limit: 5000) == sample)
        }
    }
}
