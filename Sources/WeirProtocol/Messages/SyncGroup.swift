public import NIOCore

/// SyncGroup (key 14), versions 0–5: the leader hands out assignments, every member gets its own.
///
/// v1 adds the throttle time, v3 the group instance id, v4 is flexible, v5 adds the protocol type and name (KIP-559).
public struct SyncGroupRequest: WireRequest {
    public typealias Response = SyncGroupResponse
    public static var key: APIKey { .syncGroup }
    public static var firstFlexible: Int16 { 4 }

    public var groupID = ""
    public var generationID: Int32 = 0
    public var memberID = ""
    public var groupInstanceID: String?
    public var protocolType: String?
    public var protocolName: String?
    /// Every member's assignment, from the leader only.
    public var assignments: [SyncGroupRequestAssignment] = []

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
        if c.version >= 5 {
            try c.nullableString(&protocolType)
            try c.nullableString(&protocolName)
        }
        try c.array(&assignments)
        try c.tags()
    }

    public struct SyncGroupRequestAssignment: WireStruct {
        public var memberID = ""
        public var assignment = ByteBuffer()

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&memberID)
            try c.bytes(&assignment)
            try c.tags()
        }
    }
}

public struct SyncGroupResponse: WireMessage {
    public static var key: APIKey { .syncGroup }
    public static var firstFlexible: Int16 { 4 }

    public var throttleTimeMs: Int32 = 0
    public var errorCode: Int16 = 0
    public var protocolType: String?
    public var protocolName: String?
    public var assignment = ByteBuffer()

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 1 { try c.int32(&throttleTimeMs) }
        try c.int16(&errorCode)
        if c.version >= 5 {
            try c.nullableString(&protocolType)
            try c.nullableString(&protocolName)
        }
        if C.isReader {
            // librdkafka's mock cluster says null beside an error.
            var read: ByteBuffer?
            try c.nullableBytes(&read)
            assignment = read ?? ByteBuffer()
        } else {
            try c.bytes(&assignment)
        }
        try c.tags()
    }
}
