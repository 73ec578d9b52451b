public import NIOCore
public import WeirModel

/// Reads a message from a frame.
///
/// Every length and count is checked against what is left of the frame before anything is read, sliced or reserved. The
/// memory of all array elements of one message together is bounded by the size of its frame, since a struct of three
/// bytes can become fifty in memory; text and bytes are bounded by the frame anyway.
public struct WireReader: WireCoder {
    /// How many bytes of array elements a message of a given size may have in memory. The densest arrays of honest
    /// messages take five times their size on the wire; small messages need not be measured that closely, and none needs
    /// more than the last figure.
    static func elementBytesMax(frameBytes: Int, limit: Int) -> Int { min(1 << 20 + 8 * frameBytes, limit) }

    /// The same for any message, and for requests: a handler makes several times as much of a request's elements, among
    /// others its answer. Half a million partitions of a Fetch are within it.
    public static let elementBytesLimit = 1 << 28
    public static let requestElementBytesLimit = 1 << 25

    public let version: Int16
    public let isFlexible: Bool
    public static var isReader: Bool { true }

    private let base: UnsafeRawBufferPointer
    /// The buffer that `base` points into, for slices that outlive the call.
    private let owner: ByteBuffer
    private var position = 0
    private var end: Int
    private var elementBytesLeft: Int
    /// The tagged fields of the innermost struct being read: tag, start, end.
    private var pendingTags: [(tag: UInt32, start: Int, end: Int)] = []

    private init(
        base: UnsafeRawBufferPointer, owner: ByteBuffer, version: Int16, flexible: Bool, elementBytesLimit: Int
    ) {
        self.base = base
        self.owner = owner
        self.version = version
        self.isFlexible = flexible
        self.end = base.count
        self.elementBytesLeft = Self.elementBytesMax(frameBytes: base.count, limit: elementBytesLimit)
    }

    /// Reads one value from the front of the buffer and moves its reader index behind it.
    public static func readPrefix<Value: WireStruct>(
        _ type: Value.Type, from buffer: inout ByteBuffer, version: Int16, flexible: Bool,
        elementBytesLimit: Int = WireReader.elementBytesLimit
    ) throws(WireError) -> Value {
        var value = Value()
        var read = 0
        let owner = buffer
        let outcome: Result<Void, WireError> = owner.withUnsafeReadableBytes { bytes in
            var reader = WireReader(
                base: bytes, owner: owner, version: version, flexible: flexible, elementBytesLimit: elementBytesLimit)
            do throws(WireError) {
                try value.codeReading(&reader)
                read = reader.position
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try outcome.get()
        buffer.moveReaderIndex(forwardBy: read)
        return value
    }

    /// Reads a request, and passes over bytes behind it as Kafka does: librdkafka 2.16 asks for all topics with three bytes
    /// too many (Metadata v9 and later).
    public static func readRequest<Message: WireRequest>(
        _ type: Message.Type, from buffer: ByteBuffer, version: Int16
    ) throws(WireError) -> Message {
        var rest = buffer
        return try readPrefix(
            type, from: &rest, version: version, flexible: Message.isFlexible(version),
            elementBytesLimit: requestElementBytesLimit)
    }

    /// Reads a message that must fill the buffer to its end.
    public static func read<Message: WireMessage>(
        _ type: Message.Type, from buffer: ByteBuffer, version: Int16
    ) throws(WireError) -> Message {
        var rest = buffer
        let message = try readPrefix(type, from: &rest, version: version, flexible: Message.isFlexible(version))
        guard rest.readableBytes == 0 else { throw .bytesLeftOver(rest.readableBytes) }
        return message
    }

    // MARK: Fixed-width values

    @inline(__always)
    private mutating func take(_ count: Int) throws(WireError) -> Int {
        guard count <= end - position else { throw .truncated(needed: count, left: end - position) }
        let start = position
        position += count
        return start
    }

    @inline(__always)
    private mutating func integer<T: FixedWidthInteger>(_ type: T.Type) throws(WireError) -> T {
        let start = try take(MemoryLayout<T>.size)
        return T(bigEndian: base.loadUnaligned(fromByteOffset: start, as: T.self))
    }

    public mutating func bool(_ value: inout Bool) throws(WireError) { value = try integer(Int8.self) != 0 }
    public mutating func int8(_ value: inout Int8) throws(WireError) { value = try integer(Int8.self) }
    public mutating func int16(_ value: inout Int16) throws(WireError) { value = try integer(Int16.self) }
    public mutating func uint16(_ value: inout UInt16) throws(WireError) { value = try integer(UInt16.self) }
    public mutating func int32(_ value: inout Int32) throws(WireError) { value = try integer(Int32.self) }
    public mutating func uint32(_ value: inout UInt32) throws(WireError) { value = try integer(UInt32.self) }
    public mutating func int64(_ value: inout Int64) throws(WireError) { value = try integer(Int64.self) }
    public mutating func float64(_ value: inout Double) throws(WireError) {
        value = Double(bitPattern: try integer(UInt64.self))
    }
    public mutating func uuid(_ value: inout UniqueID) throws(WireError) {
        value = UniqueID(high: try integer(UInt64.self), low: try integer(UInt64.self))
    }

    // MARK: Lengths

    /// An unsigned varint of at most 32 bits.
    private mutating func varint() throws(WireError) -> UInt32 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try integer(UInt8.self)
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { break }
            shift += 7
            guard shift <= 28 else { throw .varintTooLong }
        }
        guard let narrow = UInt32(exactly: value) else { throw .varintTooLong }
        return narrow
    }

    /// A length or count, nil for null, never more than the bytes that are left.
    private mutating func length(isShort: Bool = false) throws(WireError) -> Int? {
        let length: Int
        if isFlexible {
            length = Int(try varint()) - 1
        } else if isShort {
            length = Int(try integer(Int16.self))
        } else {
            length = Int(try integer(Int32.self))
        }
        if length == -1 { return nil }
        guard length >= 0 else { throw .negativeLength(length) }
        guard length <= end - position else { throw .lengthBeyondFrame(length, left: end - position) }
        return length
    }

    // MARK: Variable-width values

    public mutating func string(_ value: inout String) throws(WireError) {
        guard let text = try optionalString() else { throw .nullNotAllowed }
        value = text
    }

    public mutating func nullableString(_ value: inout String?) throws(WireError) { value = try optionalString() }

    public mutating func shortNullableString(_ value: inout String?) throws(WireError) {
        let length = Int(try integer(Int16.self))
        guard length >= -1 else { throw .negativeLength(length) }
        value = length == -1 ? nil : try text(length)
    }

    private mutating func optionalString() throws(WireError) -> String? {
        guard let length = try length(isShort: true) else { return nil }
        return try text(length)
    }

    private mutating func text(_ length: Int) throws(WireError) -> String {
        let start = try take(length)
        let bytes = UnsafeRawBufferPointer(rebasing: base[start..<start + length])
        // Names are ASCII nearly always, for which this constructor is several times as fast and never repairs.
        if Self.isASCII(bytes) { return String(decoding: bytes, as: UTF8.self) }
        guard let text = String(validating: bytes.assumingMemoryBound(to: UInt8.self), as: UTF8.self) else {
            throw .notUTF8
        }
        return text
    }

    private static func isASCII(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var combined: UInt8 = 0
        for byte in bytes { combined |= byte }
        return combined < 0x80
    }

    public mutating func bytes(_ value: inout ByteBuffer) throws(WireError) {
        guard let slice = try optionalBytes() else { throw .nullNotAllowed }
        value = slice
    }

    public mutating func nullableBytes(_ value: inout ByteBuffer?) throws(WireError) { value = try optionalBytes() }

    public mutating func records(_ value: inout RecordData) throws(WireError) {
        if let slice = try optionalBytes() { value = .bytes(slice) } else { value = .null }
    }

    private mutating func optionalBytes() throws(WireError) -> ByteBuffer? {
        guard let length = try length() else { return nil }
        let start = try take(length)
        guard let slice = owner.getSlice(at: owner.readerIndex + start, length: length) else {
            throw .lengthBeyondFrame(length, left: end - position)
        }
        return slice
    }

    // MARK: Arrays and structs

    public mutating func array<Element: WireStruct>(_ values: inout [Element]) throws(WireError) {
        guard let elements: [Element] = try optionalArray() else { throw .nullNotAllowed }
        values = elements
    }

    public mutating func nullableArray<Element: WireStruct>(_ values: inout [Element]?) throws(WireError) {
        values = try optionalArray()
    }

    private mutating func optionalArray<Element: WireStruct>() throws(WireError) -> [Element]? {
        guard let count = try length() else { return nil }
        if count == 0 { return [] }
        // The count is at most that of the bytes left, so that this cannot overflow.
        let elementBytes = count * MemoryLayout<Element>.stride
        guard elementBytes <= elementBytesLeft else { throw .tooManyElements(count) }
        elementBytesLeft -= elementBytes
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for _ in 0..<count {
            var element = Element()
            try element.code(&self)
            elements.append(element)
        }
        return elements
    }

    public mutating func nullableStruct<Value: WireStruct>(_ value: inout Value?) throws(WireError) {
        guard try integer(Int8.self) >= 0 else {
            value = nil
            return
        }
        var present = Value()
        try present.code(&self)
        value = present
    }

    // MARK: Tagged fields

    public mutating func tags(_ fields: (inout WireReader) throws(WireError) -> Void) throws(WireError) {
        guard isFlexible else { return }
        let count = Int(try varint())
        if count == 0 { return }
        // Each tagged field takes two bytes at least.
        guard count <= (end - position) / 2 else { throw .lengthBeyondFrame(count, left: end - position) }
        var found: [(tag: UInt32, start: Int, end: Int)] = []
        var lastTag: UInt32?
        for _ in 0..<count {
            let tag = try varint()
            if let lastTag, tag <= lastTag { throw .tagsOutOfOrder }
            lastTag = tag
            let size = Int(try varint())
            guard size <= end - position else { throw .lengthBeyondFrame(size, left: end - position) }
            // Unknown tags are skipped. Weir's own are far above Kafka's, none above 100,000.
            if found.count < 64 { found.append((tag, position, position + size)) }
            position += size
        }
        let (outerTags, outerPosition, outerEnd) = (pendingTags, position, end)
        pendingTags = found
        try fields(&self)
        (pendingTags, position, end) = (outerTags, outerPosition, outerEnd)
    }

    public mutating func tagged<Value>(
        _ tag: UInt32, _ value: inout Value, isDefault: Bool,
        _ code: (inout WireReader, inout Value) throws(WireError) -> Void
    ) throws(WireError) {
        guard let field = pendingTags.first(where: { $0.tag == tag }) else { return }
        let (outerPosition, outerEnd) = (position, end)
        (position, end) = (field.start, field.end)
        try code(&self, &value)
        guard position == end else { throw .bytesLeftOver(end - position) }
        (position, end) = (outerPosition, outerEnd)
    }
}
