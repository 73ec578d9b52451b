public import WeirModel

/// DeleteTopics (key 20), versions 0–6.
///
/// v1 adds the throttle time, v4 is flexible, v5 adds error messages, v6 takes topics by name or id.
public struct DeleteTopicsRequest: WireRequest {
    public typealias Response = DeleteTopicsResponse
    public static var key: APIKey { .deleteTopics }
    public static var firstFlexible: Int16 { 4 }

    /// Versions 6+.
    public var topics: [DeleteTopicState] = []
    /// Versions 0–5.
    public var topicNames: [String] = []
    public var timeoutMs: Int32 = 0

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 6 {
            try c.array(&topics)
        } else {
            try c.array(&topicNames)
            try c.requireUnset(topics.isEmpty, "Topics")
        }
        try c.int32(&timeoutMs)
        try c.tags()
    }

    public struct DeleteTopicState: WireStruct {
        /// Null when the topic is named by id.
        public var name: String?
        /// Zero when the topic is named by name.
        public var topicID: UniqueID = .zero

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.nullableString(&name)
            try c.uuid(&topicID)
            try c.tags()
        }
    }
}

public struct DeleteTopicsResponse: WireMessage {
    public static var key: APIKey { .deleteTopics }
    public static var firstFlexible: Int16 { 4 }

    public var throttleTimeMs: Int32 = 0
    public var responses: [DeletableTopicResult] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 1 { try c.int32(&throttleTimeMs) }
        try c.array(&responses)
        try c.tags()
    }

    public struct DeletableTopicResult: WireStruct {
        /// Null, from v6 on only, for a topic named by an id that is not known.
        public var name: String? = ""
        public var topicID: UniqueID = .zero
        public var errorCode: Int16 = 0
        public var errorMessage: String?

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.nullableString(&name, isNullable: c.version >= 6)
            if c.version >= 6 { try c.uuid(&topicID) }
            try c.int16(&errorCode)
            if c.version >= 5 { try c.nullableString(&errorMessage) }
            try c.tags()
        }
    }
}
