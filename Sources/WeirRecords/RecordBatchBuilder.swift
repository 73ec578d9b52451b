public import NIOCore
public import WeirModel

/// Writes one record batch.
public struct RecordBatchBuilder: Sendable {
    private var header: RecordBatchHeader
    private let codec: CompressionCodec
    private let compressionLevel: Int?
    private let snappyFraming: SnappyFraming
    /// Room for the header, then the records.
    private var bytes: ByteBuffer

    /// - Parameters:
    ///   - compressionLevel: the codec's own level; nil for its default.
    ///   - logAppendTime: with `.logAppendTime`, the time that all records get, in milliseconds since 1970.
    ///   - memory: a buffer to write into, emptied first; one that nobody else holds saves the page faults of a new one.
    public init(
        codec: CompressionCodec = .none, timestampType: TimestampType = .createTime, baseOffset: Int64 = 0,
        partitionLeaderEpoch: Int32 = -1, producerID: Int64 = -1, producerEpoch: Int16 = -1, baseSequence: Int32 = -1,
        isTransactional: Bool = false, isControl: Bool = false, compressionLevel: Int? = nil,
        snappyFraming: SnappyFraming = .raw, logAppendTime: Int64 = -1, memory: ByteBuffer = ByteBuffer()
    ) {
        header = RecordBatchHeader(
            baseOffset: baseOffset, partitionLeaderEpoch: partitionLeaderEpoch,
            attributes: BatchAttributes(
                codec: codec, timestampType: timestampType, isTransactional: isTransactional, isControl: isControl),
            lastOffsetDelta: -1, maxTimestamp: timestampType == .logAppendTime ? logAppendTime : -1,
            producerID: producerID, producerEpoch: producerEpoch, baseSequence: baseSequence)
        self.codec = codec
        self.compressionLevel = compressionLevel
        self.snappyFraming = snappyFraming
        bytes = memory
        bytes.clear()
        bytes.writeRepeatingByte(0, count: RecordBatchHeader.byteCount)
    }

    /// How many records there are.
    public var count: Int { Int(header.recordCount) }

    /// The batch's size in bytes as it stands, before compression.
    public var estimatedBytes: Int { bytes.readableBytes }

    /// Whether there is no record yet.
    public var isEmpty: Bool { header.recordCount == 0 }

    /// The most bytes that a record takes in a batch.
    public static func recordBytesMax(key: ByteBuffer?, value: ByteBuffer?, headers: [RecordHeader] = []) -> Int {
        var size = 36 + (key?.readableBytes ?? 0) + (value?.readableBytes ?? 0)
        for header in headers {
            size += 10 + header.key.utf8.count + (header.value?.readableBytes ?? 0)
        }
        return size
    }

    /// Adds a record behind the others.
    ///
    /// - Parameter timestamp: in milliseconds since 1970; -1 for none.
    /// - Throws: `tooLarge` when the batch's lengths could not be said any more; the batch is then as before.
    public mutating func append(
        key: ByteBuffer?, value: ByteBuffer?, headers: [RecordHeader] = [], timestamp: Int64
    ) throws(RecordError) {
        let bound = Self.recordBytesMax(key: key, value: value, headers: headers)
        guard bytes.readableBytes + bound <= Int(Int32.max), header.recordCount < Int32.max else {
            throw RecordError(.tooLarge, "the record does not fit into a batch")
        }
        if header.recordCount == 0 { header.baseTimestamp = timestamp }
        let timestampDelta = timestamp &- header.baseTimestamp
        let offsetDelta = Int64(header.recordCount)
        // One reservation and a raw pointer: a ByteBuffer write for each field would cost three times as much.
        bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { space in
            // The record's length comes first, in as many bytes as it needs; five are left for it and closed up.
            var writer = RecordWriter(space, at: RecordWriter.lengthBytesMax)
            writer.write(UInt8(0))
            writer.write(timestampDelta)
            writer.write(offsetDelta)
            writer.write(key)
            writer.write(value)
            writer.write(Int64(headers.count))
            for header in headers {
                writer.write(header.key)
                writer.write(header.value)
            }
            return writer.closeLength()
        }
        if header.attributes.timestampType == .createTime {
            header.maxTimestamp = max(header.maxTimestamp, timestamp)
        }
        header.recordCount += 1
        header.lastOffsetDelta += 1
    }

    /// Compresses the records and gives the whole batch. The builder is spent: call it once, with at least one record.
    public mutating func finish() throws(RecordError) -> ByteBuffer {
        guard header.recordCount > 0 else { throw RecordError(.malformed, "a record batch needs a record") }
        if codec != .none {
            var records = bytes
            records.moveReaderIndex(forwardBy: RecordBatchHeader.byteCount)
            var compressed = ByteBuffer()
            compressed.writeRepeatingByte(0, count: RecordBatchHeader.byteCount)
            do throws(CompressionError) {
                try Compression.compress(
                    records, with: codec, level: compressionLevel, snappyFraming: snappyFraming, to: &compressed)
            } catch {
                throw RecordError(error)
            }
            bytes = compressed
        }
        guard bytes.readableBytes <= Int(Int32.max) else {
            throw RecordError(.tooLarge, "the record batch is larger than 2 GiB")
        }
        header.seal(&bytes)
        return bytes
    }
}

/// Writes a record's fields into memory that is large enough for all of them.
private struct RecordWriter {
    /// The most bytes that a record's length takes.
    static let lengthBytesMax = 5

    private let space: UnsafeMutableRawBufferPointer
    private var position: Int

    init(_ space: UnsafeMutableRawBufferPointer, at position: Int) {
        self.space = space
        self.position = position
    }

    mutating func write(_ byte: UInt8) {
        space[position] = byte
        position &+= 1
    }

    /// Writes a zigzag varint.
    mutating func write(_ value: Int64) {
        var rest = UInt64(bitPattern: (value << 1) ^ (value >> 63))
        while rest >= 0x80 {
            write(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        write(UInt8(truncatingIfNeeded: rest))
    }

    /// Writes a length varint and the bytes; -1 for null.
    mutating func write(_ value: ByteBuffer?) {
        guard let value else { return write(Int64(-1)) }
        write(Int64(value.readableBytes))
        value.withUnsafeReadableBytes { copy($0) }
    }

    /// Writes a length varint and the text's UTF-8.
    mutating func write(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            write(Int64(utf8.count))
            copy(UnsafeRawBufferPointer(utf8))
        }
    }

    private mutating func copy(_ bytes: UnsafeRawBufferPointer) {
        UnsafeMutableRawBufferPointer(rebasing: space[position..<(position + bytes.count)]).copyMemory(from: bytes)
        position += bytes.count
    }

    /// Writes the length in front of the fields and gives the record's size.
    mutating func closeLength() -> Int {
        let count = position - Self.lengthBytesMax
        let end = position
        position = 0
        write(Int64(count))
        let lengthCount = position
        if lengthCount < Self.lengthBytesMax {
            UnsafeMutableRawBufferPointer(rebasing: space[lengthCount..<(lengthCount + count)])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: space[Self.lengthBytesMax..<end]))
        }
        return lengthCount + count
    }
}
