public import WeirModel

/// Fetch (key 1), versions 0–18: record batches of partitions from given offsets on, waiting for them if need be.
///
/// v3 adds the byte limit of the whole answer, v4 the isolation level, v5 the follower's log start offset, v7 sessions
/// (KIP-227), v9 leader epochs (KIP-320), v11 the rack (KIP-392), v12 is flexible and adds the last fetched epoch, v13
/// names topics by id (KIP-516), v15 moves the replica id into a tagged field (KIP-903), v17 adds the replica's
/// directory (KIP-853), v18 its high watermark (KIP-1166).
public struct FetchRequest: WireRequest {
    public typealias Response = FetchResponse
    public static var key: APIKey { .fetch }
    public static var firstFlexible: Int16 { 12 }

    public var clusterID: String?
    /// Versions 0–14: the fetching broker, -1 for a consumer. See `fetchingReplicaID`.
    public var replicaID: Int32 = -1
    /// Versions 15+.
    public var replicaState = ReplicaState()
    public var maxWaitMs: Int32 = 0
    public var minBytes: Int32 = 0
    public var maxBytes: Int32 = 0x7FFF_FFFF
    /// 0 read uncommitted, 1 read committed.
    public var isolationLevel: Int8 = 0
    public var sessionID: Int32 = 0
    /// -1 closes the session or asks without one, 0 opens a new one, others continue it.
    public var sessionEpoch: Int32 = -1
    public var topics: [FetchTopic] = []
    public var forgottenTopicsData: [ForgottenTopic] = []
    public var rackID = ""

    public init() {}

    /// The fetching broker's id in whichever field the version has for it; -1 for a consumer.
    public var fetchingReplicaID: Int32 { replicaID != -1 ? replicaID : replicaState.replicaID }

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version <= 14 { try c.int32(&replicaID) }
        try c.int32(&maxWaitMs)
        try c.int32(&minBytes)
        if c.version >= 3 { try c.int32(&maxBytes) }
        if c.version >= 4 { try c.int8(&isolationLevel) }
        if c.version >= 7 {
            try c.int32(&sessionID)
            try c.int32(&sessionEpoch)
        }
        try c.array(&topics)
        if c.version >= 7 {
            try c.array(&forgottenTopicsData)
        } else {
            try c.requireUnset(forgottenTopicsData.isEmpty, "ForgottenTopicsData")
        }
        if c.version >= 11 { try c.string(&rackID) }
        let version = c.version
        try c.tags { (c) throws(WireError) in
            try c.tagged(0, &clusterID, isDefault: clusterID == nil) { (c, value) throws(WireError) in
                try c.nullableString(&value)
            }
            if version >= 15 { try c.tagged(1, &replicaState, default: ReplicaState()) }
        }
    }

    public struct ReplicaState: WireStruct, Equatable {
        public var replicaID: Int32 = -1
        public var replicaEpoch: Int64 = -1

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&replicaID)
            try c.int64(&replicaEpoch)
            try c.tags()
        }
    }

    public struct FetchTopic: WireStruct {
        /// Versions 0–12.
        public var topic = ""
        /// Versions 13+.
        public var topicID: UniqueID = .zero
        public var partitions: [FetchPartition] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            if c.version >= 13 { try c.uuid(&topicID) } else { try c.string(&topic) }
            try c.array(&partitions)
            try c.tags()
        }
    }

    public struct FetchPartition: WireStruct {
        public var partition: Int32 = 0
        /// The leader epoch that the client knows, -1 when it does not check.
        public var currentLeaderEpoch: Int32 = -1
        public var fetchOffset: Int64 = 0
        /// The epoch of the follower's last record, -1 when it has none or is a consumer.
        public var lastFetchedEpoch: Int32 = -1
        /// A follower's log start offset, -1 for a consumer.
        public var logStartOffset: Int64 = -1
        public var partitionMaxBytes: Int32 = 0
        public var replicaDirectoryID: UniqueID = .zero
        /// The follower's high watermark; the largest value stands for unknown.
        public var highWatermark: Int64 = .max

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&partition)
            if c.version >= 9 { try c.int32(&currentLeaderEpoch) }
            try c.int64(&fetchOffset)
            if c.version >= 12 { try c.int32(&lastFetchedEpoch) }
            if c.version >= 5 { try c.int64(&logStartOffset) }
            try c.int32(&partitionMaxBytes)
            let version = c.version
            if version >= 17 {
                try c.tags { (c) throws(WireError) in
                    try c.tagged(0, &replicaDirectoryID, default: .zero)
                    if version >= 18 { try c.tagged(1, &highWatermark, default: .max) }
                }
            } else {
                try c.tags()
            }
        }
    }

    public struct ForgottenTopic: WireStruct {
        /// Versions 7–12.
        public var topic = ""
        /// Versions 13+.
        public var topicID: UniqueID = .zero
        public var partitions: [Int32] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            if c.version >= 13 { try c.uuid(&topicID) } else { try c.string(&topic) }
            try c.array(&partitions)
            try c.tags()
        }
    }
}

/// Fetch's answer. v1 adds the throttle time, v4 the last stable offset and aborted transactions, v5 the log start
/// offset, v7 the session and an error of the whole answer, v11 the preferred replica, v12 the diverging epoch and the
/// current leader, v13 topic ids, v16 the leaders' endpoints (KIP-951).
public struct FetchResponse: WireMessage {
    public static var key: APIKey { .fetch }
    public static var firstFlexible: Int16 { 12 }

    public var throttleTimeMs: Int32 = 0
    public var errorCode: Int16 = 0
    public var sessionID: Int32 = 0
    public var responses: [FetchableTopicResponse] = []
    /// Endpoints of the leaders that partitions name in `currentLeader`.
    public var nodeEndpoints: [NodeEndpoint] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 1 { try c.int32(&throttleTimeMs) }
        if c.version >= 7 {
            try c.int16(&errorCode)
            try c.int32(&sessionID)
        } else {
            try c.requireUnset(sessionID == 0, "SessionId")
        }
        try c.array(&responses)
        if c.version >= 16 {
            try c.tags { (c) throws(WireError) in try c.taggedArray(0, &nodeEndpoints) }
        } else {
            try c.tags()
        }
    }

    public struct FetchableTopicResponse: WireStruct {
        /// Versions 0–12.
        public var topic = ""
        /// Versions 13+.
        public var topicID: UniqueID = .zero
        public var partitions: [PartitionData] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            if c.version >= 13 { try c.uuid(&topicID) } else { try c.string(&topic) }
            try c.array(&partitions)
            try c.tags()
        }
    }

    public struct PartitionData: WireStruct {
        public var partitionIndex: Int32 = 0
        public var errorCode: Int16 = 0
        public var highWatermark: Int64 = 0
        /// Where read-committed consumers stop; -1 when unknown.
        public var lastStableOffset: Int64 = -1
        public var logStartOffset: Int64 = -1
        public var divergingEpoch = EpochEndOffset()
        public var currentLeader = LeaderIDAndEpoch()
        public var snapshotID = SnapshotID()
        /// Null for read-uncommitted consumers.
        public var abortedTransactions: [AbortedTransaction]?
        public var preferredReadReplica: Int32 = -1
        /// No records are `.bytes` or `.deferred` of length 0, never `.null`: librdkafka cannot read null.
        public var records: RecordData = .null

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&partitionIndex)
            try c.int16(&errorCode)
            try c.int64(&highWatermark)
            if c.version >= 4 { try c.int64(&lastStableOffset) }
            if c.version >= 5 { try c.int64(&logStartOffset) }
            if c.version >= 4 { try c.nullableArray(&abortedTransactions) }
            if c.version >= 11 {
                try c.int32(&preferredReadReplica)
            }
            try c.records(&records)
            try c.tags { (c) throws(WireError) in
                try c.tagged(0, &divergingEpoch, default: EpochEndOffset())
                try c.tagged(1, &currentLeader, default: LeaderIDAndEpoch())
                try c.tagged(2, &snapshotID, default: SnapshotID())
            }
        }
    }

    /// Tells a follower where its log leaves the leader's (KIP-595). Both -1 when it does not.
    public struct EpochEndOffset: WireStruct, Equatable {
        public var epoch: Int32 = -1
        public var endOffset: Int64 = -1

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&epoch)
            try c.int64(&endOffset)
            try c.tags()
        }
    }

    /// The snapshot that a follower of Kafka's metadata log should read instead. Weir's brokers never send one.
    public struct SnapshotID: WireStruct, Equatable {
        public var endOffset: Int64 = -1
        public var epoch: Int32 = -1

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int64(&endOffset)
            try c.int32(&epoch)
            try c.tags()
        }
    }

    public struct AbortedTransaction: WireStruct {
        public var producerID: Int64 = 0
        public var firstOffset: Int64 = 0

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int64(&producerID)
            try c.int64(&firstOffset)
            try c.tags()
        }
    }
}
