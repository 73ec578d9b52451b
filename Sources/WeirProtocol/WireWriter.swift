public import NIOCore
public import WeirModel

/// Writes a message through a raw pointer into a buffer that `WireSizer` measured.
public struct WireWriter: WireCoder {
    public let version: Int16
    public let isFlexible: Bool
    public static var isReader: Bool { false }

    private let base: UnsafeMutableRawBufferPointer
    private var position: Int
    /// Where deferred bytes stand between the written ones.
    private var deferred: [(position: Int, bytes: any DeferredBytes)] = []
    private var presentTags: UInt32 = 0

    private init(base: UnsafeMutableRawBufferPointer, version: Int16, flexible: Bool) {
        self.base = base
        self.position = 0
        self.version = version
        self.isFlexible = flexible
    }

    /// Encodes header (when given) and body as one frame with Kafka's 4-byte length in front.
    public static func frame<Header: WireStruct, Body: WireMessage>(
        header: Header, flexibleHeader: Bool, body: Body, version: Int16
    ) throws(WireError) -> OutboundBytes {
        var (header, body) = (header, body)
        var headerSize = WireSizer(version: version, flexible: flexibleHeader)
        try header.codeSizing(&headerSize)
        var bodySize = WireSizer(version: version, flexible: Body.isFlexible(version))
        try body.codeSizing(&bodySize)
        let inline = headerSize.inlineBytes + bodySize.inlineBytes
        guard let length = Int32(exactly: inline + bodySize.deferredBytes) else {
            throw .invalid("a frame of \(inline + bodySize.deferredBytes) bytes does not fit the protocol")
        }
        return try build(capacity: 4 + inline) { (base) throws(WireError) in
            base.storeBytes(of: length.bigEndian, as: Int32.self)
            var headerWriter = WireWriter(base: base, version: version, flexible: flexibleHeader)
            headerWriter.position = 4
            try header.codeWriting(&headerWriter)
            var writer = WireWriter(base: base, version: version, flexible: Body.isFlexible(version))
            writer.position = headerWriter.position
            try body.codeWriting(&writer)
            return writer
        }
    }

    /// Encodes one value by itself, without a length in front.
    public static func write<Value: WireStruct>(
        _ value: Value, version: Int16, flexible: Bool
    ) throws(WireError) -> OutboundBytes {
        var value = value
        var size = WireSizer(version: version, flexible: flexible)
        try value.codeSizing(&size)
        return try build(capacity: size.inlineBytes) { (base) throws(WireError) in
            var writer = WireWriter(base: base, version: version, flexible: flexible)
            try value.codeWriting(&writer)
            return writer
        }
    }

    /// Encodes one value that holds no deferred bytes into a single buffer, without a length in front.
    public static func bytes<Value: WireStruct>(
        _ value: Value, version: Int16, flexible: Bool
    ) throws(WireError) -> ByteBuffer {
        let parts = try write(value, version: version, flexible: flexible).parts
        if parts.count == 1, case .bytes(let buffer) = parts[0] { return buffer }
        throw .invalid("deferred bytes in a value that must be in memory")
    }

    private static func build(
        capacity: Int, _ body: (UnsafeMutableRawBufferPointer) throws(WireError) -> WireWriter
    ) throws(WireError) -> OutboundBytes {
        var buffer = ByteBufferAllocator().buffer(capacity: capacity)
        var outcome: Result<[(position: Int, bytes: any DeferredBytes)], WireError> = .success([])
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: capacity) { raw in
            do throws(WireError) {
                let writer = try body(UnsafeMutableRawBufferPointer(rebasing: raw[0..<capacity]))
                precondition(writer.position == capacity, "the sizer and the writer disagree")
                outcome = .success(writer.deferred)
                return capacity
            } catch {
                outcome = .failure(error)
                return 0
            }
        }
        let deferred = try outcome.get()
        if deferred.isEmpty { return OutboundBytes(buffer) }
        return cut(buffer, at: deferred)
    }

    /// The buffer's stretches with the deferred bytes that stand between them.
    private static func cut(
        _ buffer: ByteBuffer, at deferred: [(position: Int, bytes: any DeferredBytes)]
    ) -> OutboundBytes {
        var rest = buffer
        var written = 0
        var first: OutboundBytes.Part?
        var parts: [OutboundBytes.Part] = []
        parts.reserveCapacity(deferred.count * 2)
        for stretch in deferred {
            if let slice = rest.readSlice(length: stretch.position - written), slice.readableBytes > 0 {
                if first == nil { first = .bytes(slice) } else { parts.append(.bytes(slice)) }
            }
            if first == nil { first = .deferred(stretch.bytes) } else { parts.append(.deferred(stretch.bytes)) }
            written = stretch.position
        }
        if rest.readableBytes > 0 { parts.append(.bytes(rest)) }
        return OutboundBytes(first: first, rest: parts)
    }

    // MARK: Values

    @inline(__always)
    private mutating func put<T: FixedWidthInteger>(_ value: T) {
        // The sizer reserved; `base` checks its bounds in debug and the slice arithmetic below in release.
        precondition(position + MemoryLayout<T>.size <= base.count, "the sizer and the writer disagree")
        base.storeBytes(of: value.bigEndian, toByteOffset: position, as: T.self)
        position += MemoryLayout<T>.size
    }

    public mutating func bool(_ value: inout Bool) { put(value ? 1 as Int8 : 0) }
    public mutating func int8(_ value: inout Int8) { put(value) }
    public mutating func int16(_ value: inout Int16) { put(value) }
    public mutating func uint16(_ value: inout UInt16) { put(value) }
    public mutating func int32(_ value: inout Int32) { put(value) }
    public mutating func uint32(_ value: inout UInt32) { put(value) }
    public mutating func int64(_ value: inout Int64) { put(value) }
    public mutating func float64(_ value: inout Double) { put(value.bitPattern) }
    public mutating func uuid(_ value: inout UniqueID) {
        put(value.high)
        put(value.low)
    }

    private mutating func varint(_ value: UInt32) {
        var rest = value
        while rest >= 0x80 {
            put(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        put(UInt8(truncatingIfNeeded: rest))
    }

    /// The sizer has checked that the length fits.
    private mutating func length(_ length: Int?, isShort: Bool = false) {
        if isFlexible {
            varint(UInt32(clamping: length.map { $0 + 1 } ?? 0))
        } else if isShort {
            put(Int16(clamping: length ?? -1))
        } else {
            put(Int32(clamping: length ?? -1))
        }
    }

    private mutating func copy(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return }
        precondition(position + bytes.count <= base.count, "the sizer and the writer disagree")
        UnsafeMutableRawBufferPointer(rebasing: base[position..<position + bytes.count]).copyMemory(from: bytes)
        position += bytes.count
    }

    public mutating func string(_ value: inout String) {
        length(value.utf8.count, isShort: true)
        value.withUTF8 { copy(UnsafeRawBufferPointer($0)) }
    }

    public mutating func nullableString(_ value: inout String?) {
        guard var text = value else { return length(nil, isShort: true) }
        string(&text)
    }

    public mutating func shortNullableString(_ value: inout String?) {
        guard var text = value else { return put(-1 as Int16) }
        put(Int16(clamping: text.utf8.count))
        text.withUTF8 { copy(UnsafeRawBufferPointer($0)) }
    }

    public mutating func bytes(_ value: inout ByteBuffer) {
        length(value.readableBytes)
        value.withUnsafeReadableBytes { copy($0) }
    }

    public mutating func nullableBytes(_ value: inout ByteBuffer?) {
        guard var present = value else { return length(nil) }
        bytes(&present)
    }

    public mutating func records(_ value: inout RecordData) {
        switch value {
        case .null: length(nil)
        case .bytes(var buffer): bytes(&buffer)
        case .deferred(let bytes):
            length(bytes.count)
            if bytes.count > 0 { deferred.append((position, bytes)) }
        }
    }

    public mutating func array<Element: WireStruct>(_ values: inout [Element]) throws(WireError) {
        length(values.count)
        // A copy of each element: going through the array's own would copy all of it first, since the caller still has it.
        for element in values {
            var element = element
            try element.code(&self)
        }
    }

    public mutating func nullableArray<Element: WireStruct>(_ values: inout [Element]?) throws(WireError) {
        guard var present = values else { return length(nil) }
        try array(&present)
    }

    public mutating func nullableStruct<Value: WireStruct>(_ value: inout Value?) throws(WireError) {
        put(value == nil ? -1 as Int8 : 1)
        guard var present = value else { return }
        try present.code(&self)
    }

    // MARK: Tagged fields

    public mutating func tags(_ fields: (inout WireWriter) throws(WireError) -> Void) throws(WireError) {
        guard isFlexible else { return }
        // The count comes first and is known last: one byte is left for it, and no struct of Kafka's has 128 tags.
        let (outer, start) = (presentTags, position)
        presentTags = 0
        put(0 as UInt8)
        try fields(&self)
        precondition(presentTags < 0x80, "a struct with more than 127 tagged fields")
        base[start] = UInt8(truncatingIfNeeded: presentTags)
        presentTags = outer
    }

    public mutating func tagged<Value>(
        _ tag: UInt32, _ value: inout Value, isDefault: Bool,
        _ code: (inout WireWriter, inout Value) throws(WireError) -> Void
    ) throws(WireError) {
        guard !isDefault else { return }
        presentTags += 1
        varint(tag)
        // The size stands before the field and is known after it: measure once, then write.
        let start = position
        try code(&self, &value)
        let size = position - start
        let prefix = Varint.size(UInt32(clamping: size))
        precondition(position + prefix <= base.count, "the sizer and the writer disagree")
        let moved = UnsafeMutableRawBufferPointer(rebasing: base[start + prefix..<start + prefix + size])
        moved.copyMemory(from: UnsafeRawBufferPointer(rebasing: base[start..<start + size]))
        position = start
        varint(UInt32(clamping: size))
        position += size
    }
}
