public import WeirModel

/// The attribute bits of a record batch.
///
/// Wire format (int16): bits 0–2 codec, 3 timestamp type, 4 transactional, 5 control, 6 base timestamp is the delete
/// horizon, 7–15 unused.
public struct BatchAttributes: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt16

    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public init(
        codec: CompressionCodec = .none, timestampType: TimestampType = .createTime, isTransactional: Bool = false,
        isControl: Bool = false
    ) {
        rawValue = 0
        self.codec = codec
        self.timestampType = timestampType
        self.isTransactional = isTransactional
        self.isControl = isControl
    }

    /// The codec's number as it stands, 0 to 7.
    public var codecNumber: UInt8 { UInt8(truncatingIfNeeded: rawValue & 0x07) }

    /// The codec; nil when the number (5 to 7) names none. Setting nil clears the bits.
    public var codec: CompressionCodec? {
        get { CompressionCodec(rawValue: codecNumber) }
        set { rawValue = (rawValue & ~0x07) | UInt16(newValue?.rawValue ?? 0) }
    }

    /// Whether records carry the producer's time or the broker's.
    public var timestampType: TimestampType {
        get { has(0x08) ? .logAppendTime : .createTime }
        set { set(0x08, newValue == .logAppendTime) }
    }

    /// Whether the batch belongs to a transaction.
    public var isTransactional: Bool {
        get { has(0x10) }
        set { set(0x10, newValue) }
    }

    /// Whether the batch holds a transaction's end instead of a client's records.
    public var isControl: Bool {
        get { has(0x20) }
        set { set(0x20, newValue) }
    }

    /// Whether the base timestamp is the time from which compaction may drop the batch's tombstones (KIP-534).
    public var hasDeleteHorizon: Bool {
        get { has(0x40) }
        set { set(0x40, newValue) }
    }

    private func has(_ bit: UInt16) -> Bool { rawValue & bit != 0 }

    private mutating func set(_ bit: UInt16, _ on: Bool) {
        rawValue = on ? rawValue | bit : rawValue & ~bit
    }
}
