/// Walks the records of a batch, decompressed, without making anything. Never reads outside the bytes, whatever they hold.
///
/// Wire format of a record: length varint (of what follows), attributes int8, timestamp delta varlong, offset delta varint,
/// key length varint and key, value length varint and value (-1: null), header count varint, headers: key length varint and
/// key, value length varint (-1: null) and value. Varints are zigzag.
///
/// The bytes must outlive the cursor.
public struct RecordCursor {
    /// The smallest record: one byte each for length, attributes, two deltas, two lengths, and the header count.
    public static let recordBytesMin = 7

    private let base: UnsafePointer<UInt8>
    private let count: Int
    /// Where the next record begins.
    public private(set) var position = 0

    /// - Returns: nil for an empty buffer without memory.
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.assumingBytes else { return nil }
        self.base = base
        count = bytes.count
    }

    public var isAtEnd: Bool { position == count }

    /// Where the parts of a record lie, as positions in the walked bytes.
    public struct Parts {
        public var attributes: UInt8
        public var timestampDelta: Int64
        public var offsetDelta: Int32
        /// The key's first byte and size; the size is -1 for null.
        public var keyAt: Int
        public var keyCount: Int
        public var valueAt: Int
        public var valueCount: Int
        public var headerCount: Int
        /// The first header's key length, and the record's end.
        public var headersAt: Int
        public var end: Int
    }

    /// Steps over the next record; nil when the bytes are none.
    @inline(__always)
    public mutating func next() -> Parts? {
        let base = self.base
        var at = position
        guard let length = Self.varint(base, &at, count), length >= 0, length <= count &- at else { return nil }
        let end = at &+ length
        guard at < end else { return nil }
        let attributes = base[at]
        at &+= 1
        guard let timestampDelta = Self.varlong(base, &at, end),
            let offsetDelta = Self.varint(base, &at, end),
            let keyCount = Self.varint(base, &at, end), keyCount >= -1, keyCount <= end &- at
        else { return nil }
        let keyAt = at
        at &+= max(keyCount, 0)
        guard let valueCount = Self.varint(base, &at, end), valueCount >= -1, valueCount <= end &- at else {
            return nil
        }
        let valueAt = at
        at &+= max(valueCount, 0)
        // A header is two bytes or more.
        guard let headerCount = Self.varint(base, &at, end), headerCount >= 0, headerCount <= (end &- at) / 2 else {
            return nil
        }
        let headersAt = at
        if headerCount > 0 {
            guard Self.skipHeaders(headerCount, base, &at, end) else { return nil }
        }
        guard at == end else { return nil }
        position = end
        return Parts(
            attributes: attributes, timestampDelta: timestampDelta, offsetDelta: Int32(truncatingIfNeeded: offsetDelta),
            keyAt: keyAt, keyCount: keyCount, valueAt: valueAt, valueCount: valueCount, headerCount: headerCount,
            headersAt: headersAt, end: end)
    }

    /// Where the parts of a record's header lie; the value's size is -1 for null.
    public struct HeaderParts {
        public var keyAt: Int
        public var keyCount: Int
        public var valueAt: Int
        public var valueCount: Int
    }

    /// Reads the header at `position`, which lies within a record that `next` has accepted, and moves behind it.
    public func header(at position: inout Int, end: Int) -> HeaderParts? {
        Self.header(base, &position, end)
    }

    @inline(__always)
    private static func header(_ base: UnsafePointer<UInt8>, _ at: inout Int, _ end: Int) -> HeaderParts? {
        guard let keyCount = varint(base, &at, end), keyCount >= 0, keyCount <= end &- at else { return nil }
        let keyAt = at
        at &+= keyCount
        guard let valueCount = varint(base, &at, end), valueCount >= -1, valueCount <= end &- at else { return nil }
        let valueAt = at
        at &+= max(valueCount, 0)
        return HeaderParts(keyAt: keyAt, keyCount: keyCount, valueAt: valueAt, valueCount: valueCount)
    }

    @inline(never)
    private static func skipHeaders(
        _ headerCount: Int, _ base: UnsafePointer<UInt8>, _ at: inout Int, _ end: Int
    ) -> Bool {
        var left = headerCount
        while left > 0 {
            guard header(base, &at, end) != nil else { return false }
            left &-= 1
        }
        return true
    }

    /// A zigzag varint of at most 32 bits and five bytes.
    @inline(__always)
    private static func varint(_ base: UnsafePointer<UInt8>, _ at: inout Int, _ end: Int) -> Int? {
        guard at < end else { return nil }
        var raw = UInt32(base[at])
        at &+= 1
        if raw >= 0x80 {
            guard at < end else { return nil }
            let second = UInt32(base[at])
            at &+= 1
            raw = (raw & 0x7F) | (second & 0x7F) << 7
            if second >= 0x80 {
                guard let rest = longVarint(base, &at, end, bytesMax: 3, shift: 14) else { return nil }
                guard rest <= UInt64(UInt32.max) else { return nil }
                raw |= UInt32(truncatingIfNeeded: rest)
            }
        }
        return Int(Int32(bitPattern: raw >> 1) ^ -Int32(bitPattern: raw & 1))
    }

    /// A zigzag varint of at most 64 bits and ten bytes.
    @inline(__always)
    private static func varlong(_ base: UnsafePointer<UInt8>, _ at: inout Int, _ end: Int) -> Int64? {
        guard at < end else { return nil }
        var raw = UInt64(base[at])
        at &+= 1
        if raw >= 0x80 {
            guard let rest = longVarint(base, &at, end, bytesMax: 9, shift: 7) else { return nil }
            raw = (raw & 0x7F) | rest
        }
        return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
    }

    /// The groups of a varint from the one at `shift` on.
    @inline(never)
    private static func longVarint(
        _ base: UnsafePointer<UInt8>, _ at: inout Int, _ end: Int, bytesMax: Int, shift: UInt64
    ) -> UInt64? {
        var raw: UInt64 = 0
        var shift = shift
        for _ in 0..<bytesMax {
            guard at < end else { return nil }
            let byte = UInt64(base[at])
            at &+= 1
            let group = byte & 0x7F
            guard (group << shift) >> shift == group else { return nil }
            raw |= group << shift
            if byte < 0x80 { return raw }
            shift &+= 7
        }
        return nil
    }
}
