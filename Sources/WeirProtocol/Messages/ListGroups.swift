/// ListGroups (key 16), versions 0–5: the groups that a broker coordinates.
///
/// v1 adds the throttle time, v3 is flexible, v4 adds states and a filter by them (KIP-518), v5 types likewise (KIP-848).
public struct ListGroupsRequest: WireRequest {
    public typealias Response = ListGroupsResponse
    public static var key: APIKey { .listGroups }
    public static var firstFlexible: Int16 { 3 }

    /// Empty for all states.
    public var statesFilter: [String] = []
    /// Empty for all types.
    public var typesFilter: [String] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 4 {
            try c.array(&statesFilter)
        } else {
            try c.requireUnset(statesFilter.isEmpty, "StatesFilter")
        }
        if c.version >= 5 {
            try c.array(&typesFilter)
        } else {
            try c.requireUnset(typesFilter.isEmpty, "TypesFilter")
        }
        try c.tags()
    }
}

public struct ListGroupsResponse: WireMessage {
    public static var key: APIKey { .listGroups }
    public static var firstFlexible: Int16 { 3 }

    public var throttleTimeMs: Int32 = 0
    public var errorCode: Int16 = 0
    public var groups: [ListedGroup] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        if c.version >= 1 { try c.int32(&throttleTimeMs) }
        try c.int16(&errorCode)
        try c.array(&groups)
        try c.tags()
    }

    public struct ListedGroup: WireStruct {
        public var groupID = ""
        public var protocolType = ""
        public var groupState = ""
        /// `classic` or `consumer`.
        public var groupType = ""

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&groupID)
            try c.string(&protocolType)
            if c.version >= 4 { try c.string(&groupState) }
            if c.version >= 5 { try c.string(&groupType) }
            try c.tags()
        }
    }
}
