/// OffsetDelete (key 47), version 0: deletes offsets that a group committed (KIP-496).
public struct OffsetDeleteRequest: WireRequest {
    public typealias Response = OffsetDeleteResponse
    public static var key: APIKey { .offsetDelete }
    public static var firstFlexible: Int16 { neverFlexible }

    public var groupID = ""
    public var topics: [OffsetDeleteRequestTopic] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.string(&groupID)
        try c.array(&topics)
        try c.tags()
    }

    public struct OffsetDeleteRequestTopic: WireStruct {
        public var name = ""
        public var partitions: [OffsetDeleteRequestPartition] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.array(&partitions)
            try c.tags()
        }
    }

    public struct OffsetDeleteRequestPartition: WireStruct {
        public var partitionIndex: Int32 = 0

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&partitionIndex)
            try c.tags()
        }
    }
}

public struct OffsetDeleteResponse: WireMessage {
    public static var key: APIKey { .offsetDelete }
    public static var firstFlexible: Int16 { neverFlexible }

    public var errorCode: Int16 = 0
    public var throttleTimeMs: Int32 = 0
    public var topics: [OffsetDeleteResponseTopic] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int16(&errorCode)
        try c.int32(&throttleTimeMs)
        try c.array(&topics)
        try c.tags()
    }

    public struct OffsetDeleteResponseTopic: WireStruct {
        public var name = ""
        public var partitions: [OffsetDeleteResponsePartition] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.array(&partitions)
            try c.tags()
        }
    }

    public struct OffsetDeleteResponsePartition: WireStruct {
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
