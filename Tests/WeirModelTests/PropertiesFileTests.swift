import Testing
import WeirModel

@Suite struct PropertiesFileTests {
    private func pairs(_ text: String) throws -> [[String]] {
        try PropertiesFile.parse(text, name: "x").map { [$0.key, $0.value] }
    }

    // Each case as java.util.Properties reads it.
    @Test(arguments: [
        ("a=b", [["a", "b"]]),
        ("a:b", [["a", "b"]]),
        ("a b", [["a", "b"]]),
        ("a = b", [["a", "b"]]),
        ("  a\t:\u{0C}b ", [["a", "b "]]),
        ("a", [["a", ""]]),
        ("a=", [["a", ""]]),
        ("a==b", [["a", "=b"]]),
        ("a = = b", [["a", "= b"]]),
        ("# a=b\n! c=d\n\n   \n e=f", [["e", "f"]]),
        ("a=b#c", [["a", "b#c"]]),
        ("a=b\\\n   c", [["a", "bc"]]),
        ("a=b\\\\\nc=d", [["a", "b\\"], ["c", "d"]]),
        ("a=b\\\n# c", [["a", "b# c"]]),
        ("a=b\\", [["a", "b"]]),
        ("a\\=b=c", [["a=b", "c"]]),
        ("a\\ b c", [["a b", "c"]]),
        ("a=\\t\\n\\r\\f\\q", [["a", "\t\n\r\u{0C}q"]]),
        ("a=\\u00e9\\uD83D\\uDE00", [["a", "é😀"]]),
        ("a=1\r\nb=2\rc=3\n", [["a", "1"], ["b", "2"], ["c", "3"]]),
        ("a=1\r\n\r\nb=2", [["a", "1"], ["b", "2"]]),
        ("a=1\na=2", [["a", "1"], ["a", "2"]]),
        ("listeners=PLAINTEXT://:9092", [["listeners", "PLAINTEXT://:9092"]]),
    ]) func readsAsJava(text: String, expected: [[String]]) throws {
        #expect(try pairs(text) == expected)
    }

    @Test func namesTheLine() throws {
        let entries = try PropertiesFile.parse("# one\n\na=\\\n1\nb=2\n", name: "server.properties")
        #expect(entries.map(\.origin) == ["server.properties, line 3", "server.properties, line 5"])
        #expect(entries.allSatisfy { $0.source == .file })
    }

    @Test(arguments: ["a=\\u12", "a=\\uzzzz", "a=\\uD83D", "=b"]) func refuses(text: String) {
        #expect {
            try PropertiesFile.parse("x=y\n" + text, name: "f")
        } throws: { "\($0)".hasPrefix("f, line 2: ") }
    }

    /// Whatever is written is read back, for any settings.
    @Test(arguments: UInt64(1)...200) func roundTrips(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let alphabet = Array("ab=: #!\\\t\n\r\u{0C}\u{1}é😀uU0,/.\u{301}".unicodeScalars)
        func text(_ length: Int) -> String {
            var view = String.UnicodeScalarView()
            for _ in 0..<length { view.append(alphabet[Int(random.next() % UInt64(alphabet.count))]) }
            return String(view)
        }
        let settings = (0..<Int(random.next() % 6)).map { _ in
            (key: text(1 + Int(random.next() % 8)), value: text(Int(random.next() % 20)))
        }
        let written = PropertiesFile.write(settings)
        let read = try PropertiesFile.parse(written, name: "f")
        #expect(read.map { Array($0.key.unicodeScalars) } == settings.map { Array($0.key.unicodeScalars) })
        #expect(read.map { Array($0.value.unicodeScalars) } == settings.map { Array($0.value.unicodeScalars) })
    }

    /// No text traps, and what is read is never an empty key.
    @Test(arguments: UInt64(1)...300) func survivesAnything(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let alphabet = Array("a=:\\ \n\r#u0Dd8\t😀".unicodeScalars)
        var view = String.UnicodeScalarView()
        for _ in 0..<Int(random.next() % 60) { view.append(alphabet[Int(random.next() % UInt64(alphabet.count))]) }
        if let entries = try? PropertiesFile.parse(String(view), name: "f") {
            #expect(entries.allSatisfy { !$0.key.isEmpty })
        }
    }
}

/// SplitMix64, so that a failure's seed tells all.
struct SeededRandom {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
