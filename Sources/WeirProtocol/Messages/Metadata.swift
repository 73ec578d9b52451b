public import WeirModel

/// Metadata (key 3), versions 0–13: brokers, topics and the leaders of partitions.
///
/// v1 tells "all topics" (null) from "no topics" (empty), v4 adds the choice of auto-creation, v8 authorised operations,
/// v9 is flexible, v10 adds topic ids, v12 looks topics up by id, v13 adds an error of the whole answer.
public struct MetadataRequest: WireRequest {
    public typealias Response = MetadataResponse
    public static var key: APIKey { .metadata }
    public static var firstFlexible: Int16 { 9 }

    /// Which topics to describe; null asks for all of them in every version. (On the wire v0 has an empty array for
    /// that, and no way to ask for none.)
    public var topics: [MetadataRequestTopic]? = []
    public var allowAutoTopicCreation = true
    /// Versions 8–10.
    public var includeClusterAuthorizedOperations = false
    public var includeTopicAuthorizedOperations = false

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 1 {
            try c.nullableArray(&topics)
        } else {
            try codeTopicsV0(&c)
        }
        if c.version >= 4 {
            try c.bool(&allowAutoTopicCreation)
        } else {
            try c.requireUnset(allowAutoTopicCreation, "AllowAutoTopicCreation")
        }
        if (8...10).contains(c.version) { try c.bool(&includeClusterAuthorizedOperations) }
        if c.version >= 8 { try c.bool(&includeTopicAuthorizedOperations) }
        try c.tags()
    }

    private mutating func codeTopicsV0<C: WireCoder>(_ c: inout C) throws(WireError) {
        if topics?.isEmpty == true { try c.requireUnset(false, "Topics that is empty") }
        var listed = topics ?? []
        try c.array(&listed)
        if C.isReader { topics = listed.isEmpty ? nil : listed }
    }

    public struct MetadataRequestTopic: WireStruct {
        /// Versions 10+; zero when the topic is asked for by name.
        public var topicID: UniqueID = .zero
        /// Null from v10 on when the topic is asked for by id.
        public var name: String?

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            if c.version >= 10 { try c.uuid(&topicID) }
            try c.nullableString(&name, isNullable: c.version >= 10)
            try c.tags()
        }
    }
}

public struct MetadataResponse: WireMessage {
    public static var key: APIKey { .metadata }
    public static var firstFlexible: Int16 { 9 }

    public var throttleTimeMs: Int32 = 0
    public var brokers: [MetadataResponseBroker] = []
    public var clusterID: String?
    public var controllerID: Int32 = -1
    public var topics: [MetadataResponseTopic] = []
    /// Versions 8–10; the smallest value stands for "not asked".
    public var clusterAuthorizedOperations: Int32 = .min
    /// Versions 13+.
    public var errorCode: Int16 = 0

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 3 { try c.int32(&throttleTimeMs) }
        try c.array(&brokers)
        if c.version >= 2 { try c.nullableString(&clusterID) }
        if c.version >= 1 { try c.int32(&controllerID) }
        try c.array(&topics)
        if (8...10).contains(c.version) { try c.int32(&clusterAuthorizedOperations) }
        if c.version >= 13 { try c.int16(&errorCode) }
        try c.tags()
    }

    public struct MetadataResponseBroker: WireStruct {
        public var nodeID: Int32 = 0
        public var host = ""
        public var port: Int32 = 0
        public var rack: String?

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&nodeID)
            try c.string(&host)
            try c.int32(&port)
            if c.version >= 1 { try c.nullableString(&rack) }
            try c.tags()
        }
    }

    public struct MetadataResponseTopic: WireStruct {
        public var errorCode: Int16 = 0
        /// Null, from v12 on only, for a topic asked for by an id that is not known.
        public var name: String? = ""
        public var topicID: UniqueID = .zero
        public var isInternal = false
        public var partitions: [MetadataResponsePartition] = []
        /// The smallest value stands for "not asked".
        public var topicAuthorizedOperations: Int32 = .min

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int16(&errorCode)
            try c.nullableString(&name, isNullable: c.version >= 12)
            if c.version >= 10 { try c.uuid(&topicID) }
            if c.version >= 1 { try c.bool(&isInternal) }
            try c.array(&partitions)
            if c.version >= 8 { try c.int32(&topicAuthorizedOperations) }
            try c.tags()
        }
    }

    public struct MetadataResponsePartition: WireStruct {
        public var errorCode: Int16 = 0
        public var partitionIndex: Int32 = 0
        /// -1 when the partition has no leader.
        public var leaderID: Int32 = 0
        public var leaderEpoch: Int32 = -1
        public var replicaNodes: [Int32] = []
        public var isrNodes: [Int32] = []
        public var offlineReplicas: [Int32] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int16(&errorCode)
            try c.int32(&partitionIndex)
            try c.int32(&leaderID)
            if c.version >= 7 { try c.int32(&leaderEpoch) }
            try c.array(&replicaNodes)
            try c.array(&isrNodes)
            if c.version >= 5 { try c.array(&offlineReplicas) }
            try c.tags()
        }
    }
}
