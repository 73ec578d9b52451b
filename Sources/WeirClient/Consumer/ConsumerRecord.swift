public import NIOCore
public import WeirModel
import WeirRecords

/// A record as it was read. Key, value and headers are views of the batch it came in, which lives as long as the record:
/// copy them when you keep few records of many.
public struct ConsumerRecord: Sendable {
    let batch: BatchStorage
    public let offset: Offset
    /// Milliseconds since 1970; -1 when the record has none.
    public let timestamp: Int64
    let keyAt: Int32
    let keyCount: Int32
    let valueAt: Int32
    let valueCount: Int32
    let headersAt: Int32
    let headerCount: Int32

    public var partition: TopicPartition { batch.partition }
    public var topic: String { batch.partition.topic }
    /// The leadership under which the record was written; none from old brokers.
    public var leaderEpoch: LeaderEpoch { LeaderEpoch(batch.leaderEpoch) }

    public var key: ByteBuffer? { batch.slice(keyAt, keyCount) }
    public var value: ByteBuffer? { batch.slice(valueAt, valueCount) }

    /// The key as text; nil when there is none or it is not UTF-8.
    public var keyString: String? { batch.text(keyAt, keyCount) }
    /// The value as text; nil when there is none or it is not UTF-8.
    public var valueString: String? { batch.text(valueAt, valueCount) }

    /// Calls the body with the value's bytes, without a copy; nil is a tombstone.
    public func withValueBytes<Value>(_ body: (UnsafeRawBufferPointer?) throws -> Value) rethrows -> Value {
        try batch.withBytes(valueAt, valueCount, body)
    }

    /// Calls the body with the key's bytes, without a copy; nil when there is none.
    public func withKeyBytes<Value>(_ body: (UnsafeRawBufferPointer?) throws -> Value) rethrows -> Value {
        try batch.withBytes(keyAt, keyCount, body)
    }

    /// How many bytes the value has; 0 for none.
    public var valueByteCount: Int { Int(max(0, valueCount)) }
    public var hasHeaders: Bool { headerCount > 0 }

    /// The headers in their order, decoded when asked for.
    public var headers: [RecordHeader] {
        guard headerCount > 0 else { return [] }
        return batch.headers(at: Int(headersAt), count: Int(headerCount))
    }

    /// The value of the last header with that key, as Kafka's `lastHeader`.
    public func header(_ key: String) -> ByteBuffer? { headers.last { $0.key == key }?.value }
}

/// What the records of one batch share.
final class BatchStorage: Sendable {
    let partition: TopicPartition
    let leaderEpoch: Int32
    /// The records' bytes, decompressed.
    let bytes: ByteBuffer

    init(partition: TopicPartition, leaderEpoch: Int32, bytes: ByteBuffer) {
        self.partition = partition
        self.leaderEpoch = leaderEpoch
        self.bytes = bytes
    }

    func slice(_ at: Int32, _ count: Int32) -> ByteBuffer? {
        count < 0 ? nil : bytes.getSlice(at: bytes.readerIndex + Int(at), length: Int(count))
    }

    func text(_ at: Int32, _ count: Int32) -> String? {
        withBytes(at, count) { bytes in
            bytes.flatMap { String(validating: $0.assumingMemoryBound(to: UInt8.self), as: UTF8.self) }
        }
    }

    func withBytes<Value>(
        _ at: Int32, _ count: Int32, _ body: (UnsafeRawBufferPointer?) throws -> Value
    ) rethrows -> Value {
        guard count >= 0 else { return try body(nil) }
        return try bytes.withUnsafeReadableBytes { all in
            try body(UnsafeRawBufferPointer(rebasing: all[Int(at)..<Int(at) + Int(count)]))
        }
    }

    func headers(at start: Int, count: Int) -> [RecordHeader] {
        bytes.withUnsafeReadableBytes { all in
            guard let cursor = RecordCursor(all) else { return [] }
            var at = start
            var headers: [RecordHeader] = []
            headers.reserveCapacity(min(count, 64))
            while headers.count < count, let parts = cursor.header(at: &at, end: all.count) {
                let key = String(decoding: all[parts.keyAt..<parts.keyAt + parts.keyCount], as: UTF8.self)
                let value = slice(Int32(clamping: parts.valueAt), Int32(clamping: parts.valueCount))
                headers.append(RecordHeader(key: key, value: value))
            }
            return headers
        }
    }
}
