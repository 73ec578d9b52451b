public import NIOCore

/// DescribeGroups (key 15), versions 0–6: state and members of groups.
///
/// v1 adds the throttle time, v3 authorised operations, v4 group instance ids, v5 is flexible, v6 adds an error message
/// and answers 69 for groups that do not exist (KIP-1043).
public struct DescribeGroupsRequest: WireRequest {
    public typealias Response = DescribeGroupsResponse
    public static var key: APIKey { .describeGroups }
    public static var firstFlexible: Int16 { 5 }

    public var groups: [String] = []
    public var includeAuthorizedOperations = false

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.array(&groups)
        if c.version >= 3 {
            try c.bool(&includeAuthorizedOperations)
        } else {
            try c.requireUnset(!includeAuthorizedOperations, "IncludeAuthorizedOperations")
        }
        try c.tags()
    }
}

public struct DescribeGroupsResponse: WireMessage {
    public static var key: APIKey { .describeGroups }
    public static var firstFlexible: Int16 { 5 }

    public var throttleTimeMs: Int32 = 0
    public var groups: [DescribedGroup] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 1 { try c.int32(&throttleTimeMs) }
        try c.array(&groups)
        try c.tags()
    }

    public struct DescribedGroup: WireStruct {
        public var errorCode: Int16 = 0
        public var errorMessage: String?
        public var groupID = ""
        /// `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Stable` or `Dead`.
        public var groupState = ""
        public var protocolType = ""
        /// The chosen assignment strategy.
        public var protocolData = ""
        public var members: [DescribedGroupMember] = []
        /// The smallest value stands for "not asked".
        public var authorizedOperations: Int32 = .min

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.int16(&errorCode)
            if c.version >= 6 { try c.nullableString(&errorMessage) }
            try c.string(&groupID)
            try c.string(&groupState)
            try c.string(&protocolType)
            try c.string(&protocolData)
            try c.array(&members)
            if c.version >= 3 { try c.int32(&authorizedOperations) }
            try c.tags()
        }
    }

    public struct DescribedGroupMember: WireStruct {
        public var memberID = ""
        public var groupInstanceID: String?
        public var clientID = ""
        public var clientHost = ""
        public var memberMetadata = ByteBuffer()
        public var memberAssignment = ByteBuffer()

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&memberID)
            if c.version >= 4 { try c.nullableString(&groupInstanceID) }
            try c.string(&clientID)
            try c.string(&clientHost)
            try c.bytes(&memberMetadata)
            try c.bytes(&memberAssignment)
            try c.tags()
        }
    }
}
