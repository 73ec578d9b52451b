/// What stands before every request body.
///
/// Wire format: api key int16, api version int16, correlation id int32, client id nullable string with an int16 length
/// **in every version**, then tagged fields when the request's version is flexible (header v2).
public struct RequestHeader: WireStruct {
    public var apiKey: Int16 = 0
    public var apiVersion: Int16 = 0
    public var correlationID: Int32 = 0
    public var clientID: String?

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int16(&apiKey)
        try c.int16(&apiVersion)
        try c.int32(&correlationID)
        try c.shortNullableString(&clientID)
        try c.tags()
    }
}

/// What stands before every response body: the request's correlation id, then tagged fields in header v1.
///
/// Header v1 belongs to flexible versions, except for ApiVersions, whose responses always have v0 so that a client can
/// read an answer to a version the broker does not know (KIP-511).
public struct ResponseHeader: WireStruct {
    public var correlationID: Int32 = 0

    public init() {}
    public init(correlationID: Int32) { self.correlationID = correlationID }

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int32(&correlationID)
        try c.tags()
    }
}
