/// DescribeConfigs (key 32), versions 0–4: the configuration of topics and brokers.
///
/// v1 adds sources and synonyms (KIP-226), v3 types and documentation (KIP-569), v4 is flexible.
public struct DescribeConfigsRequest: WireRequest {
    public typealias Response = DescribeConfigsResponse
    public static var key: APIKey { .describeConfigs }
    public static var firstFlexible: Int16 { 4 }

    public var resources: [DescribeConfigsResource] = []
    public var includeSynonyms = false
    public var includeDocumentation = false

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.array(&resources)
        if c.version >= 1 {
            try c.bool(&includeSynonyms)
        } else {
            try c.requireUnset(!includeSynonyms, "IncludeSynonyms")
        }
        if c.version >= 3 {
            try c.bool(&includeDocumentation)
        } else {
            try c.requireUnset(!includeDocumentation, "IncludeDocumentation")
        }
        try c.tags()
    }

    public struct DescribeConfigsResource: WireStruct {
        /// 2 topic, 4 broker, 8 broker logger.
        public var resourceType: Int8 = 0
        public var resourceName = ""
        /// Null for all.
        public var configurationKeys: [String]? = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int8(&resourceType)
            try c.string(&resourceName)
            try c.nullableArray(&configurationKeys)
            try c.tags()
        }
    }
}

public struct DescribeConfigsResponse: WireMessage {
    public static var key: APIKey { .describeConfigs }
    public static var firstFlexible: Int16 { 4 }

    public var throttleTimeMs: Int32 = 0
    public var results: [DescribeConfigsResult] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int32(&throttleTimeMs)
        try c.array(&results)
        try c.tags()
    }

    public struct DescribeConfigsResult: WireStruct {
        public var errorCode: Int16 = 0
        public var errorMessage: String? = ""
        public var resourceType: Int8 = 0
        public var resourceName = ""
        public var configs: [DescribeConfigsResourceResult] = []

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int16(&errorCode)
            try c.nullableString(&errorMessage)
            try c.int8(&resourceType)
            try c.string(&resourceName)
            try c.array(&configs)
            try c.tags()
        }
    }

    public struct DescribeConfigsResourceResult: WireStruct {
        public var name = ""
        /// Null for a sensitive value.
        public var value: String? = ""
        public var readOnly = false
        /// Where the value is from: 1 topic, 2 dynamic broker, 3 dynamic default broker, 4 static broker, 5 default, 6
        /// dynamic broker logger.
        public var configSource: Int8 = -1
        /// Version 0.
        public var isDefault = false
        public var isSensitive = false
        public var synonyms: [DescribeConfigsSynonym] = []
        /// 0 unknown, 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password.
        public var configType: Int8 = 0
        public var documentation: String? = ""

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.nullableString(&value)
            try c.bool(&readOnly)
            if c.version >= 1 { try c.int8(&configSource) } else { try c.bool(&isDefault) }
            try c.bool(&isSensitive)
            if c.version >= 1 { try c.array(&synonyms) }
            if c.version >= 3 {
                try c.int8(&configType)
                try c.nullableString(&documentation)
            }
            try c.tags()
        }
    }

    public struct DescribeConfigsSynonym: WireStruct {
        public var name = ""
        public var value: String? = ""
        public var source: Int8 = 0

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.nullableString(&value)
            try c.int8(&source)
            try c.tags()
        }
    }
}
