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
    public init(
        codec: CompressionCodec = .none, timestampType: TimestampType = .createTime, baseOffset: Int64 = 0,
        partitionLeaderEpoch: Int32 = -1, producerID: Int64 = -1, producerEpoch: Int16 = -1, baseSequence: Int32 = -1,
        isTransactional: Bool = false, isControl: Bool = false, compressionLevel: Int? = nil,
        snappyFraming: SnappyFraming = .raw, logAppendTime: Int64 = -1
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
        bytes = ByteBuffer()
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
        var writer = VarintSizer()
        writer.add(timestampDelta)
        writer.add(Int64(header.recordCount))
        writer.add(key)
        writer.add(value)
        writer.add(Int64(headers.count))
        for header in headers {
            writer.add(Int64(header.key.utf8.count))
            writer.count += header.key.utf8.count
            writer.add(header.value)
        }
        bytes.writeZigZag(Int64(writer.count + 1))
        bytes.writeInteger(UInt8(0))
        bytes.writeZigZag(timestampDelta)
        bytes.writeZigZag(Int64(header.recordCount))
        bytes.writeNullable(key)
        bytes.writeNullable(value)
        bytes.writeZigZag(Int64(headers.count))
        for header in headers {
            bytes.writeZigZag(Int64(header.key.utf8.count))
            bytes.writeString(header.key)
            bytes.writeNullable(header.value)
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

/// Counts the bytes that values take in a record.
private struct VarintSizer {
    var count = 0

    mutating func add(_ value: Int64) {
        let bits = 64 - ByteBuffer.zigZag(value).leadingZeroBitCount
        count += max(1, (bits + 6) / 7)
    }

    mutating func add(_ value: ByteBuffer?) {
        add(Int64(value?.readableBytes ?? -1))
        count += value?.readableBytes ?? 0
    }
}

extension ByteBuffer {
    fileprivate static func zigZag(_ value: Int64) -> UInt64 { UInt64(bitPattern: (value << 1) ^ (value >> 63)) }

    /// Writes a zigzag varint.
    fileprivate mutating func writeZigZag(_ value: Int64) {
        var rest = Self.zigZag(value)
        if rest < 0x80 {
            writeInteger(UInt8(truncatingIfNeeded: rest))
            return
        }
        writeWithUnsafeMutableBytes(minimumWritableBytes: 10) { space in
            var count = 0
            while rest >= 0x80 {
                space[count] = UInt8(truncatingIfNeeded: rest) | 0x80
                rest >>= 7
                count += 1
            }
            space[count] = UInt8(truncatingIfNeeded: rest)
            return count + 1
        }
    }

    /// Writes a length varint and the bytes; -1 for null.
    fileprivate mutating func writeNullable(_ value: ByteBuffer?) {
        guard let value else {
            writeZigZag(-1)
            return
        }
        writeZigZag(Int64(value.readableBytes))
        writeImmutableBuffer(value)
    }
}
