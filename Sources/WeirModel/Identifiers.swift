// WeirModel: the words every other room uses: identifiers, error codes, limits, configuration keys.
// It knows no bytes, no files, no sockets, no clock, and imports nothing.
//
// Wire messages carry raw integers, exactly as Kafka's definitions say; from the handlers inwards these newtypes are used,
// so that a partition index is never mistaken for a broker's id.

/// The position of a record in a partition's log. The first record of a log has offset 0; offsets never repeat.
public struct Offset: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: Int64

    public init(rawValue: Int64) { self.rawValue = rawValue }
    public init(_ rawValue: Int64) { self.rawValue = rawValue }

    public static let zero = Offset(0)

    public static func < (left: Offset, right: Offset) -> Bool { left.rawValue < right.rawValue }

    /// The offset `distance` records later. Overflow wraps: callers bound `distance` when it came from the wire.
    public static func + (left: Offset, distance: Int64) -> Offset { Offset(left.rawValue &+ distance) }
    public static func - (left: Offset, distance: Int64) -> Offset { Offset(left.rawValue &- distance) }
    public static func - (left: Offset, right: Offset) -> Int64 { left.rawValue &- right.rawValue }

    public var description: String { String(rawValue) }
}

/// A partition's number within its topic, from 0.
public struct PartitionIndex: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }
    public init(_ rawValue: Int32) { self.rawValue = rawValue }
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    public var description: String { String(rawValue) }
}

/// A broker's number in its cluster, Kafka's `node.id`.
public struct BrokerID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }
    public init(_ rawValue: Int32) { self.rawValue = rawValue }
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    public var description: String { String(rawValue) }
}

/// The number of a leadership of a partition. It only grows (KIP-101); -1 means that none is known.
public struct LeaderEpoch: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }
    public init(_ rawValue: Int32) { self.rawValue = rawValue }
    public static let none = LeaderEpoch(-1)
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    public var description: String { String(rawValue) }
}

/// An idempotent producer's number, handed out by InitProducerId (KIP-98); -1 means that there is none.
public struct ProducerID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int64
    public init(rawValue: Int64) { self.rawValue = rawValue }
    public init(_ rawValue: Int64) { self.rawValue = rawValue }
    public static let none = ProducerID(-1)
    public var description: String { String(rawValue) }
}

/// A 128-bit identifier in RFC 9562's byte order: Kafka's topic ids, directory ids and cluster ids.
public struct UniqueID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let high: UInt64
    public let low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Kafka's "no id": all zero.
    public static let zero = UniqueID(high: 0, low: 0)

    public static func < (left: Self, right: Self) -> Bool { (left.high, left.low) < (right.high, right.low) }

    /// A version 4 identifier from 128 random bits.
    public static func random(high: UInt64, low: UInt64) -> UniqueID {
        UniqueID(
            high: (high & 0xFFFF_FFFF_FFFF_0FFF) | 0x0000_0000_0000_4000,
            low: (low & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000)
    }

    /// Kafka's text form: URL-safe base64 without padding, 22 characters.
    public var description: String {
        var text = ""
        text.reserveCapacity(22)
        // 128 bits are 21 groups of six and one of two, padded with four zero bits.
        for index in 0..<22 {
            let shift = 122 - 6 * index
            let group: UInt64
            if shift >= 64 {
                group = high >> UInt64(shift - 64)
            } else if shift > 58 {
                group = (high << UInt64(64 - shift)) | (low >> UInt64(shift))
            } else if shift >= 0 {
                group = low >> UInt64(shift)
            } else {
                group = low << UInt64(-shift)
            }
            text.unicodeScalars.append(Self.alphabet[Int(group & 0x3F)])
        }
        return text
    }

    /// Reads Kafka's text form; nil when it is not 22 characters of URL-safe base64.
    public init?(_ text: String) {
        let scalars = Array(text.unicodeScalars)
        guard scalars.count == 22 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for (index, scalar) in scalars.enumerated() {
            guard let value = Self.alphabet.firstIndex(of: scalar) else { return nil }
            var group = UInt64(value)
            var bits: UInt64 = 6
            if index == 21 {
                guard group & 0xF == 0 else { return nil }
                group >>= 4
                bits = 2
            }
            high = (high << bits) | (low >> (64 - bits))
            low = (low << bits) | group
        }
        self.init(high: high, low: low)
    }

    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".unicodeScalars)
}

/// A partition by its topic's name.
public struct TopicPartition: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let topic: String
    public let partition: PartitionIndex

    public init(_ topic: String, _ partition: PartitionIndex) {
        self.topic = topic
        self.partition = partition
    }

    public static func < (left: Self, right: Self) -> Bool {
        (left.topic, left.partition) < (right.topic, right.partition)
    }

    /// The name of the partition's directory, Kafka's `topic-partition`.
    public var description: String { "\(topic)-\(partition)" }
}
