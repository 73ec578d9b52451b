import NIOCore
import WeirModel
import WeirRecords

/// Noon of some day, in milliseconds since 1970: the clock of these tests.
let noon: Int64 = 1_700_000_000_000

/// A batch of the values, one a millisecond from noon on.
func makeBatch(
    _ values: [String], codec: CompressionCodec = .none, keys: Bool = true, producerID: Int64 = -1,
    producerEpoch: Int16 = -1, baseSequence: Int32 = -1, isTransactional: Bool = false, isControl: Bool = false
) throws -> ByteBuffer {
    var builder = RecordBatchBuilder(
        codec: codec, producerID: producerID, producerEpoch: producerEpoch, baseSequence: baseSequence,
        isTransactional: isTransactional, isControl: isControl)
    for (index, value) in values.enumerated() {
        try builder.append(
            key: keys ? ByteBuffer(string: "key-\(index)") : nil, value: ByteBuffer(string: value),
            timestamp: noon + Int64(index))
    }
    return try builder.finish()
}

/// Changes a batch's header fields and sets the checksum that fits, so that only the change is wrong.
func altered(_ batch: ByteBuffer, _ change: (inout RecordBatchHeader) -> Void) throws -> ByteBuffer {
    var bytes = Array(batch.readableBytesView)
    try bytes.withUnsafeMutableBytes { bytes in
        var header = try RecordBatchHeader(parsing: UnsafeRawBufferPointer(bytes))
        change(&header)
        header.crc = header.checksum(
            records: UnsafeRawBufferPointer(rebasing: bytes[RecordBatchHeader.byteCount...]))
        header.write(to: bytes)
    }
    return ByteBuffer(bytes: bytes)
}

/// The batch with other bytes for records, its length and checksum set.
func replacingRecords(_ batch: ByteBuffer, _ records: [UInt8]) throws -> ByteBuffer {
    var bytes = Array(batch.readableBytesView.prefix(RecordBatchHeader.byteCount)) + records
    let length = Int32(bytes.count - RecordBatchHeader.lengthOverhead)
    for index in 0..<4 { bytes[8 + index] = UInt8(truncatingIfNeeded: length >> Int32(24 - 8 * index)) }
    return try altered(ByteBuffer(bytes: bytes)) { _ in }
}

extension SeededGenerator {
    /// Records of all shapes: null and empty keys and values, headers, timestamps that go back.
    mutating func records(_ count: Int) -> [Record] {
        (0..<count).map { index in
            Record(
                offset: Int64(index), timestamp: noon + Int64(below(2_000_000)) - 1_000_000, key: nullableBytes(),
                value: nullableBytes(),
                headers: (0..<(chance(3) ? below(4) : 0)).map { _ in
                    RecordHeader(key: chance(4) ? "" : "näme-\(below(100))", value: nullableBytes())
                })
        }
    }

    private mutating func nullableBytes() -> ByteBuffer? {
        switch below(8) {
        case 0: nil
        case 1: ByteBuffer()
        case 2: ByteBuffer(bytes: bytes(below(20_000)))
        case 3: ByteBuffer(repeating: UInt8(below(256)), count: below(40_000))
        default: ByteBuffer(bytes: bytes(below(200)))
        }
    }
}

/// A batch of the records.
func makeBatch(_ records: [Record], builder: RecordBatchBuilder) throws -> ByteBuffer {
    var builder = builder
    for record in records {
        try builder.append(key: record.key, value: record.value, headers: record.headers, timestamp: record.timestamp)
    }
    return try builder.finish()
}
