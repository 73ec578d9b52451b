public import WeirModel

/// Produce (key 0), versions 0–13: record batches for partitions that the broker leads.
///
/// v3 adds the transactional id and wants magic-2 batches; v9 is flexible; v12 adds partitions to transactions
/// implicitly (KIP-890); v13 names topics by id. Versions 0–2 have the same fields as v3 but for the transactional id.
public struct ProduceRequest: WireRequest {
    public typealias Response = ProduceResponse
    public static var key: APIKey { .produce }
    public static var firstFlexible: Int16 { 9 }

    public var transactionalID: String?
    /// How many acknowledgements to wait for: 0 none and no response, 1 the leader's, -1 the in-sync replicas'.
    public var acks: Int16 = 0
    public var timeoutMs: Int32 = 0
    public var topicData: [TopicProduceData] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 3 {
            try c.nullableString(&transactionalID)
        } else {
            try c.requireUnset(transactionalID == nil, "TransactionalId")
        }
        try c.int16(&acks)
        try c.int32(&timeoutMs)
        try c.array(&topicData)
        try c.tags()
    }

    public struct TopicProduceData: WireStruct {
        /// Versions 0–12.
        public var name = ""
        /// Versions 13+.
        public var topicID: UniqueID = .zero
        public var partitionData: [PartitionProduceData] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            if c.version >= 13 { try c.uuid(&topicID) } else { try c.string(&name) }
            try c.array(&partitionData)
            try c.tags()
        }
    }

    public struct PartitionProduceData: WireStruct {
        public var index: Int32 = 0
        public var records: RecordData = .null

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&index)
            try c.records(&records)
            try c.tags()
        }
    }
}

/// Produce's answer. v1 adds the throttle time, v2 the append time, v5 the log start offset, v8 per-record errors
/// (KIP-467), v10 the current leader and its endpoint (KIP-951), v13 topic ids.
public struct ProduceResponse: WireMessage {
    public static var key: APIKey { .produce }
    public static var firstFlexible: Int16 { 9 }

    public var responses: [TopicProduceResponse] = []
    public var throttleTimeMs: Int32 = 0
    /// Endpoints of the leaders that partitions name in `currentLeader`.
    public var nodeEndpoints: [NodeEndpoint] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.array(&responses)
        if c.version >= 1 { try c.int32(&throttleTimeMs) }
        if c.version >= 10 {
            try c.tags { (c) throws(WireError) in try c.taggedArray(0, &nodeEndpoints) }
        } else {
            try c.tags()
        }
    }

    public struct TopicProduceResponse: WireStruct {
        /// Versions 0–12.
        public var name = ""
        /// Versions 13+.
        public var topicID: UniqueID = .zero
        public var partitionResponses: [PartitionProduceResponse] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            if c.version >= 13 { try c.uuid(&topicID) } else { try c.string(&name) }
            try c.array(&partitionResponses)
            try c.tags()
        }
    }

    public struct PartitionProduceResponse: WireStruct {
        public var index: Int32 = 0
        public var errorCode: Int16 = 0
        public var baseOffset: Int64 = 0
        /// The broker's time of the append, -1 when the topic keeps the producer's times.
        public var logAppendTimeMs: Int64 = -1
        public var logStartOffset: Int64 = -1
        public var recordErrors: [BatchIndexAndErrorMessage] = []
        public var errorMessage: String?
        public var currentLeader = LeaderIDAndEpoch()

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&index)
            try c.int16(&errorCode)
            try c.int64(&baseOffset)
            if c.version >= 2 { try c.int64(&logAppendTimeMs) }
            if c.version >= 5 { try c.int64(&logStartOffset) }
            if c.version >= 8 {
                try c.array(&recordErrors)
                try c.nullableString(&errorMessage)
            }
            if c.version >= 10 {
                try c.tags { (c) throws(WireError) in
                    try c.tagged(0, &currentLeader, default: LeaderIDAndEpoch())
                }
            } else {
                try c.tags()
            }
        }
    }

    public struct BatchIndexAndErrorMessage: WireStruct {
        public var batchIndex: Int32 = 0
        public var batchIndexErrorMessage: String?

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&batchIndex)
            try c.nullableString(&batchIndexErrorMessage)
            try c.tags()
        }
    }
}
