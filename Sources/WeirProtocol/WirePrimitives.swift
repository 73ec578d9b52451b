public import WeirModel

// The primitive types as array elements.

extension Bool: WireStruct {
    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) { try c.bool(&self) }
}

extension Int8: WireStruct {
    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) { try c.int8(&self) }
}

extension Int16: WireStruct {
    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) { try c.int16(&self) }
}

extension Int32: WireStruct {
    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) { try c.int32(&self) }
}

extension Int64: WireStruct {
    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) { try c.int64(&self) }
}

extension String: WireStruct {
    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) { try c.string(&self) }
}

extension UniqueID: WireStruct {
    public init() { self = .zero }
    public mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) { try c.uuid(&self) }
}
