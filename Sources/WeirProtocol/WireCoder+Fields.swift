// Field shapes that several messages share, on top of the primitives of `WireCoder`.

extension WireCoder {
    /// A string that some versions may say null for and others not: null in one of the latter is an error, both ways.
    @inlinable
    public mutating func nullableString(_ value: inout String?, isNullable: Bool) throws(WireError) {
        if isNullable { return try nullableString(&value) }
        if !Self.isReader && value == nil { throw .nullNotAllowed }
        var present = value ?? ""
        try string(&present)
        if Self.isReader { value = present }
    }

    /// An array that some versions may say null for and others not: null in one of the latter is an error, both ways.
    @inlinable
    public mutating func nullableArray<Element: WireStruct>(
        _ values: inout [Element]?, isNullable: Bool
    ) throws(WireError) {
        if isNullable { return try nullableArray(&values) }
        if !Self.isReader && values == nil { throw .nullNotAllowed }
        var present = values ?? []
        try array(&present)
        if Self.isReader { values = present }
    }

    /// A tagged field that is left out when it has its default value.
    @inlinable
    public mutating func tagged<Value: WireStruct & Equatable>(
        _ tag: UInt32, _ value: inout Value, default defaultValue: Value
    ) throws(WireError) {
        try tagged(tag, &value, isDefault: value == defaultValue) { (coder, field) throws(WireError) in
            try field.code(&coder)
        }
    }

    /// A tagged array that is left out when it is empty.
    @inlinable
    public mutating func taggedArray<Element: WireStruct>(
        _ tag: UInt32, _ values: inout [Element]
    ) throws(WireError) {
        try tagged(tag, &values, isDefault: values.isEmpty) { (coder, field) throws(WireError) in
            try coder.array(&field)
        }
    }

    /// Refuses to write what the version has no field for and a reader must not miss. Kafka calls such fields not
    /// ignorable; ignorable ones are simply left out. Reading is not concerned.
    ///
    /// - Parameter isUnset: whether the field has the value that a version without it implies.
    @inlinable
    public func requireUnset(_ isUnset: Bool, _ field: StaticString) throws(WireError) {
        if Self.isReader || isUnset { return }
        throw .invalid("version \(version) has no field \(field)")
    }
}

/// Where a broker listens, as Produce v10+ and Fetch v16+ name it to a client that asked the wrong broker (KIP-951).
public struct NodeEndpoint: WireStruct {
    public var nodeID: Int32 = 0
    public var host = ""
    public var port: Int32 = 0
    public var rack: String?

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int32(&nodeID)
        try c.string(&host)
        try c.int32(&port)
        try c.nullableString(&rack)
        try c.tags()
    }
}

/// A partition's leader and its epoch, as Produce v10+ and Fetch v12+ tell it to a client that knows an older one
/// (KIP-951). -1 stands for unknown, and a value with both unknown is not written.
public struct LeaderIDAndEpoch: WireStruct, Equatable {
    public var leaderID: Int32 = -1
    public var leaderEpoch: Int32 = -1

    public init() {}

    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.int32(&leaderID)
        try c.int32(&leaderEpoch)
        try c.tags()
    }
}
