/// Heartbeat (key 12), versions 0–4: a member tells its group coordinator that it lives.
///
/// v1 adds the throttle time, v3 the group instance id (KIP-345), v4 is flexible.
public struct HeartbeatRequest: WireRequest {
    public typealias Response = HeartbeatResponse
    public static var key: APIKey { .heartbeat }
    public static var firstFlexible: Int16 { 4 }

    public var groupID = ""
    public var generationID: Int32 = 0
    public var memberID = ""
    public var groupInstanceID: String?

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.string(&groupID)
        try c.int32(&generationID)
        try c.string(&memberID)
        if c.version >= 3 {
            try c.nullableString(&groupInstanceID)
        } else {
            try c.requireUnset(groupInstanceID == nil, "GroupInstanceId")
        }
        try c.tags()
    }
}

public struct HeartbeatResponse: WireMessage {
    public static var key: APIKey { .heartbeat }
    public static var firstFlexible: Int16 { 4 }

    public var throttleTimeMs: Int32 = 0
    public var errorCode: Int16 = 0

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 1 { try c.int32(&throttleTimeMs) }
        try c.int16(&errorCode)
        try c.tags()
    }
}
