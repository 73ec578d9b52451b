/// DescribeCluster (key 60), versions 0–2: the cluster's id, controller and brokers (KIP-700).
///
/// v1 asks for brokers or controllers (KIP-919), v2 for fenced brokers too. Flexible from the start.
public struct DescribeClusterRequest: WireRequest {
    public typealias Response = DescribeClusterResponse
    public static var key: APIKey { .describeCluster }
    public static var firstFlexible: Int16 { 0 }

    public var includeClusterAuthorizedOperations = false
    /// 1 brokers, 2 controllers.
    public var endpointType: Int8 = 1
    public var includeFencedBrokers = false

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.bool(&includeClusterAuthorizedOperations)
        if c.version >= 1 {
            try c.int8(&endpointType)
        } else {
            try c.requireUnset(endpointType == 1, "EndpointType")
        }
        if c.version >= 2 {
            try c.bool(&includeFencedBrokers)
        } else {
            try c.requireUnset(!includeFencedBrokers, "IncludeFencedBrokers")
        }
        try c.tags()
    }
}

public struct DescribeClusterResponse: WireMessage {
    public static var key: APIKey { .describeCluster }
    public static var firstFlexible: Int16 { 0 }

    public var throttleTimeMs: Int32 = 0
    public var errorCode: Int16 = 0
    public var errorMessage: String?
    public var endpointType: Int8 = 1
    public var clusterID = ""
    public var controllerID: Int32 = -1
    public var brokers: [DescribeClusterBroker] = []
    /// The smallest value stands for "not asked".
    public var clusterAuthorizedOperations: Int32 = .min

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int32(&throttleTimeMs)
        try c.int16(&errorCode)
        try c.nullableString(&errorMessage)
        if c.version >= 1 { try c.int8(&endpointType) }
        try c.string(&clusterID)
        try c.int32(&controllerID)
        try c.array(&brokers)
        try c.int32(&clusterAuthorizedOperations)
        try c.tags()
    }

    public struct DescribeClusterBroker: WireStruct {
        public var brokerID: Int32 = 0
        public var host = ""
        public var port: Int32 = 0
        public var rack: String?
        public var isFenced = false

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int32(&brokerID)
            try c.string(&host)
            try c.int32(&port)
            try c.nullableString(&rack)
            if c.version >= 2 { try c.bool(&isFenced) }
            try c.tags()
        }
    }
}
