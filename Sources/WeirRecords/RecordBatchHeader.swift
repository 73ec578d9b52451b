public import WeirModel

/// The fixed head of a record batch.
///
/// Wire format (big-endian, 61 bytes): base offset int64 @0, batch length int32 @8, partition leader epoch int32 @12,
/// magic int8 @16, CRC uint32 @17, attributes int16 @21, last offset delta int32 @23, base timestamp int64 @27, maximum
/// timestamp int64 @35, producer id int64 @43, producer epoch int16 @51, base sequence int32 @53, record count int32 @57.
/// The batch length counts from byte 12; the CRC-32C covers byte 21 to the end, so the base offset and the leader epoch
/// may change without it.
///
/// Source: Kafka's `DefaultRecordBatch`.
public struct RecordBatchHeader: Sendable, Hashable {
    /// The header's size in bytes.
    public static let byteCount = 61
    /// The bytes in front of what `batchLength` counts.
    public static let lengthOverhead = 12
    /// Where the bytes begin that the checksum covers.
    public static let checkedFrom = 21
    /// Where the magic byte stands, in every version of the format.
    public static let magicAt = 16
    /// "No producer id", and the like.
    public static let none: Int64 = -1

    public var baseOffset: Int64
    /// The batch's bytes from the leader epoch on.
    public var batchLength: Int32
    public var partitionLeaderEpoch: Int32
    public var magic: Int8
    public var crc: UInt32
    public var attributes: BatchAttributes
    /// The last record's offset minus the base offset.
    public var lastOffsetDelta: Int32
    /// The time that the records' deltas count from, in milliseconds since 1970.
    public var baseTimestamp: Int64
    /// The largest timestamp among the records, in milliseconds since 1970; -1 when none has one.
    public var maxTimestamp: Int64
    public var producerID: Int64
    public var producerEpoch: Int16
    /// The first record's sequence number; -1 without an idempotent producer.
    public var baseSequence: Int32
    public var recordCount: Int32

    public init(
        baseOffset: Int64 = 0, batchLength: Int32 = 49, partitionLeaderEpoch: Int32 = -1, magic: Int8 = 2,
        crc: UInt32 = 0, attributes: BatchAttributes = BatchAttributes(rawValue: 0), lastOffsetDelta: Int32 = 0,
        baseTimestamp: Int64 = -1, maxTimestamp: Int64 = -1, producerID: Int64 = -1, producerEpoch: Int16 = -1,
        baseSequence: Int32 = -1, recordCount: Int32 = 0
    ) {
        self.baseOffset = baseOffset
        self.batchLength = batchLength
        self.partitionLeaderEpoch = partitionLeaderEpoch
        self.magic = magic
        self.crc = crc
        self.attributes = attributes
        self.lastOffsetDelta = lastOffsetDelta
        self.baseTimestamp = baseTimestamp
        self.maxTimestamp = maxTimestamp
        self.producerID = producerID
        self.producerEpoch = producerEpoch
        self.baseSequence = baseSequence
        self.recordCount = recordCount
    }

    /// Reads the header at the front of the bytes. Checks that there are 61 bytes, that the magic is 2 and that the lengths
    /// are possible; neither the checksum nor that the whole batch is there.
    public init(parsing bytes: UnsafeRawBufferPointer) throws(RecordError) {
        guard bytes.count > Self.magicAt else {
            throw RecordError(.truncated, "\(bytes.count) bytes are less than a record batch's header")
        }
        let magic = bytes.loadBigEndian(Int8.self, at: 16)
        guard magic == 2 else { throw RecordError(.unsupportedMagic, "the batch has magic \(magic), not 2") }
        guard bytes.count >= Self.byteCount else {
            throw RecordError(.truncated, "\(bytes.count) bytes are less than a record batch's header")
        }
        self.init(unchecked: bytes)
        guard batchLength >= Int32(Self.byteCount - Self.lengthOverhead) else {
            throw RecordError(.invalidLength, "the batch's length \(batchLength) is less than its header")
        }
        guard lastOffsetDelta >= 0, recordCount >= 0 else {
            throw RecordError(
                .invalidLength, "the batch has last offset delta \(lastOffsetDelta) and \(recordCount) records")
        }
        guard baseOffset >= 0, !baseOffset.addingReportingOverflow(Int64(lastOffsetDelta)).overflow else {
            throw RecordError(.invalidLength, "the batch has base offset \(baseOffset)")
        }
    }

    /// Reads the header's fields as they stand; the bytes are at least 61.
    init(unchecked bytes: UnsafeRawBufferPointer) {
        baseOffset = bytes.loadBigEndian(Int64.self, at: 0)
        batchLength = bytes.loadBigEndian(Int32.self, at: 8)
        partitionLeaderEpoch = bytes.loadBigEndian(Int32.self, at: 12)
        magic = bytes.loadBigEndian(Int8.self, at: 16)
        crc = bytes.loadBigEndian(UInt32.self, at: 17)
        attributes = BatchAttributes(rawValue: bytes.loadBigEndian(UInt16.self, at: 21))
        lastOffsetDelta = bytes.loadBigEndian(Int32.self, at: 23)
        baseTimestamp = bytes.loadBigEndian(Int64.self, at: 27)
        maxTimestamp = bytes.loadBigEndian(Int64.self, at: 35)
        producerID = bytes.loadBigEndian(Int64.self, at: 43)
        producerEpoch = bytes.loadBigEndian(Int16.self, at: 51)
        baseSequence = bytes.loadBigEndian(Int32.self, at: 53)
        recordCount = bytes.loadBigEndian(Int32.self, at: 57)
    }

    /// Writes the 61 bytes at the front of the buffer, which must hold them.
    public func write(to bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count >= Self.byteCount, "a record batch's header needs 61 bytes")
        bytes.storeBigEndian(baseOffset, at: 0)
        bytes.storeBigEndian(batchLength, at: 8)
        bytes.storeBigEndian(partitionLeaderEpoch, at: 12)
        bytes.storeBigEndian(magic, at: 16)
        bytes.storeBigEndian(crc, at: 17)
        bytes.storeBigEndian(attributes.rawValue, at: 21)
        bytes.storeBigEndian(lastOffsetDelta, at: 23)
        bytes.storeBigEndian(baseTimestamp, at: 27)
        bytes.storeBigEndian(maxTimestamp, at: 35)
        bytes.storeBigEndian(producerID, at: 43)
        bytes.storeBigEndian(producerEpoch, at: 51)
        bytes.storeBigEndian(baseSequence, at: 53)
        bytes.storeBigEndian(recordCount, at: 57)
    }
}

extension RecordBatchHeader {
    /// The whole batch's size in bytes.
    public var totalBytes: Int { Self.lengthOverhead + Int(batchLength) }

    /// The last record's offset.
    public var lastOffset: Int64 { baseOffset &+ Int64(lastOffsetDelta) }

    /// Whether an idempotent producer wrote the batch.
    public var hasProducerID: Bool { producerID >= 0 }

    /// The last record's sequence number: after 2³¹-1 comes 0. -1 without a base sequence.
    public var lastSequence: Int32 {
        guard baseSequence >= 0 else { return -1 }
        return Int32((Int64(baseSequence) + Int64(lastOffsetDelta)) & 0x7FFF_FFFF)
    }

    /// The checksum that the header and these records (the bytes behind the header) must carry.
    public func checksum(records: UnsafeRawBufferPointer) -> UInt32 {
        withUnsafeTemporaryAllocation(byteCount: Self.byteCount, alignment: 8) { head in
            write(to: head)
            let checked = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: head[Self.checkedFrom...]))
            return CRC32C.checksum(records, seed: checked)
        }
    }

    /// Whether the checksum of the batch at the front of the bytes, which are at least its `totalBytes`, matches.
    public func checksumMatches(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard totalBytes >= Self.byteCount, bytes.count >= totalBytes else { return false }
        return CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[Self.checkedFrom..<totalBytes])) == crc
    }

    // In-place changes of a batch's bytes, which must hold its header.

    /// Sets the base offset. The checksum does not cover it.
    public static func setBaseOffset(_ offset: Int64, in bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count >= byteCount, "a record batch's header needs 61 bytes")
        bytes.storeBigEndian(offset, at: 0)
    }

    /// Sets the leader epoch. The checksum does not cover it.
    public static func setPartitionLeaderEpoch(_ epoch: Int32, in bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count >= byteCount, "a record batch's header needs 61 bytes")
        bytes.storeBigEndian(epoch, at: 12)
    }

    /// Sets the timestamp type and the maximum timestamp, and the checksum over the whole batch, which `bytes` is.
    public static func setMaxTimestamp(
        _ timestamp: Int64, type: TimestampType, in bytes: UnsafeMutableRawBufferPointer
    ) {
        precondition(bytes.count >= byteCount, "a record batch's header needs 61 bytes")
        var attributes = BatchAttributes(rawValue: UnsafeRawBufferPointer(bytes).loadBigEndian(UInt16.self, at: 21))
        attributes.timestampType = type
        bytes.storeBigEndian(attributes.rawValue, at: 21)
        bytes.storeBigEndian(timestamp, at: 35)
        bytes.storeBigEndian(CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[checkedFrom...])), at: 17)
    }
}

extension UnsafeRawBufferPointer {
    /// Reads an integer; the caller has checked the bounds.
    @inline(__always)
    func loadBigEndian<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type, at position: Int) -> Value {
        Value(bigEndian: loadUnaligned(fromByteOffset: position, as: type))
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Writes an integer; the caller has checked the bounds.
    @inline(__always)
    func storeBigEndian<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value, at position: Int) {
        storeBytes(of: value.bigEndian, toByteOffset: position, as: Value.self)
    }
}
