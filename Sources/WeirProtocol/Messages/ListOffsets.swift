/// ListOffsets (key 2), versions 0–11: offsets by time.
///
/// v1 returns one offset with its timestamp instead of a list, v2 adds the isolation level and the throttle time, v4
/// leader epochs, v6 is flexible, v10 adds a timeout (KIP-1075). Special timestamps: -1 latest, -2 earliest, -3 the
/// record with the largest timestamp (v7), -4 earliest local (v8), -5 latest tiered (v9), -6 earliest pending upload
/// (v11).
public struct ListOffsetsRequest: WireRequest {
    public typealias Response = ListOffsetsResponse
    public static var key: APIKey { .listOffsets }
    public static var firstFlexible: Int16 { 6 }

    /// The asking broker, -1 for a client. (Kafka's definition has no default; a client must not pass for broker 0.)
    public var replicaID: Int32 = -1
    /// 0 read uncommitted, 1 read committed.
    public var isolationLevel: Int8 = 0
    public var topics: [ListOffsetsTopic] = []
    /// How long the broker may wait for tiered storage.
    public var timeoutMs: Int32 = 0

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int32(&replicaID)
        if c.version >= 2 {
            try c.int8(&isolationLevel)
        } else {
            try c.requireUnset(isolationLevel == 0, "IsolationLevel")
        }
        try c.array(&topics)
        if c.version >= 10 { try c.int32(&timeoutMs) }
        try c.tags()
    }

    public struct ListOffsetsTopic: WireStruct {
        public var name = ""
        public var partitions: [ListOffsetsPartition] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.array(&partitions)
            try c.tags()
        }
    }

    public struct ListOffsetsPartition: WireStruct {
        public var partitionIndex: Int32 = 0
        public var currentLeaderEpoch: Int32 = -1
        /// Milliseconds since 1970, or one of the special values.
        public var timestamp: Int64 = 0
        /// Version 0.
        public var maxNumOffsets: Int32 = 1

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&partitionIndex)
            if c.version >= 4 { try c.int32(&currentLeaderEpoch) }
            try c.int64(&timestamp)
            if c.version == 0 { try c.int32(&maxNumOffsets) }
            try c.tags()
        }
    }
}

public struct ListOffsetsResponse: WireMessage {
    public static var key: APIKey { .listOffsets }
    public static var firstFlexible: Int16 { 6 }

    public var throttleTimeMs: Int32 = 0
    public var topics: [ListOffsetsTopicResponse] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 2 { try c.int32(&throttleTimeMs) }
        try c.array(&topics)
        try c.tags()
    }

    public struct ListOffsetsTopicResponse: WireStruct {
        public var name = ""
        public var partitions: [ListOffsetsPartitionResponse] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.array(&partitions)
            try c.tags()
        }
    }

    public struct ListOffsetsPartitionResponse: WireStruct {
        public var partitionIndex: Int32 = 0
        public var errorCode: Int16 = 0
        /// Version 0.
        public var oldStyleOffsets: [Int64] = []
        public var timestamp: Int64 = -1
        public var offset: Int64 = -1
        public var leaderEpoch: Int32 = -1

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&partitionIndex)
            try c.int16(&errorCode)
            if c.version == 0 {
                try c.array(&oldStyleOffsets)
            } else {
                try c.int64(&timestamp)
                try c.int64(&offset)
            }
            if c.version >= 4 { try c.int32(&leaderEpoch) }
            try c.tags()
        }
    }
}
