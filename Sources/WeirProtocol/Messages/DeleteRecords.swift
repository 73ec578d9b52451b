/// DeleteRecords (key 21), versions 0–2: moves the log start offset of partitions forward. v2 is flexible.
public struct DeleteRecordsRequest: WireRequest {
    public typealias Response = DeleteRecordsResponse
    public static var key: APIKey { .deleteRecords }
    public static var firstFlexible: Int16 { 2 }

    public var topics: [DeleteRecordsTopic] = []
    public var timeoutMs: Int32 = 0

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.array(&topics)
        try c.int32(&timeoutMs)
        try c.tags()
    }

    public struct DeleteRecordsTopic: WireStruct {
        public var name = ""
        public var partitions: [DeleteRecordsPartition] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.array(&partitions)
            try c.tags()
        }
    }

    public struct DeleteRecordsPartition: WireStruct {
        public var partitionIndex: Int32 = 0
        /// The first offset to keep; -1 for the high watermark.
        public var offset: Int64 = 0

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&partitionIndex)
            try c.int64(&offset)
            try c.tags()
        }
    }
}

public struct DeleteRecordsResponse: WireMessage {
    public static var key: APIKey { .deleteRecords }
    public static var firstFlexible: Int16 { 2 }

    public var throttleTimeMs: Int32 = 0
    public var topics: [DeleteRecordsTopicResult] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int32(&throttleTimeMs)
        try c.array(&topics)
        try c.tags()
    }

    public struct DeleteRecordsTopicResult: WireStruct {
        public var name = ""
        public var partitions: [DeleteRecordsPartitionResult] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.array(&partitions)
            try c.tags()
        }
    }

    public struct DeleteRecordsPartitionResult: WireStruct {
        public var partitionIndex: Int32 = 0
        /// The new log start offset, -1 after an error.
        public var lowWatermark: Int64 = 0
        public var errorCode: Int16 = 0

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&partitionIndex)
            try c.int64(&lowWatermark)
            try c.int16(&errorCode)
            try c.tags()
        }
    }
}
