/// InitProducerId (key 22), versions 0–6: an id and epoch for an idempotent or transactional producer (KIP-98).
///
/// v2 is flexible, v3 lets a producer name the id and epoch it has (KIP-360), v5 knows transactions v2 (KIP-890), v6
/// two-phase commit (KIP-939).
public struct InitProducerIDRequest: WireRequest {
    public typealias Response = InitProducerIDResponse
    public static var key: APIKey { .initProducerID }
    public static var firstFlexible: Int16 { 2 }

    /// Null for a producer that is only idempotent.
    public var transactionalID: String? = ""
    public var transactionTimeoutMs: Int32 = 0
    public var producerID: Int64 = -1
    public var producerEpoch: Int16 = -1
    public var enable2Pc = false
    public var keepPreparedTxn = false

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.nullableString(&transactionalID)
        try c.int32(&transactionTimeoutMs)
        if c.version >= 3 {
            try c.int64(&producerID)
            try c.int16(&producerEpoch)
        }
        if c.version >= 6 {
            try c.bool(&enable2Pc)
            try c.bool(&keepPreparedTxn)
        } else {
            try c.requireUnset(!enable2Pc && !keepPreparedTxn, "Enable2Pc")
        }
        try c.tags()
    }
}

public struct InitProducerIDResponse: WireMessage {
    public static var key: APIKey { .initProducerID }
    public static var firstFlexible: Int16 { 2 }

    public var throttleTimeMs: Int32 = 0
    public var errorCode: Int16 = 0
    public var producerID: Int64 = -1
    public var producerEpoch: Int16 = 0
    public var ongoingTxnProducerID: Int64 = -1
    public var ongoingTxnProducerEpoch: Int16 = -1

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int32(&throttleTimeMs)
        try c.int16(&errorCode)
        try c.int64(&producerID)
        try c.int16(&producerEpoch)
        if c.version >= 6 {
            try c.int64(&ongoingTxnProducerID)
            try c.int16(&ongoingTxnProducerEpoch)
        }
        try c.tags()
    }
}
