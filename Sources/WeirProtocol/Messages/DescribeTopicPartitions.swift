public import WeirModel

/// DescribeTopicPartitions (key 75), version 0: topics page by page, with eligible leader replicas (KIP-966).
///
/// Flexible from the start. Topics and partitions come in rising order; a cursor in the answer says where the next page
/// starts.
public struct DescribeTopicPartitionsRequest: WireRequest {
    public typealias Response = DescribeTopicPartitionsResponse
    public static var key: APIKey { .describeTopicPartitions }
    public static var firstFlexible: Int16 { 0 }

    /// Empty for all.
    public var topics: [TopicRequest] = []
    public var responsePartitionLimit: Int32 = 2000
    /// The first topic and partition to describe, null for the very first.
    public var cursor: Cursor?

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.array(&topics)
        try c.int32(&responsePartitionLimit)
        try c.nullableStruct(&cursor)
        try c.tags()
    }

    public struct TopicRequest: WireStruct {
        public var name = ""

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.tags()
        }
    }

    public struct Cursor: WireStruct {
        public var topicName = ""
        public var partitionIndex: Int32 = 0

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&topicName)
            try c.int32(&partitionIndex)
            try c.tags()
        }
    }
}

public struct DescribeTopicPartitionsResponse: WireMessage {
    public typealias Cursor = DescribeTopicPartitionsRequest.Cursor
    public static var key: APIKey { .describeTopicPartitions }
    public static var firstFlexible: Int16 { 0 }

    public var throttleTimeMs: Int32 = 0
    public var topics: [DescribeTopicPartitionsResponseTopic] = []
    /// Where the next page starts, null on the last.
    public var nextCursor: Cursor?

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int32(&throttleTimeMs)
        try c.array(&topics)
        try c.nullableStruct(&nextCursor)
        try c.tags()
    }

    public struct DescribeTopicPartitionsResponseTopic: WireStruct {
        public var errorCode: Int16 = 0
        public var name: String? = ""
        public var topicID: UniqueID = .zero
        public var isInternal = false
        public var partitions: [DescribeTopicPartitionsResponsePartition] = []
        /// The smallest value stands for "not asked".
        public var topicAuthorizedOperations: Int32 = .min

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int16(&errorCode)
            try c.nullableString(&name)
            try c.uuid(&topicID)
            try c.bool(&isInternal)
            try c.array(&partitions)
            try c.int32(&topicAuthorizedOperations)
            try c.tags()
        }
    }

    public struct DescribeTopicPartitionsResponsePartition: WireStruct {
        public var errorCode: Int16 = 0
        public var partitionIndex: Int32 = 0
        /// -1 when the partition has no leader.
        public var leaderID: Int32 = 0
        public var leaderEpoch: Int32 = -1
        public var replicaNodes: [Int32] = []
        public var isrNodes: [Int32] = []
        public var eligibleLeaderReplicas: [Int32]?
        public var lastKnownElr: [Int32]?
        public var offlineReplicas: [Int32] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int16(&errorCode)
            try c.int32(&partitionIndex)
            try c.int32(&leaderID)
            try c.int32(&leaderEpoch)
            try c.array(&replicaNodes)
            try c.array(&isrNodes)
            try c.nullableArray(&eligibleLeaderReplicas)
            try c.nullableArray(&lastKnownElr)
            try c.array(&offlineReplicas)
            try c.tags()
        }
    }
}
