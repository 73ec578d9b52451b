// WeirTesting: the simulated twins of WeirSystem's seams, and what several rooms' tests share. Everything here is
// deterministic: time moves when told, randomness comes from a seed that goes into every failure message.
// Never imported by the program itself.

public import WeirSystem

/// SplitMix64: the same numbers from the same seed, everywhere. A value, for tests that draw by themselves.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// True once in `count` draws, about.
    public mutating func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<max(1, count), using: &self) == 0 }
}

/// A `RandomSource` from a seed.
public final class SeededRandom: RandomSource {
    private let generator: Locked<SeededGenerator>

    public init(seed: UInt64) { generator = Locked(SeededGenerator(seed: seed)) }

    public func next() -> UInt64 { generator.withLock { $0.next() } }
}
