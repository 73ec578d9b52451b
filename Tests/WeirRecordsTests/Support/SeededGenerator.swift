import Foundation

/// SplitMix64: small, seeded and the same everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// A stream of its own for each test, so that new draws in one do not disturb another.
    init(test: String = #function) {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in test.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        state = testSeed ^ hash
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<max(bound, 1), using: &self) }

    mutating func chance(_ oneIn: Int) -> Bool { below(oneIn) == 0 }

    mutating func bytes(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count + 8) { space, initialized in
            for index in stride(from: 0, to: count, by: 8) {
                UnsafeMutableRawBufferPointer(space).storeBytes(of: next(), toByteOffset: index, as: UInt64.self)
            }
            initialized = count
        }
    }
}

/// What a run of these tests draws from: `WEIR_TEST_SEED`, 1 unless set. Failures of random tests name it.
let testSeed: UInt64 = ProcessInfo.processInfo.environment["WEIR_TEST_SEED"].flatMap(UInt64.init) ?? 1
