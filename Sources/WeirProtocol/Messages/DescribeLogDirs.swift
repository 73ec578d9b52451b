/// DescribeLogDirs (key 35), versions 0–5: sizes of logs and their directories.
///
/// v2 is flexible, v3 adds an error of the whole answer, v4 the sizes of the volumes (KIP-827), v5 cordoned directories.
public struct DescribeLogDirsRequest: WireRequest {
    public typealias Response = DescribeLogDirsResponse
    public static var key: APIKey { .describeLogDirs }
    public static var firstFlexible: Int16 { 2 }

    /// Null for all.
    public var topics: [DescribableLogDirTopic]? = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.nullableArray(&topics)
        try c.tags()
    }

    public struct DescribableLogDirTopic: WireStruct {
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

public struct DescribeLogDirsResponse: WireMessage {
    public static var key: APIKey { .describeLogDirs }
    public static var firstFlexible: Int16 { 2 }

    public var throttleTimeMs: Int32 = 0
    public var errorCode: Int16 = 0
    public var results: [DescribeLogDirsResult] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int32(&throttleTimeMs)
        if c.version >= 3 { try c.int16(&errorCode) }
        try c.array(&results)
        try c.tags()
    }

    public struct DescribeLogDirsResult: WireStruct {
        public var errorCode: Int16 = 0
        /// The directory's absolute path.
        public var logDir = ""
        public var topics: [DescribeLogDirsTopic] = []
        /// The size of the volume in bytes, -1 when unknown.
        public var totalBytes: Int64 = -1
        /// What of it is free, -1 when unknown.
        public var usableBytes: Int64 = -1
        public var isCordoned = false

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int16(&errorCode)
            try c.string(&logDir)
            try c.array(&topics)
            if c.version >= 4 {
                try c.int64(&totalBytes)
                try c.int64(&usableBytes)
            }
            if c.version >= 5 { try c.bool(&isCordoned) }
            try c.tags()
        }
    }

    public struct DescribeLogDirsTopic: WireStruct {
        public var name = ""
        public var partitions: [DescribeLogDirsPartition] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.array(&partitions)
            try c.tags()
        }
    }

    public struct DescribeLogDirsPartition: WireStruct {
        public var partitionIndex: Int32 = 0
        /// Bytes of the log's segments.
        public var partitionSize: Int64 = 0
        /// How far the log's end lies behind the high watermark (or, for a future log, the current log's end).
        public var offsetLag: Int64 = 0
        public var isFutureKey = false

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&partitionIndex)
            try c.int64(&partitionSize)
            try c.int64(&offsetLag)
            try c.bool(&isFutureKey)
            try c.tags()
        }
    }
}
