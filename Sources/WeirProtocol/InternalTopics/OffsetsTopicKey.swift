public import NIOCore

/// The key of a record in `__consumer_offsets`: it says what the record is about.
///
/// Wire format: version int16, then never-flexible fields. Versions 0 and 1 are OffsetCommitKey (group string, topic
/// string, partition int32), version 2 is GroupMetadataKey (group string). Weir writes 1 and 2, as Kafka does.
public enum OffsetsTopicKey: Hashable, Sendable {
    /// A group's offset for a partition; the value is an `OffsetCommitValue`, or null when it is deleted.
    case offset(group: String, topic: String, partition: Int32)
    /// A group's membership; the value is a `GroupMetadataValue`, or null when the group is deleted.
    case group(String)
    /// Something newer, such as the records of KIP-848 groups (3 to 8): to be left alone.
    case unknown(version: Int16)

    private static let offsetVersion: Int16 = 1
    private static let groupVersion: Int16 = 2

    public static func decode(_ buffer: ByteBuffer) throws(WireError) -> OffsetsTopicKey {
        var rest = buffer
        let version = try WireReader.readPrefix(Int16.self, from: &rest, version: 0, flexible: false)
        let key: OffsetsTopicKey
        switch version {
        case 0, offsetVersion:
            let fields = try WireReader.readPrefix(OffsetFields.self, from: &rest, version: version, flexible: false)
            key = .offset(group: fields.group, topic: fields.topic, partition: fields.partition)
        case groupVersion:
            key = .group(try WireReader.readPrefix(String.self, from: &rest, version: version, flexible: false))
        default:
            return .unknown(version: version)
        }
        guard rest.readableBytes == 0 else { throw .bytesLeftOver(rest.readableBytes) }
        return key
    }

    public func encode() throws(WireError) -> ByteBuffer {
        switch self {
        case .offset(let group, let topic, let partition):
            let fields = OffsetFields(group: group, topic: topic, partition: partition)
            return try VersionedRecord.encode(fields, version: Self.offsetVersion, flexible: false)
        case .group(let group):
            return try VersionedRecord.encode(group, version: Self.groupVersion, flexible: false)
        case .unknown(let version):
            throw .invalid("a key of the unknown version \(version) cannot be written")
        }
    }

    private struct OffsetFields: WireStruct {
        var group = ""
        var topic = ""
        var partition: Int32 = 0

        init() {}
        init(group: String, topic: String, partition: Int32) {
            self.group = group
            self.topic = topic
            self.partition = partition
        }

        mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&group)
            try c.string(&topic)
            try c.int32(&partition)
        }
    }
}

/// A value with its version in front, as records of internal topics have it.
enum VersionedRecord {
    static func encode<Value: WireStruct>(
        _ value: Value, version: Int16, flexible: Bool
    ) throws(WireError) -> ByteBuffer {
        var bytes = ByteBuffer(integer: version)
        bytes.writeImmutableBuffer(try WireWriter.bytes(value, version: version, flexible: flexible))
        return bytes
    }

    /// Reads a value that fills the buffer to its end, of a version up to the newest that is known.
    static func decode<Value: WireStruct>(
        _ type: Value.Type, from buffer: ByteBuffer, newest: Int16, firstFlexible: Int16
    ) throws(WireError) -> Value {
        var rest = buffer
        let version = try WireReader.readPrefix(Int16.self, from: &rest, version: 0, flexible: false)
        guard (0...newest).contains(version) else { throw .invalid("a record value of the unknown version \(version)") }
        let value = try WireReader.readPrefix(
            type, from: &rest, version: version, flexible: version >= firstFlexible)
        guard rest.readableBytes == 0 else { throw .bytesLeftOver(rest.readableBytes) }
        return value
    }
}
