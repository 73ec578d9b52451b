public import WeirModel

/// OffsetCommit (key 8), versions 0–10: a group's offsets.
///
/// v1 adds the generation and member (v0 knew neither groups nor their coordinator) and, in that version only, a
/// timestamp per partition; v2–4 have a retention time; v6 leader epochs, v7 the group instance id, v8 is flexible, v10
/// names topics by id.
public struct OffsetCommitRequest: WireRequest {
    public typealias Response = OffsetCommitResponse
    public static var key: APIKey { .offsetCommit }
    public static var firstFlexible: Int16 { 8 }

    public var groupID = ""
    /// -1 for a commit by a client that manages its partitions itself.
    public var generationIDOrMemberEpoch: Int32 = -1
    public var memberID = ""
    public var groupInstanceID: String?
    /// Versions 2–4; -1 for the broker's own.
    public var retentionTimeMs: Int64 = -1
    public var topics: [OffsetCommitRequestTopic] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.string(&groupID)
        if c.version >= 1 {
            try c.int32(&generationIDOrMemberEpoch)
            try c.string(&memberID)
        }
        if c.version >= 7 {
            try c.nullableString(&groupInstanceID)
        } else {
            try c.requireUnset(groupInstanceID == nil, "GroupInstanceId")
        }
        if (2...4).contains(c.version) { try c.int64(&retentionTimeMs) }
        try c.array(&topics)
        try c.tags()
    }

    public struct OffsetCommitRequestTopic: WireStruct {
        /// Versions 0–9.
        public var name = ""
        /// Versions 10+.
        public var topicID: UniqueID = .zero
        public var partitions: [OffsetCommitRequestPartition] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            if c.version >= 10 { try c.uuid(&topicID) } else { try c.string(&name) }
            try c.array(&partitions)
            try c.tags()
        }
    }

    public struct OffsetCommitRequestPartition: WireStruct {
        public var partitionIndex: Int32 = 0
        public var committedOffset: Int64 = 0
        public var committedLeaderEpoch: Int32 = -1
        /// Version 1; -1 for the time of the commit.
        public var commitTimestamp: Int64 = -1
        public var committedMetadata: String?

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&partitionIndex)
            try c.int64(&committedOffset)
            if c.version >= 6 { try c.int32(&committedLeaderEpoch) }
            if c.version == 1 { try c.int64(&commitTimestamp) }
            try c.nullableString(&committedMetadata)
            try c.tags()
        }
    }
}

public struct OffsetCommitResponse: WireMessage {
    public static var key: APIKey { .offsetCommit }
    public static var firstFlexible: Int16 { 8 }

    public var throttleTimeMs: Int32 = 0
    public var topics: [OffsetCommitResponseTopic] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 3 { try c.int32(&throttleTimeMs) }
        try c.array(&topics)
        try c.tags()
    }

    public struct OffsetCommitResponseTopic: WireStruct {
        /// Versions 0–9.
        public var name = ""
        /// Versions 10+.
        public var topicID: UniqueID = .zero
        public var partitions: [OffsetCommitResponsePartition] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            if c.version >= 10 { try c.uuid(&topicID) } else { try c.string(&name) }
            try c.array(&partitions)
            try c.tags()
        }
    }

    public struct OffsetCommitResponsePartition: WireStruct {
        public var partitionIndex: Int32 = 0
        public var errorCode: Int16 = 0

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&partitionIndex)
            try c.int16(&errorCode)
            try c.tags()
        }
    }
}
