import NIOCore
import WeirModel
import WeirProtocol

/// A coder that "reads" random values, so that the `code` methods themselves say which fields to fill in a version.
struct RandomFiller: WireCoder {
    let version: Int16
    let isFlexible: Bool
    static var isReader: Bool { true }

    var generator: SeededGenerator
    private var depth = 0

    init(version: Int16, flexible: Bool, generator: SeededGenerator) {
        self.version = version
        self.isFlexible = flexible
        self.generator = generator
    }

    private mutating func integer<T: FixedWidthInteger>() -> T {
        if generator.chance(0.3) { return generator.pick([0, 1, T.zero &- 1, T.min, T.max]) }
        return T.random(in: T.min...T.max, using: &generator)
    }

    mutating func bool(_ value: inout Bool) { value = generator.chance(0.5) }
    mutating func int8(_ value: inout Int8) { value = integer() }
    mutating func int16(_ value: inout Int16) { value = integer() }
    mutating func uint16(_ value: inout UInt16) { value = integer() }
    mutating func int32(_ value: inout Int32) { value = integer() }
    mutating func uint32(_ value: inout UInt32) { value = integer() }
    mutating func int64(_ value: inout Int64) { value = integer() }
    mutating func float64(_ value: inout Double) { value = Double.random(in: -1e9...1e9, using: &generator) }
    mutating func uuid(_ value: inout UniqueID) { value = UniqueID(high: integer(), low: integer()) }

    private mutating func size() -> Int {
        // Beyond 127 and 16,383 the length takes one byte more in flexible versions.
        generator.chance(0.995) ? generator.pick([0, 1, 5, 5, 12, 12, 130]) : 17_000
    }

    mutating func string(_ value: inout String) {
        let letters: [Character] = ["a", "b", "Z", "0", ".", "_", "-", "/", " ", "\0", "é", "ß", "漢", "😀"]
        value = ""
        let wanted = size()
        while value.utf8.count < wanted { value.append(generator.pick(letters)) }
    }

    mutating func nullableString(_ value: inout String?) {
        value = nil
        if generator.chance(0.25) { return }
        var text = ""
        string(&text)
        value = text
    }

    mutating func shortNullableString(_ value: inout String?) { nullableString(&value) }

    mutating func bytes(_ value: inout ByteBuffer) { value = ByteBuffer(bytes: generator.bytes(size())) }

    mutating func nullableBytes(_ value: inout ByteBuffer?) {
        value = generator.chance(0.25) ? nil : ByteBuffer(bytes: generator.bytes(size()))
    }

    mutating func records(_ value: inout RecordData) {
        value = generator.chance(0.25) ? .null : .bytes(ByteBuffer(bytes: generator.bytes(size())))
    }

    mutating func array<Element: WireStruct>(_ values: inout [Element]) throws(WireError) {
        values = []
        for _ in 0..<generator.pick([0, 1, 1, 2, 3]) {
            var element = Element()
            try element.code(&self)
            values.append(element)
        }
    }

    mutating func nullableArray<Element: WireStruct>(_ values: inout [Element]?) throws(WireError) {
        values = nil
        if generator.chance(0.25) { return }
        var present: [Element] = []
        try array(&present)
        values = present
    }

    mutating func nullableStruct<Value: WireStruct>(_ value: inout Value?) throws(WireError) {
        value = nil
        if generator.chance(0.25) { return }
        var present = Value()
        try present.code(&self)
        value = present
    }

    mutating func tags(_ fields: (inout RandomFiller) throws(WireError) -> Void) throws(WireError) {
        if isFlexible { try fields(&self) }
    }

    mutating func tagged<Value>(
        _ tag: UInt32, _ value: inout Value, isDefault: Bool,
        _ code: (inout RandomFiller, inout Value) throws(WireError) -> Void
    ) throws(WireError) {
        if generator.chance(0.5) { try code(&self, &value) }
    }
}
