/// FindCoordinator (key 10), versions 0–6: which broker coordinates a group or a transactional id.
///
/// v1 adds the key type and the throttle time, v3 is flexible, v4 asks for several keys at once (KIP-699), v6 knows share
/// groups.
public struct FindCoordinatorRequest: WireRequest {
    public typealias Response = FindCoordinatorResponse
    public static var key: APIKey { .findCoordinator }
    public static var firstFlexible: Int16 { 3 }

    /// Versions 0–3.
    public var key = ""
    /// 0 group, 1 transaction, 2 share group.
    public var keyType: Int8 = 0
    /// Versions 4+.
    public var coordinatorKeys: [String] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version <= 3 {
            try c.string(&key)
            try c.requireUnset(coordinatorKeys.isEmpty, "CoordinatorKeys")
        }
        if c.version >= 1 {
            try c.int8(&keyType)
        } else {
            try c.requireUnset(keyType == 0, "KeyType")
        }
        if c.version >= 4 { try c.array(&coordinatorKeys) }
        try c.tags()
    }
}

public struct FindCoordinatorResponse: WireMessage {
    public static var key: APIKey { .findCoordinator }
    public static var firstFlexible: Int16 { 3 }

    public var throttleTimeMs: Int32 = 0
    /// Versions 0–3, as the next four.
    public var errorCode: Int16 = 0
    public var errorMessage: String? = ""
    public var nodeID: Int32 = 0
    public var host = ""
    public var port: Int32 = 0
    /// Versions 4+.
    public var coordinators: [Coordinator] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 1 { try c.int32(&throttleTimeMs) }
        if c.version <= 3 {
            try c.int16(&errorCode)
            if c.version >= 1 { try c.nullableString(&errorMessage) }
            try c.int32(&nodeID)
            try c.string(&host)
            try c.int32(&port)
        } else {
            try c.array(&coordinators)
        }
        try c.tags()
    }

    public struct Coordinator: WireStruct {
        public var key = ""
        public var nodeID: Int32 = 0
        public var host = ""
        public var port: Int32 = 0
        public var errorCode: Int16 = 0
        public var errorMessage: String? = ""

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&key)
            try c.int32(&nodeID)
            try c.string(&host)
            try c.int32(&port)
            try c.int16(&errorCode)
            try c.nullableString(&errorMessage)
            try c.tags()
        }
    }
}
