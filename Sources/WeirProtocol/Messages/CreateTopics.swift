public import WeirModel

/// CreateTopics (key 19), versions 0–7.
///
/// v1 adds "validate only" and error messages, v2 the throttle time, v4 lets counts be -1 for the broker's defaults, v5
/// is flexible and returns the configuration (KIP-525), v7 the topic id.
public struct CreateTopicsRequest: WireRequest {
    public typealias Response = CreateTopicsResponse
    public static var key: APIKey { .createTopics }
    public static var firstFlexible: Int16 { 5 }

    public var topics: [CreatableTopic] = []
    public var timeoutMs: Int32 = 60_000
    public var validateOnly = false

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.array(&topics)
        try c.int32(&timeoutMs)
        if c.version >= 1 {
            try c.bool(&validateOnly)
        } else {
            try c.requireUnset(!validateOnly, "validateOnly")
        }
        try c.tags()
    }

    public struct CreatableTopic: WireStruct {
        public var name = ""
        /// -1 for the broker's default (v4+), or when assignments say it.
        public var numPartitions: Int32 = 0
        /// -1 for the broker's default (v4+), or when assignments say it.
        public var replicationFactor: Int16 = 0
        public var assignments: [CreatableReplicaAssignment] = []
        public var configs: [CreatableTopicConfig] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.int32(&numPartitions)
            try c.int16(&replicationFactor)
            try c.array(&assignments)
            try c.array(&configs)
            try c.tags()
        }
    }

    public struct CreatableReplicaAssignment: WireStruct {
        public var partitionIndex: Int32 = 0
        public var brokerIDs: [Int32] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&partitionIndex)
            try c.array(&brokerIDs)
            try c.tags()
        }
    }

    public struct CreatableTopicConfig: WireStruct {
        public var name = ""
        public var value: String? = ""

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.nullableString(&value)
            try c.tags()
        }
    }
}

public struct CreateTopicsResponse: WireMessage {
    public static var key: APIKey { .createTopics }
    public static var firstFlexible: Int16 { 5 }

    public var throttleTimeMs: Int32 = 0
    public var topics: [CreatableTopicResult] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 2 { try c.int32(&throttleTimeMs) }
        try c.array(&topics)
        try c.tags()
    }

    public struct CreatableTopicResult: WireStruct {
        public var name = ""
        public var topicID: UniqueID = .zero
        public var errorCode: Int16 = 0
        public var errorMessage: String? = ""
        /// Not 0 when the client may not see the configuration.
        public var topicConfigErrorCode: Int16 = 0
        public var numPartitions: Int32 = -1
        public var replicationFactor: Int16 = -1
        /// Versions 5+; null when the topic was not created.
        public var configs: [CreatableTopicConfigs]? = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            if c.version >= 7 { try c.uuid(&topicID) }
            try c.int16(&errorCode)
            if c.version >= 1 { try c.nullableString(&errorMessage) }
            if c.version >= 5 {
                try c.int32(&numPartitions)
                try c.int16(&replicationFactor)
                try c.nullableArray(&configs)
            }
            try c.tags { (c) throws(WireError) in try c.tagged(0, &topicConfigErrorCode, default: 0) }
        }
    }

    public struct CreatableTopicConfigs: WireStruct {
        public var name = ""
        public var value: String? = ""
        public var readOnly = false
        /// Where the value is from: 1 topic, 2 dynamic broker, 3 dynamic default broker, 4 static broker, 5 default.
        public var configSource: Int8 = -1
        public var isSensitive = false

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.nullableString(&value)
            try c.bool(&readOnly)
            try c.int8(&configSource)
            try c.bool(&isSensitive)
            try c.tags()
        }
    }
}
