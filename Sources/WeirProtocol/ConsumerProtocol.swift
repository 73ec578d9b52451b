public import NIOCore

// What consumers tell each other through a group's coordinator, which passes it on unread: the `metadata` of JoinGroup
// and the `assignment` of SyncGroup when the protocol type is `consumer`.

/// A value that travels inside another message's bytes with its own version in front.
///
/// Wire format: version int16, then the fields of that version, never flexible. A reader takes a version that is newer
/// than it knows for its newest and ignores the bytes behind it, as Kafka's own does.
public protocol EmbeddedMessage: WireStruct {
    static var newestVersion: Int16 { get }
}

extension EmbeddedMessage {
    /// Reads a value with its version in front.
    public static func decode(_ buffer: ByteBuffer) throws(WireError) -> Self {
        var rest = buffer
        let version = try WireReader.readPrefix(Int16.self, from: &rest, version: 0, flexible: false)
        guard version >= 0 else { throw .invalid("a version of \(version)") }
        return try WireReader.readPrefix(Self.self, from: &rest, version: min(version, newestVersion), flexible: false)
    }

    /// The value with its version in front.
    public func encode(version: Int16 = Self.newestVersion) throws(WireError) -> ByteBuffer {
        guard (0...Self.newestVersion).contains(version) else { throw .invalid("a version of \(version)") }
        return try WireWriter.bytes(Versioned(version: version, value: self), version: version, flexible: false)
    }
}

private struct Versioned<Value: EmbeddedMessage>: WireStruct {
    var version: Int16 = 0
    var value = Value()

    init() {}
    init(version: Int16, value: Value) {
        self.version = version
        self.value = value
    }

    mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int16(&version)
        try value.code(&c)
    }
}

/// What a consumer wants to read, versions 0–3.
///
/// v1 adds the partitions it owns (KIP-429), v2 the generation it owns them in (KIP-792), v3 its rack (KIP-881).
public struct ConsumerProtocolSubscription: EmbeddedMessage {
    public static var newestVersion: Int16 { 3 }

    public var topics: [String] = []
    public var userData: ByteBuffer?
    public var ownedPartitions: [TopicPartition] = []
    public var generationID: Int32 = -1
    public var rackID: String?

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.array(&topics)
        try c.nullableBytes(&userData)
        if c.version >= 1 { try c.array(&ownedPartitions) }
        if c.version >= 2 { try c.int32(&generationID) }
        if c.version >= 3 { try c.nullableString(&rackID) }
        try c.tags()
    }

    public struct TopicPartition: WireStruct, Hashable {
        public var topic = ""
        public var partitions: [Int32] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&topic)
            try c.array(&partitions)
            try c.tags()
        }
    }
}

/// What a consumer shall read, versions 0–3, which are all alike.
public struct ConsumerProtocolAssignment: EmbeddedMessage {
    public typealias TopicPartition = ConsumerProtocolSubscription.TopicPartition
    public static var newestVersion: Int16 { 3 }

    public var assignedPartitions: [TopicPartition] = []
    public var userData: ByteBuffer?

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.array(&assignedPartitions)
        try c.nullableBytes(&userData)
        try c.tags()
    }
}
