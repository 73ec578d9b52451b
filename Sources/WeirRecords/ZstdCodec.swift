import CZstd
import NIOCore

/// Zstandard: one frame or several, without dictionaries.
enum ZstdCodec {
    static func decompress(
        _ input: UnsafeRawBufferPointer, limit: Int, to output: inout ByteBuffer
    ) throws(CompressionError) {
        guard let context = decoders.take() ?? ZstdDecoder() else {
            throw CompressionError(.failed, "zstd could not start")
        }
        defer {
            // A decoder keeps its largest window, up to 128 MiB (of which only what was written is resident).
            if ZSTD_sizeof_DCtx(context.pointer) <= contextBytesMax { decoders.give(context) }
        }
        guard ZSTD_isError(ZSTD_DCtx_reset(context.pointer, ZSTD_reset_session_only)) == 0 else {
            throw CompressionError(.failed, "zstd could not start")
        }
        var bounded = BoundedOutput(limit: limit, expected: expectedBytes(input))
        var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        // What the library wants to read next; 0 at the end of a frame.
        var wanted = 1
        repeat {
            let before = source.pos
            var wrote = 0
            try bounded.write(to: &output) { space throws(CompressionError) in
                var target = ZSTD_outBuffer(dst: space.baseAddress, size: space.count, pos: 0)
                wanted = ZSTD_decompressStream(context.pointer, &target, &source)
                guard ZSTD_isError(wanted) == 0 else {
                    throw CompressionError(.malformed, "the zstd data is not valid")
                }
                wrote = target.pos
                return wrote
            }
            guard wanted == 0 || wrote > 0 || source.pos > before else {
                throw CompressionError(.malformed, "the zstd data ends early")
            }
        } while wanted != 0 || source.pos < source.size
    }

    /// A guess at the output's size: what the first frame declares, if its input can be believed to make that much.
    private static func expectedBytes(_ input: UnsafeRawBufferPointer) -> Int {
        let declared = ZSTD_getFrameContentSize(input.baseAddress, input.count)
        return Int(min(declared, UInt64(input.count) &* 16))
    }

    static func compress(
        _ input: UnsafeRawBufferPointer, level: Int?, to output: inout ByteBuffer
    ) throws(CompressionError) {
        let level = CInt(min(max(level ?? Int(ZSTD_CLEVEL_DEFAULT), Int(ZSTD_minCLevel())), Int(ZSTD_maxCLevel())))
        guard let context = encoders.take() ?? ZstdEncoder() else {
            throw CompressionError(.failed, "zstd could not start")
        }
        defer {
            if ZSTD_sizeof_CCtx(context.pointer) <= contextBytesMax { encoders.give(context) }
        }
        var outcome = 0
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: ZSTD_compressBound(input.count)) { space in
            outcome = ZSTD_compressCCtx(
                context.pointer, space.baseAddress, space.count, input.baseAddress, input.count, level)
            return ZSTD_isError(outcome) == 0 ? outcome : 0
        }
        guard ZSTD_isError(outcome) == 0 else { throw CompressionError(.failed, "zstd failed") }
    }

    /// Contexts that hold more than this are not kept.
    private static let contextBytesMax = 4 * 1024 * 1024
    private static let decoders = ResourcePool<ZstdDecoder>()
    private static let encoders = ResourcePool<ZstdEncoder>()
}

/// zstd's decompressor. `@unchecked Sendable`: used by one thread at a time, the one that took it from the pool.
private final class ZstdDecoder: @unchecked Sendable {
    let pointer: OpaquePointer

    init?() {
        guard let pointer = ZSTD_createDCtx() else { return nil }
        self.pointer = pointer
    }

    deinit { ZSTD_freeDCtx(pointer) }
}

/// zstd's compressor. `@unchecked Sendable`: as `ZstdDecoder`.
private final class ZstdEncoder: @unchecked Sendable {
    let pointer: OpaquePointer

    init?() {
        guard let pointer = ZSTD_createCCtx() else { return nil }
        self.pointer = pointer
    }

    deinit { ZSTD_freeCCtx(pointer) }
}
