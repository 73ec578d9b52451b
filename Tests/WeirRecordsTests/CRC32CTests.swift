import CWeirCRC
import NIOCore
import Testing
import WeirRecords

@Suite struct CRC32CTests {
    static let paths = [WEIR_CRC32C_PORTABLE, WEIR_CRC32C_SSE42, WEIR_CRC32C_AVX512, WEIR_CRC32C_ARM64]
        .filter { weir_crc32c_supports($0) }.map(\.rawValue)

    private func checksum(_ bytes: [UInt8], path: UInt32, seed: UInt32 = 0) -> UInt32 {
        bytes.withUnsafeBytes { weir_crc32c_by(weir_crc32c_path(path), seed, $0.baseAddress, $0.count) }
    }

    /// The vectors of RFC 3720, B.4, and the usual check value.
    @Test(arguments: paths) func knownVectors(path: UInt32) {
        #expect(checksum(Array("123456789".utf8), path: path) == 0xE306_9283)
        #expect(checksum([], path: path) == 0)
        #expect(checksum(Array(repeating: 0x00, count: 32), path: path) == 0x8A91_36AA)
        #expect(checksum(Array(repeating: 0xFF, count: 32), path: path) == 0x62A8_AB43)
        #expect(checksum(Array(0..<32), path: path) == 0x46DD_794E)
        #expect(checksum(Array((0..<32).reversed()), path: path) == 0x113F_DB5C)
    }

    /// Every path against a computation bit by bit, which shares nothing with any of them.
    @Test(arguments: paths) func agreesWithTheDefinition(path: UInt32) {
        var random = SeededGenerator()
        for count in [1, 7, 8, 9, 63, 64, 255, 256, 257, 383, 384, 385, 3071, 3072, 3073, 10_000] {
            let bytes = random.bytes(count)
            var state: UInt32 = 0xFFFF_FFFF
            for byte in bytes {
                state ^= UInt32(byte)
                for _ in 0..<8 { state = state & 1 == 1 ? (state >> 1) ^ 0x82F6_3B78 : state >> 1 }
            }
            #expect(checksum(bytes, path: path) == ~state, "\(count) bytes, seed \(testSeed)")
        }
    }

    @Test(arguments: paths) func everyLengthAtEveryAlignment(path: UInt32) {
        var random = SeededGenerator()
        let bytes = random.bytes(1024 + 64)
        var wrong: [String] = []
        bytes.withUnsafeBytes { bytes in
            for start in 0..<64 {
                for count in start < 8 ? 0...1024 : 250...270 {
                    let part = UnsafeRawBufferPointer(rebasing: bytes[start..<start + count])
                    let seed = UInt32(truncatingIfNeeded: count &* 0x9E37)
                    let portable = weir_crc32c_by(WEIR_CRC32C_PORTABLE, seed, part.baseAddress, count)
                    let given = weir_crc32c_by(weir_crc32c_path(path), seed, part.baseAddress, count)
                    if given != portable { wrong.append("\(count) bytes at \(start)") }
                }
            }
        }
        #expect(wrong.isEmpty, "\(wrong.count) differ, such as \(wrong.prefix(5)); seed \(testSeed)")
    }

    @Test func continuesFromASeed() {
        var random = SeededGenerator()
        let bytes = random.bytes(5000)
        bytes.withUnsafeBytes { bytes in
            let whole = CRC32C.checksum(bytes)
            for cut in [0, 1, 61, 256, 4095, 5000] {
                let front = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[..<cut]))
                #expect(CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[cut...]), seed: front) == whole)
            }
        }
    }

    @Test func agreesWithAStranger() throws {
        var random = SeededGenerator()
        var requests: [String] = []
        var ours: [String] = []
        for count in Array(0...80) + [255, 256, 257, 511, 1000, 3072, 65_537] {
            let bytes = random.bytes(count)
            let seed = UInt32(truncatingIfNeeded: random.next())
            requests.append("crc \(seed) \(Strangers.hex(bytes))")
            ours.append(String(bytes.withUnsafeBytes { CRC32C.checksum($0, seed: seed) }))
        }
        #expect(try Strangers.ask(requests) == ours, "seed \(testSeed)")
    }
}
