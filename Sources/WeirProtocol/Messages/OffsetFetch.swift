public import WeirModel

/// OffsetFetch (key 9), versions 0–10: the offsets that groups committed.
///
/// v2 lets null topics ask for all, v3 adds the throttle time, v5 leader epochs, v6 is flexible, v7 adds "require
/// stable" (KIP-447), v8 asks for several groups at once (in `groups`, instead of `groupID` and `topics`), v9 adds the
/// member for the new group protocol (KIP-848), v10 names topics by id.
public struct OffsetFetchRequest: WireRequest {
    public typealias Response = OffsetFetchResponse
    public static var key: APIKey { .offsetFetch }
    public static var firstFlexible: Int16 { 6 }

    /// Versions 0–7.
    public var groupID = ""
    /// Versions 0–7; null asks for all topics (v2+).
    public var topics: [OffsetFetchRequestTopic]? = []
    /// Versions 8+.
    public var groups: [OffsetFetchRequestGroup] = []
    public var requireStable = false

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version <= 7 {
            try c.string(&groupID)
            try c.nullableArray(&topics, isNullable: c.version >= 2)
            try c.requireUnset(groups.isEmpty, "Groups")
        } else {
            try c.array(&groups)
        }
        if c.version >= 7 {
            try c.bool(&requireStable)
        } else {
            try c.requireUnset(!requireStable, "RequireStable")
        }
        try c.tags()
    }

    public struct OffsetFetchRequestTopic: WireStruct {
        public var name = ""
        public var partitionIndexes: [Int32] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.array(&partitionIndexes)
            try c.tags()
        }
    }

    public struct OffsetFetchRequestGroup: WireStruct {
        public var groupID = ""
        public var memberID: String?
        public var memberEpoch: Int32 = -1
        /// Null asks for all topics.
        public var topics: [OffsetFetchRequestTopics]? = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&groupID)
            if c.version >= 9 {
                try c.nullableString(&memberID)
                try c.int32(&memberEpoch)
            }
            try c.nullableArray(&topics)
            try c.tags()
        }
    }

    public struct OffsetFetchRequestTopics: WireStruct {
        /// Versions 8–9.
        public var name = ""
        /// Versions 10+.
        public var topicID: UniqueID = .zero
        public var partitionIndexes: [Int32] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            if c.version >= 10 { try c.uuid(&topicID) } else { try c.string(&name) }
            try c.array(&partitionIndexes)
            try c.tags()
        }
    }
}

public struct OffsetFetchResponse: WireMessage {
    public static var key: APIKey { .offsetFetch }
    public static var firstFlexible: Int16 { 6 }

    public var throttleTimeMs: Int32 = 0
    /// Versions 0–7.
    public var topics: [OffsetFetchResponseTopic] = []
    /// Versions 2–7.
    public var errorCode: Int16 = 0
    /// Versions 8+.
    public var groups: [OffsetFetchResponseGroup] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 3 { try c.int32(&throttleTimeMs) }
        if c.version <= 7 { try c.array(&topics) }
        if (2...7).contains(c.version) { try c.int16(&errorCode) }
        if c.version >= 8 { try c.array(&groups) }
        try c.tags()
    }

    public struct OffsetFetchResponseTopic: WireStruct {
        public var name = ""
        public var partitions: [OffsetFetchResponsePartition] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.array(&partitions)
            try c.tags()
        }
    }

    /// A partition in versions 0–7.
    public struct OffsetFetchResponsePartition: WireStruct {
        public var partitionIndex: Int32 = 0
        /// -1 when nothing was committed.
        public var committedOffset: Int64 = 0
        public var committedLeaderEpoch: Int32 = -1
        public var metadata: String? = ""
        public var errorCode: Int16 = 0

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&partitionIndex)
            try c.int64(&committedOffset)
            if c.version >= 5 { try c.int32(&committedLeaderEpoch) }
            try c.nullableString(&metadata)
            try c.int16(&errorCode)
            try c.tags()
        }
    }

    public struct OffsetFetchResponseGroup: WireStruct {
        public var groupID = ""
        public var topics: [OffsetFetchResponseTopics] = []
        public var errorCode: Int16 = 0

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&groupID)
            try c.array(&topics)
            try c.int16(&errorCode)
            try c.tags()
        }
    }

    public struct OffsetFetchResponseTopics: WireStruct {
        /// Versions 8–9.
        public var name = ""
        /// Versions 10+.
        public var topicID: UniqueID = .zero
        public var partitions: [OffsetFetchResponsePartitions] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            if c.version >= 10 { try c.uuid(&topicID) } else { try c.string(&name) }
            try c.array(&partitions)
            try c.tags()
        }
    }

    /// A partition in versions 8+.
    public struct OffsetFetchResponsePartitions: WireStruct {
        public var partitionIndex: Int32 = 0
        /// -1 when nothing was committed.
        public var committedOffset: Int64 = 0
        public var committedLeaderEpoch: Int32 = -1
        public var metadata: String? = ""
        public var errorCode: Int16 = 0

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&partitionIndex)
            try c.int64(&committedOffset)
            try c.int32(&committedLeaderEpoch)
            try c.nullableString(&metadata)
            try c.int16(&errorCode)
            try c.tags()
        }
    }
}
