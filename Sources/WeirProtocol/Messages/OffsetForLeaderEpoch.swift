/// OffsetForLeaderEpoch (key 23), versions 0–4: where a leader epoch ends in the log (KIP-101, KIP-320).
///
/// v1 returns the epoch, v2 adds the epoch the client knows and the throttle time, v3 the replica id, v4 is flexible.
public struct OffsetForLeaderEpochRequest: WireRequest {
    public typealias Response = OffsetForLeaderEpochResponse
    public static var key: APIKey { .offsetForLeaderEpoch }
    public static var firstFlexible: Int16 { 4 }

    /// The asking broker, -1 for a consumer, -2 for a debugging consumer (and what versions without the field mean).
    public var replicaID: Int32 = -2
    public var topics: [OffsetForLeaderTopic] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 3 { try c.int32(&replicaID) }
        try c.array(&topics)
        try c.tags()
    }

    public struct OffsetForLeaderTopic: WireStruct {
        public var topic = ""
        public var partitions: [OffsetForLeaderPartition] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&topic)
            try c.array(&partitions)
            try c.tags()
        }
    }

    public struct OffsetForLeaderPartition: WireStruct {
        public var partition: Int32 = 0
        /// The leader epoch that the client knows, -1 when it does not check.
        public var currentLeaderEpoch: Int32 = -1
        /// The epoch whose end is asked for.
        public var leaderEpoch: Int32 = 0

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&partition)
            if c.version >= 2 { try c.int32(&currentLeaderEpoch) }
            try c.int32(&leaderEpoch)
            try c.tags()
        }
    }
}

public struct OffsetForLeaderEpochResponse: WireMessage {
    public static var key: APIKey { .offsetForLeaderEpoch }
    public static var firstFlexible: Int16 { 4 }

    public var throttleTimeMs: Int32 = 0
    public var topics: [OffsetForLeaderTopicResult] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 2 { try c.int32(&throttleTimeMs) }
        try c.array(&topics)
        try c.tags()
    }

    public struct OffsetForLeaderTopicResult: WireStruct {
        public var topic = ""
        public var partitions: [EpochEndOffset] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&topic)
            try c.array(&partitions)
            try c.tags()
        }
    }

    public struct EpochEndOffset: WireStruct {
        public var errorCode: Int16 = 0
        public var partition: Int32 = 0
        public var leaderEpoch: Int32 = -1
        public var endOffset: Int64 = -1

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int16(&errorCode)
            try c.int32(&partition)
            if c.version >= 1 { try c.int32(&leaderEpoch) }
            try c.int64(&endOffset)
            try c.tags()
        }
    }
}
