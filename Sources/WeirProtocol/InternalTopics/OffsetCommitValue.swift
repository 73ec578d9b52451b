public import NIOCore

/// What `__consumer_offsets` says of a committed offset, versions 0–4.
///
/// v1 alone has an expiry time, v3 adds the leader epoch, v4 is flexible. Written are v3, or v1 when the commit brought
/// an expiry time: as Kafka does, so that its older versions can read it.
public struct OffsetCommitValue: WireStruct, Equatable {
    static let newestVersion: Int16 = 4
    static let firstFlexible: Int16 = 4

    public var offset: Int64 = 0
    public var leaderEpoch: Int32 = -1
    public var metadata = ""
    /// Milliseconds since 1970.
    public var commitTimestamp: Int64 = 0
    /// Milliseconds since 1970; -1 when the retention of the broker counts.
    public var expireTimestamp: Int64 = -1

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int64(&offset)
        if c.version >= 3 { try c.int32(&leaderEpoch) }
        try c.string(&metadata)
        try c.int64(&commitTimestamp)
        if c.version == 1 { try c.int64(&expireTimestamp) }
        try c.tags()
    }

    public static func decode(_ buffer: ByteBuffer) throws(WireError) -> OffsetCommitValue {
        try VersionedRecord.decode(Self.self, from: buffer, newest: newestVersion, firstFlexible: firstFlexible)
    }

    /// The value with its version in front; without a version, in the one that Kafka would choose.
    public func encode(version: Int16? = nil) throws(WireError) -> ByteBuffer {
        let version = version ?? (expireTimestamp >= 0 ? 1 : 3)
        return try VersionedRecord.encode(self, version: version, flexible: version >= Self.firstFlexible)
    }
}
