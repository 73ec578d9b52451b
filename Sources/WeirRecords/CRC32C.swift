// WeirRecords: Kafka's record batch, version 2: its header, its records, checking, building and compression.
// It knows bytes only: no files, no sockets, no clock, no topics, and none of the protocol's messages.

import CWeirCRC

/// The checksum of record batches: CRC-32C (Castagnoli), RFC 3720.
public enum CRC32C {
    /// The checksum of the bytes, continued from `seed`, the checksum of what came before (0 at the start).
    public static func checksum(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
        weir_crc32c(seed, bytes.baseAddress, bytes.count)
    }
}
