/// AlterConfigs (key 33), versions 0–2: replaces the configuration of topics and brokers as a whole. v2 is flexible.
public struct AlterConfigsRequest: WireRequest {
    public typealias Response = AlterConfigsResponse
    public static var key: APIKey { .alterConfigs }
    public static var firstFlexible: Int16 { 2 }

    public var resources: [AlterConfigsResource] = []
    public var validateOnly = false

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.array(&resources)
        try c.bool(&validateOnly)
        try c.tags()
    }

    public struct AlterConfigsResource: WireStruct {
        /// 2 topic, 4 broker, 8 broker logger.
        public var resourceType: Int8 = 0
        public var resourceName = ""
        public var configs: [AlterableConfig] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int8(&resourceType)
            try c.string(&resourceName)
            try c.array(&configs)
            try c.tags()
        }
    }

    public struct AlterableConfig: WireStruct {
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

public struct AlterConfigsResponse: WireMessage {
    public static var key: APIKey { .alterConfigs }
    public static var firstFlexible: Int16 { 2 }

    public var throttleTimeMs: Int32 = 0
    public var responses: [AlterConfigsResourceResponse] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int32(&throttleTimeMs)
        try c.array(&responses)
        try c.tags()
    }

    public struct AlterConfigsResourceResponse: WireStruct {
        public var errorCode: Int16 = 0
        public var errorMessage: String? = ""
        public var resourceType: Int8 = 0
        public var resourceName = ""

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int16(&errorCode)
            try c.nullableString(&errorMessage)
            try c.int8(&resourceType)
            try c.string(&resourceName)
            try c.tags()
        }
    }
}
