/// CreatePartitions (key 37), versions 0–3: more partitions for topics (KIP-195). v2 is flexible.
public struct CreatePartitionsRequest: WireRequest {
    public typealias Response = CreatePartitionsResponse
    public static var key: APIKey { .createPartitions }
    public static var firstFlexible: Int16 { 2 }

    public var topics: [CreatePartitionsTopic] = []
    public var timeoutMs: Int32 = 0
    public var validateOnly = false

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.array(&topics)
        try c.int32(&timeoutMs)
        try c.bool(&validateOnly)
        try c.tags()
    }

    public struct CreatePartitionsTopic: WireStruct {
        public var name = ""
        /// How many partitions the topic shall have, the present ones included.
        public var count: Int32 = 0
        /// The replicas of the new partitions; null lets the broker choose.
        public var assignments: [CreatePartitionsAssignment]? = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.int32(&count)
            try c.nullableArray(&assignments)
            try c.tags()
        }
    }

    public struct CreatePartitionsAssignment: WireStruct {
        public var brokerIDs: [Int32] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.array(&brokerIDs)
            try c.tags()
        }
    }
}

public struct CreatePartitionsResponse: WireMessage {
    public static var key: APIKey { .createPartitions }
    public static var firstFlexible: Int16 { 2 }

    public var throttleTimeMs: Int32 = 0
    public var results: [CreatePartitionsTopicResult] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int32(&throttleTimeMs)
        try c.array(&results)
        try c.tags()
    }

    public struct CreatePartitionsTopicResult: WireStruct {
        public var name = ""
        public var errorCode: Int16 = 0
        public var errorMessage: String?

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.int16(&errorCode)
            try c.nullableString(&errorMessage)
            try c.tags()
        }
    }
}
