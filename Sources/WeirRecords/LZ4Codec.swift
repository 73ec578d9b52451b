import CLZ4
import NIOCore

/// The LZ4 frame format, within what Kafka's Java clients read: one frame of version 1, independent blocks of the sizes
/// 4 to 7 (64 KiB to 4 MiB), no dictionary; checksums are checked where they are present.
enum LZ4Codec {
    static func decompress(
        _ input: UnsafeRawBufferPointer, limit: Int, to output: inout ByteBuffer
    ) throws(CompressionError) {
        let blockSizeCode = try checkHeader(input)
        guard let context = decoders.take() ?? LZ4Decoder() else {
            throw CompressionError(.failed, "lz4 could not start")
        }
        defer {
            // A decoder keeps memory for the largest block it has met; those of megabytes are not kept.
            if blockSizeCode <= 5 { decoders.give(context) }
        }
        LZ4F_resetDecompressionContext(context.pointer)
        var bounded = BoundedOutput(limit: limit, expected: input.count &* 4)
        var rest = input[...]
        var hint = 1
        while hint != 0 {
            var taken = 0
            var wrote = 0
            try bounded.write(to: &output) { space throws(CompressionError) in
                taken = rest.count
                wrote = space.count
                hint = LZ4F_decompress(
                    context.pointer, space.baseAddress, &wrote, UnsafeRawBufferPointer(rebasing: rest).baseAddress,
                    &taken, nil)
                guard LZ4F_isError(hint) == 0 else {
                    throw CompressionError(.malformed, "the lz4 data is not valid")
                }
                return wrote
            }
            rest = rest.dropFirst(taken)
            guard hint == 0 || taken > 0 || wrote > 0 else {
                throw CompressionError(.malformed, "the lz4 data ends early")
            }
        }
        guard rest.isEmpty else { throw CompressionError(.malformed, "bytes follow the lz4 frame") }
    }

    /// Refuses frames that the Java clients refuse; gives the block size's code.
    ///
    /// Wire format: magic uint32 (little-endian) 184D2204, flags (version in bits 6–7, independent blocks 5, block checksums
    /// 4, content size 3, content checksum 2, reserved 1, dictionary 0), block descriptor (block size code in bits 4–6).
    private static func checkHeader(_ input: UnsafeRawBufferPointer) throws(CompressionError) -> UInt8 {
        guard input.count >= 7 else { throw CompressionError(.malformed, "the lz4 data ends in its header") }
        guard input.loadBigEndian(UInt32.self, at: 0) == 0x0422_4D18 else {
            throw CompressionError(.malformed, "the lz4 data does not begin with a frame")
        }
        let flags = input[4]
        guard flags >> 6 == 1 else { throw CompressionError(.malformed, "the lz4 frame has an unknown version") }
        guard flags & 0x20 != 0 else { throw CompressionError(.malformed, "the lz4 frame has dependent blocks") }
        guard flags & 0x03 == 0 else { throw CompressionError(.malformed, "the lz4 frame has reserved flags") }
        let descriptor = input[5]
        let blockSizeCode = descriptor >> 4
        guard (4...7).contains(blockSizeCode), descriptor & 0x0F == 0 else {
            throw CompressionError(.malformed, "the lz4 frame has an unknown block size")
        }
        return blockSizeCode
    }

    static func compress(
        _ input: UnsafeRawBufferPointer, level: Int?, to output: inout ByteBuffer
    ) throws(CompressionError) {
        var preferences = LZ4F_preferences_t()
        preferences.frameInfo.blockSizeID = LZ4F_max64KB
        preferences.frameInfo.blockMode = LZ4F_blockIndependent
        preferences.compressionLevel = CInt(min(max(level ?? 0, 0), Int(LZ4F_compressionLevel_max())))
        let bound = LZ4F_compressFrameBound(input.count, &preferences)
        var outcome = 0
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { space in
            outcome = LZ4F_compressFrame(space.baseAddress, space.count, input.baseAddress, input.count, &preferences)
            return LZ4F_isError(outcome) == 0 ? outcome : 0
        }
        guard LZ4F_isError(outcome) == 0 else { throw CompressionError(.failed, "lz4 failed") }
    }

    private static let decoders = ResourcePool<LZ4Decoder>()
}

/// lz4's decompressor. `@unchecked Sendable`: used by one thread at a time, the one that took it from the pool.
private final class LZ4Decoder: @unchecked Sendable {
    let pointer: OpaquePointer

    init?() {
        var pointer: OpaquePointer?
        guard LZ4F_isError(LZ4F_createDecompressionContext(&pointer, UInt32(LZ4F_VERSION))) == 0, let pointer else {
            return nil
        }
        self.pointer = pointer
    }

    deinit { LZ4F_freeDecompressionContext(pointer) }
}
