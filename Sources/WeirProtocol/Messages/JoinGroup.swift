public import NIOCore

/// JoinGroup (key 11), versions 0–9: a member enters a group's next generation.
///
/// v1 adds the rebalance timeout, v2 the throttle time, v4 wants a member id (79), v5 adds the group instance id
/// (KIP-345), v6 is flexible, v7 adds the protocol type to the answer, v8 a reason (KIP-800), v9 lets the leader skip
/// the assignment (KIP-814).
public struct JoinGroupRequest: WireRequest {
    public typealias Response = JoinGroupResponse
    public static var key: APIKey { .joinGroup }
    public static var firstFlexible: Int16 { 6 }

    public var groupID = ""
    public var sessionTimeoutMs: Int32 = 0
    /// -1, and v0, mean the session timeout.
    public var rebalanceTimeoutMs: Int32 = -1
    public var memberID = ""
    public var groupInstanceID: String?
    /// `consumer` for consumers, `connect` for Kafka Connect's workers.
    public var protocolType = ""
    /// The member's assignment strategies, best first.
    public var protocols: [JoinGroupRequestProtocol] = []
    public var reason: String?

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.string(&groupID)
        try c.int32(&sessionTimeoutMs)
        if c.version >= 1 { try c.int32(&rebalanceTimeoutMs) }
        try c.string(&memberID)
        if c.version >= 5 {
            try c.nullableString(&groupInstanceID)
        } else {
            try c.requireUnset(groupInstanceID == nil, "GroupInstanceId")
        }
        try c.string(&protocolType)
        try c.array(&protocols)
        if c.version >= 8 { try c.nullableString(&reason) }
        try c.tags()
    }

    public struct JoinGroupRequestProtocol: WireStruct {
        public var name = ""
        public var metadata = ByteBuffer()

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&name)
            try c.bytes(&metadata)
            try c.tags()
        }
    }
}

public struct JoinGroupResponse: WireMessage {
    public static var key: APIKey { .joinGroup }
    public static var firstFlexible: Int16 { 6 }

    public var throttleTimeMs: Int32 = 0
    public var errorCode: Int16 = 0
    public var generationID: Int32 = -1
    public var protocolType: String?
    /// The chosen strategy. Null stands for none; below v7, which has no null here, that is written as empty text.
    public var protocolName: String? = ""
    public var leader = ""
    public var skipAssignment = false
    public var memberID = ""
    /// The members, for the leader only.
    public var members: [JoinGroupResponseMember] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 2 { try c.int32(&throttleTimeMs) }
        try c.int16(&errorCode)
        try c.int32(&generationID)
        if c.version >= 7 {
            try c.nullableString(&protocolType)
            try c.nullableString(&protocolName)
        } else {
            var name = protocolName ?? ""
            try c.string(&name)
            if C.isReader { protocolName = name }
        }
        try c.string(&leader)
        if c.version >= 9 {
            try c.bool(&skipAssignment)
        } else {
            try c.requireUnset(!skipAssignment, "SkipAssignment")
        }
        try c.string(&memberID)
        try c.array(&members)
        try c.tags()
    }

    public struct JoinGroupResponseMember: WireStruct {
        public var memberID = ""
        public var groupInstanceID: String?
        public var metadata = ByteBuffer()

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&memberID)
            if c.version >= 5 { try c.nullableString(&groupInstanceID) }
            try c.bytes(&metadata)
            try c.tags()
        }
    }
}
