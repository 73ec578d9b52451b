public import NIOCore
public import WeirModel

/// Measures a message, so that the writer can reserve once and write through a raw pointer.
public struct WireSizer: WireCoder {
    public let version: Int16
    public let isFlexible: Bool
    public static var isReader: Bool { false }

    /// Bytes that the writer puts into its buffer.
    public private(set) var inlineBytes = 0
    /// Bytes that are sent from where they lie.
    public private(set) var deferredBytes = 0
    /// How many of the innermost struct's tagged fields are present.
    private var presentTags: UInt32 = 0

    public init(version: Int16, flexible: Bool) {
        self.version = version
        self.isFlexible = flexible
    }

    public mutating func bool(_ value: inout Bool) { inlineBytes += 1 }
    public mutating func int8(_ value: inout Int8) { inlineBytes += 1 }
    public mutating func int16(_ value: inout Int16) { inlineBytes += 2 }
    public mutating func uint16(_ value: inout UInt16) { inlineBytes += 2 }
    public mutating func int32(_ value: inout Int32) { inlineBytes += 4 }
    public mutating func uint32(_ value: inout UInt32) { inlineBytes += 4 }
    public mutating func int64(_ value: inout Int64) { inlineBytes += 8 }
    public mutating func float64(_ value: inout Double) { inlineBytes += 8 }
    public mutating func uuid(_ value: inout UniqueID) { inlineBytes += 16 }

    public mutating func string(_ value: inout String) throws(WireError) {
        try length(value.utf8.count, isShort: true)
        inlineBytes += value.utf8.count
    }

    public mutating func nullableString(_ value: inout String?) throws(WireError) {
        try length(value?.utf8.count, isShort: true)
        inlineBytes += value?.utf8.count ?? 0
    }

    public mutating func shortNullableString(_ value: inout String?) throws(WireError) {
        let count = value?.utf8.count ?? 0
        guard count <= Int(Int16.max) else { throw .invalid("a string of \(count) bytes does not fit the protocol") }
        inlineBytes += 2 + count
    }

    public mutating func bytes(_ value: inout ByteBuffer) throws(WireError) {
        try length(value.readableBytes)
        inlineBytes += value.readableBytes
    }

    public mutating func nullableBytes(_ value: inout ByteBuffer?) throws(WireError) {
        try length(value?.readableBytes)
        inlineBytes += value?.readableBytes ?? 0
    }

    public mutating func records(_ value: inout RecordData) throws(WireError) {
        switch value {
        case .null: try length(nil)
        case .bytes(let buffer):
            try length(buffer.readableBytes)
            inlineBytes += buffer.readableBytes
        case .deferred(let bytes):
            try length(bytes.count)
            deferredBytes += bytes.count
        }
    }

    public mutating func array<Element: WireStruct>(_ values: inout [Element]) throws(WireError) {
        try length(values.count)
        // A copy of each element: going through the array's own would copy all of it first, since the caller still has it.
        for element in values {
            var element = element
            try element.code(&self)
        }
    }

    public mutating func nullableArray<Element: WireStruct>(_ values: inout [Element]?) throws(WireError) {
        guard var present = values else { return try length(nil) }
        try array(&present)
    }

    public mutating func nullableStruct<Value: WireStruct>(_ value: inout Value?) throws(WireError) {
        inlineBytes += 1
        guard var present = value else { return }
        try present.code(&self)
    }

    public mutating func tags(_ fields: (inout WireSizer) throws(WireError) -> Void) throws(WireError) {
        guard isFlexible else { return }
        let outer = presentTags
        presentTags = 0
        try fields(&self)
        inlineBytes += Varint.size(presentTags)
        presentTags = outer
    }

    public mutating func tagged<Value>(
        _ tag: UInt32, _ value: inout Value, isDefault: Bool,
        _ code: (inout WireSizer, inout Value) throws(WireError) -> Void
    ) throws(WireError) {
        guard !isDefault else { return }
        presentTags += 1
        let before = inlineBytes
        try code(&self, &value)
        inlineBytes += Varint.size(tag) + Varint.size(UInt32(clamping: inlineBytes - before))
    }

    private mutating func length(_ length: Int?, isShort: Bool = false) throws(WireError) {
        let count = length ?? 0
        guard count <= (isShort ? Int(Int16.max) : Int(Int32.max) - 1) else {
            throw .invalid("a value of \(count) bytes or elements does not fit the protocol")
        }
        inlineBytes += isFlexible ? Varint.size(UInt32(clamping: length.map { $0 + 1 } ?? 0)) : isShort ? 2 : 4
    }
}

/// Unsigned varints: seven bits a byte, lowest first.
enum Varint {
    static func size(_ value: UInt32) -> Int {
        value < 1 << 7 ? 1 : value < 1 << 14 ? 2 : value < 1 << 21 ? 3 : value < 1 << 28 ? 4 : 5
    }
}
