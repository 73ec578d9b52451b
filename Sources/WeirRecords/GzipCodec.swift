import CZlib
import NIOCore

/// gzip (RFC 1952), as `java.util.zip.GZIPInputStream` reads it: one member or several behind each other.
enum GzipCodec {
    static func decompress(
        _ input: UnsafeRawBufferPointer, limit: Int, to output: inout ByteBuffer
    ) throws(CompressionError) {
        guard let stream = inflaters.take() ?? GzipInflater() else {
            throw CompressionError(.failed, "zlib could not start")
        }
        defer { inflaters.give(stream) }
        var bounded = BoundedOutput(limit: limit, expected: input.count &* 4)
        var rest = input[...]
        // Each turn of the outer loop is one member.
        repeat {
            guard inflateReset(stream.state) == Z_OK else { throw CompressionError(.failed, "zlib could not start") }
            var ended = false
            while !ended {
                let before = rest.count
                var wrote = 0
                try bounded.write(to: &output) { space throws(CompressionError) in
                    let result = stream.inflate(&rest, into: space, wrote: &wrote)
                    switch result {
                    case Z_STREAM_END: ended = true
                    case Z_OK, Z_BUF_ERROR: break
                    default: throw CompressionError(.malformed, "the gzip data is not valid")
                    }
                    return wrote
                }
                guard ended || wrote > 0 || rest.count < before else {
                    throw CompressionError(.malformed, "the gzip data ends early")
                }
            }
        } while !rest.isEmpty
    }

    static func compress(
        _ input: UnsafeRawBufferPointer, level: Int?, to output: inout ByteBuffer
    ) throws(CompressionError) {
        let level = CInt(min(max(level ?? -1, -1), 9))
        guard let stream = deflaters.take() ?? GzipDeflater() else {
            throw CompressionError(.failed, "zlib could not start")
        }
        defer { deflaters.give(stream) }
        guard deflateReset(stream.state) == Z_OK, deflateParams(stream.state, level, Z_DEFAULT_STRATEGY) == Z_OK else {
            throw CompressionError(.failed, "zlib could not start")
        }
        let bound = Int(deflateBound(stream.state, UInt(input.count)))
        var result = Z_OK
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { space in
            stream.state.pointee.next_in = UnsafeMutablePointer(mutating: input.assumingBytes)
            stream.state.pointee.avail_in = UInt32(truncatingIfNeeded: input.count)
            stream.state.pointee.next_out = space.assumingBytes
            stream.state.pointee.avail_out = UInt32(clamping: space.count)
            let offered = Int(stream.state.pointee.avail_out)
            result = deflate(stream.state, Z_FINISH)
            return offered - Int(stream.state.pointee.avail_out)
        }
        guard result == Z_STREAM_END else { throw CompressionError(.failed, "zlib failed with \(result)") }
    }

    private static let inflaters = ResourcePool<GzipInflater>()
    private static let deflaters = ResourcePool<GzipDeflater>()

    /// 32 KiB of window, and a gzip header instead of zlib's.
    fileprivate static let windowBits: CInt = 15 + 16
}

/// zlib's decompressor. `@unchecked Sendable`: used by one thread at a time, the one that took it from the pool.
private final class GzipInflater: @unchecked Sendable {
    /// At an address of its own: zlib keeps a pointer back to it.
    let state: UnsafeMutablePointer<z_stream>

    init?() {
        state = .allocate(capacity: 1)
        state.initialize(to: z_stream())
        let size = CInt(MemoryLayout<z_stream>.size)
        guard inflateInit2_(state, GzipCodec.windowBits, ZLIB_VERSION, size) == Z_OK else { return nil }
    }

    deinit {
        inflateEnd(state)
        state.deallocate()
    }

    /// One step: takes from the front of `input`, writes to the front of `space`.
    func inflate(
        _ input: inout Slice<UnsafeRawBufferPointer>, into space: UnsafeMutableRawBufferPointer, wrote: inout Int
    ) -> CInt {
        let bytes = UnsafeRawBufferPointer(rebasing: input)
        let offered = min(bytes.count, Int(UInt32.max))
        state.pointee.next_in = UnsafeMutablePointer(mutating: bytes.assumingBytes)
        state.pointee.avail_in = UInt32(offered)
        state.pointee.next_out = space.assumingBytes
        state.pointee.avail_out = UInt32(clamping: space.count)
        let room = Int(state.pointee.avail_out)
        let result = CZlib.inflate(state, Z_NO_FLUSH)
        input = input.dropFirst(offered - Int(state.pointee.avail_in))
        wrote = room - Int(state.pointee.avail_out)
        return result
    }
}

/// zlib's compressor. `@unchecked Sendable`: as `GzipInflater`.
private final class GzipDeflater: @unchecked Sendable {
    /// At an address of its own: zlib keeps a pointer back to it.
    let state: UnsafeMutablePointer<z_stream>

    init?() {
        state = .allocate(capacity: 1)
        state.initialize(to: z_stream())
        let size = CInt(MemoryLayout<z_stream>.size)
        guard
            deflateInit2_(
                state, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GzipCodec.windowBits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                size) == Z_OK
        else { return nil }
    }

    deinit {
        deflateEnd(state)
        state.deallocate()
    }
}

extension UnsafeRawBufferPointer {
    /// The start as bytes; nil for an empty buffer without memory.
    var assumingBytes: UnsafePointer<UInt8>? { baseAddress?.assumingMemoryBound(to: UInt8.self) }
}

extension UnsafeMutableRawBufferPointer {
    /// The start as bytes; nil for an empty buffer without memory.
    var assumingBytes: UnsafeMutablePointer<UInt8>? { baseAddress?.assumingMemoryBound(to: UInt8.self) }
}
