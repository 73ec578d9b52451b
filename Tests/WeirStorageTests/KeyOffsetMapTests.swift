import Testing
import WeirTesting

@testable import WeirStorage

@Suite struct KeyOffsetMapTests {
    /// From the reference implementation's `vectors_sip128`: key 00…0f, input 00…(n-1).
    @Test func hashIsSipHash128() {
        let hash = SipHash128((0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908))
        func text(_ count: Int) -> [UInt8] {
            let (high, low) = (0..<count).map { UInt8($0) }.withUnsafeBytes { hash($0) }
            return withUnsafeBytes(of: (low.littleEndian, high.littleEndian)) { Array($0) }
        }
        #expect(
            text(0)
                == [0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93])
        #expect(
            text(1)
                == [0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45])
    }

    @Test(arguments: 0..<10 as Range<UInt64>) func agreesWithADictionary(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let slots = Int.random(in: 2...200, using: &random)
        let map = KeyOffsetMap(
            bytes: Int64(slots * 24), loadFactor: Double.random(in: 0.3...1, using: &random), keysMax: .max,
            seed: (random.next(), random.next()))
        var model: [String: Int64] = [:]
        for offset in 0..<1000 {
            let key = "k\(Int.random(in: 0..<300, using: &random))"
            let fits = Array(key.utf8).withUnsafeBytes { map.put($0, Int64(offset)) }
            #expect(fits == (model[key] != nil || model.count < map.capacity), "seed \(seed)")
            if fits { model[key] = Int64(offset) }
        }
        #expect(map.count == model.count)
        for number in 0..<300 {
            let key = "k\(number)"
            #expect(Array(key.utf8).withUnsafeBytes { map.offset(of: $0) } == model[key] ?? -1, "seed \(seed)")
        }
    }

    /// A log with few records takes little memory, whatever the limit.
    @Test func noLargerThanNeeded() {
        #expect(KeyOffsetMap(bytes: 1 << 40, loadFactor: 0.9, keysMax: 10, seed: (1, 2)).capacity < 20)
        #expect(KeyOffsetMap(bytes: 1 << 40, loadFactor: 0.9, keysMax: 10, seed: (1, 2)).capacity >= 10)
        #expect(KeyOffsetMap(bytes: 0, loadFactor: 0.9, keysMax: 10, seed: (1, 2)).capacity >= 1)
    }
}
