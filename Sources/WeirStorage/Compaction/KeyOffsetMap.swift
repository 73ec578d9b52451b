/// The newest offset of each key in a stretch of a log, in bounded memory: 24 bytes a slot, 16 of the key's hash and 8 of
/// the offset, as in Kafka's `SkimpyOffsetMap`.
///
/// The hash has a secret seed, other than Kafka's MD5: two keys that share a hash would lose one's records, and nobody can
/// look for such keys.
final class KeyOffsetMap {
    static let slotBytes = 24

    private struct Slot {
        var high: UInt64 = 0
        var low: UInt64 = 0
        /// The offset plus one; 0 when the slot is free.
        var next: Int64 = 0
    }

    /// How many keys fit.
    let capacity: Int
    private(set) var count = 0
    /// Everything up to this offset was looked at; what is above must be kept.
    var latestOffset: Int64 = -1

    private let hash: SipHash128
    private let slots: UnsafeMutableBufferPointer<Slot>

    /// - Parameters:
    ///   - bytes: what it may take.
    ///   - loadFactor: the share of the slots that may be used, above 0 and at most 1.
    ///   - keysMax: an upper bound of the number of keys there are: no more memory is taken than they need.
    init(bytes: Int64, loadFactor: Double, keysMax: Int64, seed: (UInt64, UInt64)) {
        let slotsMax = max(2, Int(clamping: bytes) / Self.slotBytes)
        let factor = min(max(loadFactor, 0.01), 1)
        let wanted = Double(max(1, keysMax)) / factor + 2
        let count = wanted < Double(slotsMax) ? Int(wanted) : slotsMax
        // One slot stays free, so that every search ends.
        capacity = max(1, min(count - 1, Int(Double(count) * factor)))
        hash = SipHash128(seed)
        slots = .allocate(capacity: count)
        slots.initialize(repeating: Slot())
    }

    deinit { slots.deallocate() }

    /// Notes that the key has a record at the offset; false when there is no room for one more key.
    func put(_ key: UnsafeRawBufferPointer, _ offset: Int64) -> Bool {
        let (high, low) = hash(key)
        let index = find(high, low)
        if slots[index].next == 0 {
            guard count < capacity else { return false }
            count += 1
        }
        slots[index] = Slot(high: high, low: low, next: offset &+ 1)
        return true
    }

    /// The newest offset of the key; -1 when it is not there.
    func offset(of key: UnsafeRawBufferPointer) -> Int64 {
        let (high, low) = hash(key)
        return slots[find(high, low)].next &- 1
    }

    /// The slot that has the hash, or the free one where it would be.
    private func find(_ high: UInt64, _ low: UInt64) -> Int {
        var index = Int(low % UInt64(slots.count))
        while slots[index].next != 0, slots[index].low != low || slots[index].high != high {
            index = index + 1 == slots.count ? 0 : index + 1
        }
        return index
    }
}

/// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein): a hash that nobody can predict without its seed.
struct SipHash128 {
    private let seed: (UInt64, UInt64)

    init(_ seed: (UInt64, UInt64)) { self.seed = seed }

    func callAsFunction(_ bytes: UnsafeRawBufferPointer) -> (high: UInt64, low: UInt64) {
        var state = State(seed)
        var at = 0
        while bytes.count - at >= 8 {
            state.take(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)))
            at += 8
        }
        var last = UInt64(truncatingIfNeeded: bytes.count) << 56
        var shift: UInt64 = 0
        while at < bytes.count {
            last |= UInt64(bytes[at]) << shift
            shift += 8
            at += 1
        }
        state.take(last)
        return state.finish()
    }

    private struct State {
        var a: UInt64
        var b: UInt64
        var c: UInt64
        var d: UInt64

        init(_ seed: (UInt64, UInt64)) {
            a = seed.0 ^ 0x736f_6d65_7073_6575
            b = seed.1 ^ 0x646f_7261_6e64_6f6d ^ 0xee
            c = seed.0 ^ 0x6c79_6765_6e65_7261
            d = seed.1 ^ 0x7465_6462_7974_6573
        }

        mutating func take(_ word: UInt64) {
            d ^= word
            round()
            round()
            a ^= word
        }

        mutating func finish() -> (high: UInt64, low: UInt64) {
            c ^= 0xee
            for _ in 0..<4 { round() }
            let low = a ^ b ^ c ^ d
            b ^= 0xdd
            for _ in 0..<4 { round() }
            return (a ^ b ^ c ^ d, low)
        }

        private mutating func round() {
            a = a &+ b
            b = rotate(b, 13) ^ a
            a = rotate(a, 32)
            c = c &+ d
            d = rotate(d, 16) ^ c
            a = a &+ d
            d = rotate(d, 21) ^ a
            c = c &+ b
            b = rotate(b, 17) ^ c
            c = rotate(c, 32)
        }

        private func rotate(_ value: UInt64, _ bits: UInt64) -> UInt64 { value << bits | value >> (64 - bits) }
    }
}
