/// LeaveGroup (key 13), versions 0–5: members leave their group.
///
/// v1 adds the throttle time, v3 a list of members instead of one (KIP-345), v4 is flexible, v5 adds a reason (KIP-800).
public struct LeaveGroupRequest: WireRequest {
    public typealias Response = LeaveGroupResponse
    public static var key: APIKey { .leaveGroup }
    public static var firstFlexible: Int16 { 4 }

    public var groupID = ""
    /// Versions 0–2.
    public var memberID = ""
    /// Versions 3+.
    public var members: [MemberIdentity] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.string(&groupID)
        if c.version <= 2 {
            try c.string(&memberID)
            try c.requireUnset(members.isEmpty, "Members")
        } else {
            try c.array(&members)
        }
        try c.tags()
    }

    public struct MemberIdentity: WireStruct {
        public var memberID = ""
        public var groupInstanceID: String?
        public var reason: String?

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&memberID)
            try c.nullableString(&groupInstanceID)
            if c.version >= 5 { try c.nullableString(&reason) }
            try c.tags()
        }
    }
}

public struct LeaveGroupResponse: WireMessage {
    public static var key: APIKey { .leaveGroup }
    public static var firstFlexible: Int16 { 4 }

    public var throttleTimeMs: Int32 = 0
    public var errorCode: Int16 = 0
    /// Versions 3+.
    public var members: [MemberResponse] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 1 { try c.int32(&throttleTimeMs) }
        try c.int16(&errorCode)
        if c.version >= 3 { try c.array(&members) }
        try c.tags()
    }

    public struct MemberResponse: WireStruct {
        public var memberID = ""
        public var groupInstanceID: String? = ""
        public var errorCode: Int16 = 0

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&memberID)
            try c.nullableString(&groupInstanceID)
            try c.int16(&errorCode)
            try c.tags()
        }
    }
}
