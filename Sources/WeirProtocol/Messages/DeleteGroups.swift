/// DeleteGroups (key 42), versions 0–2: deletes groups without members, with their offsets. v2 is flexible.
public struct DeleteGroupsRequest: WireRequest {
    public typealias Response = DeleteGroupsResponse
    public static var key: APIKey { .deleteGroups }
    public static var firstFlexible: Int16 { 2 }

    public var groupsNames: [String] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.array(&groupsNames)
        try c.tags()
    }
}

public struct DeleteGroupsResponse: WireMessage {
    public static var key: APIKey { .deleteGroups }
    public static var firstFlexible: Int16 { 2 }

    public var throttleTimeMs: Int32 = 0
    public var results: [DeletableGroupResult] = []

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int32(&throttleTimeMs)
        try c.array(&results)
        try c.tags()
    }

    public struct DeletableGroupResult: WireStruct {
        public var groupID = ""
        public var errorCode: Int16 = 0

        public init() {}

        public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.string(&groupID)
            try c.int16(&errorCode)
            try c.tags()
        }
    }
}
