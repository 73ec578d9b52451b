/// Kafka's default hash of record keys: MurmurHash2, 32 bit, seed 0x9747b28c (`org.apache.kafka.common.utils.Utils.murmur2`).
public enum Murmur2 {
    public static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        let multiplier: UInt32 = 0x5bd1_e995
        let length = bytes.count
        var hash: UInt32 = 0x9747_b28c ^ UInt32(truncatingIfNeeded: length)
        var index = 0
        while index + 4 <= length {
            var word = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt32.self))
            word = word &* multiplier
            word ^= word >> 24
            word = word &* multiplier
            hash = (hash &* multiplier) ^ word
            index += 4
        }
        let rest = length - index
        if rest >= 3 { hash ^= UInt32(bytes[index + 2]) << 16 }
        if rest >= 2 { hash ^= UInt32(bytes[index + 1]) << 8 }
        if rest >= 1 {
            hash ^= UInt32(bytes[index])
            hash = hash &* multiplier
        }
        hash ^= hash >> 13
        hash = hash &* multiplier
        hash ^= hash >> 15
        return hash
    }

    /// The partition that Java's default partitioner and librdkafka's `murmur2_random` choose for a key.
    public static func partition(of key: UnsafeRawBufferPointer, count: Int) -> Int {
        precondition(count > 0, "a topic has partitions")
        return Int(hash(key) & 0x7FFF_FFFF) % count
    }
}
