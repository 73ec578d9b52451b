/// ApiVersions (key 18), versions 0–4: which APIs and versions the broker speaks.
///
/// v1 adds the throttle time, v3 is flexible and adds the client's software and the cluster's features (KIP-511,
/// KIP-584), v4 may list supported features whose minimum is 0. The response always has header v0.
public struct ApiVersionsRequest: WireRequest {
    public typealias Response = ApiVersionsResponse
    public static var key: APIKey { .apiVersions }
    public static var firstFlexible: Int16 { 3 }

    public var clientSoftwareName = ""
    public var clientSoftwareVersion = ""

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 3 {
            try c.string(&clientSoftwareName)
            try c.string(&clientSoftwareVersion)
        }
        try c.tags()
    }
}

public struct ApiVersionsResponse: WireMessage {
    public static var key: APIKey { .apiVersions }
    public static var firstFlexible: Int16 { 3 }

    public var errorCode: Int16 = 0
    public var apiKeys: [ApiVersion] = []
    public var throttleTimeMs: Int32 = 0
    public var supportedFeatures: [SupportedFeatureKey] = []
    /// -1 when there are no finalised features.
    public var finalizedFeaturesEpoch: Int64 = -1
    public var finalizedFeatures: [FinalizedFeatureKey] = []
    public var zkMigrationReady = false

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int16(&errorCode)
        try c.array(&apiKeys)
        if c.version >= 1 { try c.int32(&throttleTimeMs) }
        try c.tags { (c) throws(WireError) in
            try c.taggedArray(0, &supportedFeatures)
            try c.tagged(1, &finalizedFeaturesEpoch, default: -1)
            try c.taggedArray(2, &finalizedFeatures)
            try c.tagged(3, &zkMigrationReady, default: false)
        }
    }

    public struct ApiVersion: WireStruct {
        public var apiKey: Int16 = 0
        public var minVersion: Int16 = 0
        public var maxVersion: Int16 = 0

        public init() {}
        public init(apiKey: Int16, minVersion: Int16, maxVersion: Int16) {
            self.apiKey = apiKey
            self.minVersion = minVersion
            self.maxVersion = maxVersion
        }

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int16(&apiKey)
            try c.int16(&minVersion)
            try c.int16(&maxVersion)
            try c.tags()
        }
    }

    public struct SupportedFeatureKey: WireStruct {
        public var name = ""
        public var minVersion: Int16 = 0
        public var maxVersion: Int16 = 0

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.int16(&minVersion)
            try c.int16(&maxVersion)
            try c.tags()
        }
    }

    public struct FinalizedFeatureKey: WireStruct {
        public var name = ""
        public var maxVersionLevel: Int16 = 0
        public var minVersionLevel: Int16 = 0

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.int16(&maxVersionLevel)
            try c.int16(&minVersionLevel)
            try c.tags()
        }
    }
}
