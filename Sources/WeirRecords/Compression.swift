public import NIOCore

/// Why bytes could not be compressed or decompressed.
public struct CompressionError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Code: Hashable, Sendable {
        /// The bytes are not what the codec writes, or end early, or something follows them.
        case malformed
        /// The output would be larger than the limit.
        case tooLarge
        /// The codec's library failed, as when memory runs out.
        case failed
    }

    public let code: Code
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    static func tooLarge(_ limit: Int) -> CompressionError {
        CompressionError(.tooLarge, "the decompressed records are larger than \(limit) bytes")
    }

    public var description: String { message }
}

/// The two ways in which Kafka's clients write snappy. Both are read.
public enum SnappyFraming: Sendable {
    /// One snappy block, as librdkafka and franz-go write it.
    case raw
    /// A header and blocks of 32 KiB, as Java's snappy library and kafka-python write it.
    case xerial
}

/// Compresses and decompresses the records of a batch.
public enum Compression {
    /// No output is larger than this, whatever the caller's limit: a batch's lengths are int32.
    public static let outputBytesMax = Int(Int32.max)

    /// Compresses the readable bytes.
    ///
    /// - Parameter level: the codec's own level, moved into its range; nil for the codec's default. Snappy has none.
    public static func compress(
        _ bytes: ByteBuffer, with codec: CompressionCodec, level: Int? = nil, snappyFraming: SnappyFraming = .raw
    ) throws(CompressionError) -> ByteBuffer {
        if codec == .none { return bytes }
        var output = ByteBuffer()
        try compress(bytes, with: codec, level: level, snappyFraming: snappyFraming, to: &output)
        return output
    }

    /// Compresses the readable bytes and appends the outcome to `output`.
    static func compress(
        _ bytes: ByteBuffer, with codec: CompressionCodec, level: Int?, snappyFraming: SnappyFraming,
        to output: inout ByteBuffer
    ) throws(CompressionError) {
        try bytes.withReadableBytes { input throws(CompressionError) in
            try compress(input, with: codec, level: level, snappyFraming: snappyFraming, to: &output)
        }
    }

    /// Compresses the input and appends the outcome to `output`.
    static func compress(
        _ input: UnsafeRawBufferPointer, with codec: CompressionCodec, level: Int?, snappyFraming: SnappyFraming,
        to output: inout ByteBuffer
    ) throws(CompressionError) {
        guard input.count <= outputBytesMax else {
            throw CompressionError(.tooLarge, "\(input.count) bytes are more than a record batch holds")
        }
        switch codec {
        case .none: output.writeBytes(input)
        case .gzip: try GzipCodec.compress(input, level: level, to: &output)
        case .snappy: try SnappyCodec.compress(input, framing: snappyFraming, to: &output)
        case .lz4: try LZ4Codec.compress(input, level: level, to: &output)
        case .zstd: try ZstdCodec.compress(input, level: level, to: &output)
        }
    }

    /// Decompresses the readable bytes, all of them.
    ///
    /// Sizes that the bytes declare are not believed: the output grows as it is written, and the work stops as soon as it
    /// would exceed `limit` bytes.
    public static func decompress(
        _ bytes: ByteBuffer, with codec: CompressionCodec, limit: Int
    ) throws(CompressionError) -> ByteBuffer {
        if codec == .none {
            guard bytes.readableBytes <= limit else { throw .tooLarge(limit) }
            return bytes
        }
        var output = ByteBuffer()
        try bytes.withReadableBytes { input throws(CompressionError) in
            try decompress(input, with: codec, limit: limit, to: &output)
        }
        return output
    }

    /// Decompresses all of the input and appends the outcome, at most `limit` bytes, to `output`.
    static func decompress(
        _ input: UnsafeRawBufferPointer, with codec: CompressionCodec, limit: Int, to output: inout ByteBuffer
    ) throws(CompressionError) {
        let limit = max(0, min(limit, outputBytesMax))
        switch codec {
        case .none:
            guard input.count <= limit else { throw .tooLarge(limit) }
            output.writeBytes(input)
        case .gzip: try GzipCodec.decompress(input, limit: limit, to: &output)
        case .snappy: try SnappyCodec.decompress(input, limit: limit, to: &output)
        case .lz4: try LZ4Codec.decompress(input, limit: limit, to: &output)
        case .zstd: try ZstdCodec.decompress(input, limit: limit, to: &output)
        }
    }
}

/// Output that grows as a streaming decoder fills it, up to a limit.
struct BoundedOutput {
    /// The first step, and the least that a decoder is offered while it may still write.
    static let stepBytes = 64 * 1024

    private let limit: Int
    private var written = 0
    private var nextStep: Int

    /// - Parameter expected: a guess at the output's size, such as one the input declares; only saves growing.
    init(limit: Int, expected: Int) {
        self.limit = limit
        nextStep = max(Self.stepBytes, expected)
    }

    /// Whether nothing more may be written.
    var isFull: Bool { written >= limit }

    /// Offers the decoder room and takes what it wrote. One byte beyond the limit is offered, so that an output that is
    /// exactly as large as the limit can end, and a larger one shows.
    mutating func write(
        to output: inout ByteBuffer,
        _ decode: (UnsafeMutableRawBufferPointer) throws(CompressionError) -> Int
    ) throws(CompressionError) {
        let room = min(nextStep, limit - written + 1)
        let outcome: Result<Int, CompressionError>
        var failure: CompressionError?
        let count = output.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { space in
            do throws(CompressionError) {
                return try decode(UnsafeMutableRawBufferPointer(rebasing: space.prefix(room)))
            } catch {
                failure = error
                return 0
            }
        }
        outcome = failure.map { .failure($0) } ?? .success(count)
        written += try outcome.get()
        guard written <= limit else { throw .tooLarge(limit) }
        nextStep = max(Self.stepBytes, written)
    }
}

extension ByteBuffer {
    /// The readable bytes, for a body with typed errors.
    @inline(__always)
    func withReadableBytes<Value, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let outcome: Result<Value, Failure> = withUnsafeReadableBytes { bytes in
            do throws(Failure) {
                return .success(try body(bytes))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }
}
