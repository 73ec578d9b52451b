import CSnappy
import NIOCore

/// snappy, in one block or in the xerial framing.
///
/// Wire format of xerial: the eight bytes `82 'SNAPPY' 00`, version int32, compatible version int32, then blocks, each an
/// int32 of its compressed size and a snappy block of at most 32 KiB. No snappy block can begin with those eight bytes:
/// they would be a copy before the first literal.
enum SnappyCodec {
    static let xerialMagic: [UInt8] = [0x82, 0x53, 0x4E, 0x41, 0x50, 0x50, 0x59, 0x00]
    static let xerialHeaderBytes = 16
    static let xerialBlockBytes = 32 * 1024

    static func decompress(
        _ input: UnsafeRawBufferPointer, limit: Int, to output: inout ByteBuffer
    ) throws(CompressionError) {
        guard input.starts(with: xerialMagic) else {
            _ = try decompressBlock(input, limit: limit, to: &output)
            return
        }
        guard input.count >= xerialHeaderBytes else {
            throw CompressionError(.malformed, "the snappy data ends in its header")
        }
        // The versions are not looked at: some producers write them little-endian, and there has only been one.
        var position = xerialHeaderBytes
        var left = limit
        while position < input.count {
            guard input.count - position >= 4 else {
                throw CompressionError(.malformed, "the snappy data ends in a block's size")
            }
            let size = Int(input.loadBigEndian(Int32.self, at: position))
            position += 4
            guard size >= 0, size <= input.count - position else {
                throw CompressionError(.malformed, "the snappy data ends in a block")
            }
            let block = UnsafeRawBufferPointer(rebasing: input[position..<position + size])
            do throws(CompressionError) {
                left -= try decompressBlock(block, limit: left, to: &output)
            } catch  where error.code == .tooLarge {
                throw .tooLarge(limit)
            }
            position += size
        }
    }

    /// Decompresses one block; gives its decompressed size.
    private static func decompressBlock(
        _ block: UnsafeRawBufferPointer, limit: Int, to output: inout ByteBuffer
    ) throws(CompressionError) -> Int {
        let bytes = block.baseAddress?.assumingMemoryBound(to: CChar.self)
        var declared = 0
        guard !block.isEmpty, snappy_uncompressed_length(bytes, block.count, &declared) == SNAPPY_OK else {
            throw CompressionError(.malformed, "the snappy data has no length")
        }
        guard declared >= 0, declared <= limit else { throw .tooLarge(limit) }
        // Three bytes of snappy copy at most 64: a larger size is a lie, found before memory is reserved for it.
        guard declared / 22 <= block.count else {
            throw CompressionError(.malformed, "the snappy data is shorter than its length needs")
        }
        var isValid = false
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: max(declared, 1)) { space in
            var room = space.count
            let target = space.baseAddress?.assumingMemoryBound(to: CChar.self)
            isValid = snappy_uncompress(bytes, block.count, target, &room) == SNAPPY_OK && room == declared
            return isValid ? declared : 0
        }
        guard isValid else { throw CompressionError(.malformed, "the snappy data is not valid") }
        return declared
    }

    static func compress(
        _ input: UnsafeRawBufferPointer, framing: SnappyFraming, to output: inout ByteBuffer
    ) throws(CompressionError) {
        switch framing {
        case .raw:
            try compressBlock(input, to: &output)
        case .xerial:
            output.writeBytes(xerialMagic)
            output.writeInteger(Int32(1))
            output.writeInteger(Int32(1))
            var rest = input[...]
            while !rest.isEmpty {
                let block = UnsafeRawBufferPointer(rebasing: rest.prefix(xerialBlockBytes))
                rest = rest.dropFirst(block.count)
                let sizeAt = output.writerIndex
                output.writeInteger(Int32(0))
                let size = try compressBlock(block, to: &output)
                output.setInteger(Int32(truncatingIfNeeded: size), at: sizeAt)
            }
        }
    }

    /// Compresses one block; gives its compressed size.
    @discardableResult
    private static func compressBlock(
        _ block: UnsafeRawBufferPointer, to output: inout ByteBuffer
    ) throws(CompressionError) -> Int {
        let bound = snappy_max_compressed_length(block.count)
        var isDone = false
        // The library wants an address even for no bytes.
        let size = withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { nothing in
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { space in
                var room = space.count
                let source = block.baseAddress ?? UnsafeRawPointer(nothing.baseAddress)
                isDone =
                    snappy_compress(
                        source?.assumingMemoryBound(to: CChar.self), block.count,
                        space.baseAddress?.assumingMemoryBound(to: CChar.self), &room) == SNAPPY_OK
                return isDone ? room : 0
            }
        }
        guard isDone else { throw CompressionError(.failed, "snappy failed") }
        return size
    }
}
