public import NIOCore

/// What `__consumer_offsets` says of a group's members, versions 0–4.
///
/// v1 adds the members' rebalance timeout, v2 the time of the last change, v3 the group instance id, v4 is flexible.
/// Written is v3, as Kafka does.
public struct GroupMetadataValue: WireStruct, Equatable {
    static let newestVersion: Int16 = 4
    static let firstFlexible: Int16 = 4
    static let writtenVersion: Int16 = 3

    public var protocolType = ""
    public var generation: Int32 = 0
    public var protocolName: String?
    public var leader: String?
    /// Milliseconds since 1970; -1 when unknown.
    public var currentStateTimestamp: Int64 = -1
    public var members: [MemberMetadata] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.string(&protocolType)
        try c.int32(&generation)
        try c.nullableString(&protocolName)
        try c.nullableString(&leader)
        if c.version >= 2 { try c.int64(&currentStateTimestamp) }
        try c.array(&members)
        try c.tags()
    }

    public struct MemberMetadata: WireStruct, Equatable {
        public var memberID = ""
        public var groupInstanceID: String?
        public var clientID = ""
        public var clientHost = ""
        public var rebalanceTimeout: Int32 = -1
        public var sessionTimeout: Int32 = 0
        public var subscription = ByteBuffer()
        public var assignment = ByteBuffer()

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&memberID)
            if c.version >= 3 { try c.nullableString(&groupInstanceID) }
            try c.string(&clientID)
            try c.string(&clientHost)
            if c.version >= 1 { try c.int32(&rebalanceTimeout) }
            try c.int32(&sessionTimeout)
            try c.bytes(&subscription)
            try c.bytes(&assignment)
            try c.tags()
        }
    }

    public static func decode(_ buffer: ByteBuffer) throws(WireError) -> GroupMetadataValue {
        try VersionedRecord.decode(Self.self, from: buffer, newest: newestVersion, firstFlexible: firstFlexible)
    }

    /// The value with its version in front; without a version, in the one that Kafka writes.
    public func encode(version: Int16? = nil) throws(WireError) -> ByteBuffer {
        let version = version ?? Self.writtenVersion
        return try VersionedRecord.encode(self, version: version, flexible: version >= Self.firstFlexible)
    }
}
