public import NIOCore
import WeirRecords

/// Turns values into the bytes of a record's key or value, and back. The one thing to implement for a format of your own.
///
/// For swift-protobuf it takes six lines:
/// ```swift
/// struct ProtobufCoding<Value: SwiftProtobuf.Message & Sendable>: RecordCoding {
///     func encode(_ value: Value, into buffer: inout ByteBuffer) throws { buffer.writeBytes(try value.serializedData()) }
///     func decode(_ bytes: ByteBuffer) throws -> Value { try Value(serializedBytes: Array(bytes.readableBytesView)) }
/// }
/// ```
/// JSON is `JSONCoding` in the module `WeirClientJSON`.
public protocol RecordCoding<Value>: Sendable {
    associatedtype Value: Sendable

    /// Appends the value's bytes.
    func encode(_ value: Value, into buffer: inout ByteBuffer) throws
    /// Reads a value that fills the bytes.
    func decode(_ bytes: ByteBuffer) throws -> Value
}

/// Bytes as they are.
public struct BytesCoding: RecordCoding {
    public init() {}
    public func encode(_ value: ByteBuffer, into buffer: inout ByteBuffer) { buffer.writeImmutableBuffer(value) }
    public func decode(_ bytes: ByteBuffer) -> ByteBuffer { bytes }
}

/// Text as UTF-8. Bytes that are none do not decode.
public struct StringCoding: RecordCoding {
    public init() {}
    public func encode(_ value: String, into buffer: inout ByteBuffer) { buffer.writeString(value) }

    public func decode(_ bytes: ByteBuffer) throws -> String {
        try bytes.withUnsafeReadableBytes { raw in
            guard let text = String(validating: raw.assumingMemoryBound(to: UInt8.self), as: UTF8.self) else {
                throw ClientError(.serialization, "the bytes are not UTF-8")
            }
            return text
        }
    }
}

extension RecordCoding where Self == BytesCoding {
    public static var bytes: BytesCoding { BytesCoding() }
}

extension RecordCoding where Self == StringCoding {
    public static var string: StringCoding { StringCoding() }
}

extension ProducerRecord {
    /// A record of values; nil stays null.
    public init<Key: RecordCoding, Payload: RecordCoding>(
        key: Key.Value?, as keyCoding: Key, value: Payload.Value?, as valueCoding: Payload, headers: [RecordHeader] = []
    ) throws(ClientError) {
        self.init(
            key: try Self.bytes(key, keyCoding), value: try Self.bytes(value, valueCoding), headers: headers)
    }

    /// A record of a value, without a key or with one in text.
    public init<Payload: RecordCoding>(
        key: String? = nil, value: Payload.Value?, as coding: Payload, headers: [RecordHeader] = []
    ) throws(ClientError) {
        self.init(
            key: key.map { ByteBuffer(string: $0) }, value: try Self.bytes(value, coding), headers: headers)
    }

    private static func bytes<Coding: RecordCoding>(
        _ value: Coding.Value?, _ coding: Coding
    ) throws(ClientError) -> ByteBuffer? {
        guard let value else { return nil }
        var buffer = ByteBuffer()
        do {
            try coding.encode(value, into: &buffer)
        } catch {
            throw ClientError(
                .serialization, "a \(Coding.Value.self) cannot be turned into bytes: \(error)", cause: error)
        }
        return buffer
    }
}

extension ConsumerRecord {
    /// The value, decoded; nil for a tombstone. Throws `serialization` with the record's place.
    public func value<Coding: RecordCoding>(as coding: Coding) throws(ClientError) -> Coding.Value? {
        try decode(value, coding, "value")
    }

    /// The key, decoded; nil when there is none.
    public func key<Coding: RecordCoding>(as coding: Coding) throws(ClientError) -> Coding.Value? {
        try decode(key, coding, "key")
    }

    private func decode<Coding: RecordCoding>(
        _ bytes: ByteBuffer?, _ coding: Coding, _ what: String
    ) throws(ClientError) -> Coding.Value? {
        guard let bytes else { return nil }
        do {
            return try coding.decode(bytes)
        } catch {
            throw ClientError(
                .serialization, "the \(what) at offset \(offset) of \(partition) is no \(Coding.Value.self): \(error)",
                partition: partition, cause: error)
        }
    }
}
