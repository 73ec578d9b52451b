import Testing
import WeirTools

@Suite("JSON")
struct JSONTests {
    @Test(
        "what is written is read",
        arguments: [
            .null, .bool(true), .integer(Int64.min), .number(1.5), .string("a\"\\\n\u{1}é😀"), .array([]),
            .object(["a": .array([.integer(Int64(1)), .null]), "": .object([])]),
        ] as [JSON])
    func roundTrip(value: JSON) throws { #expect(try JSON(parsing: value.text) == value) }

    @Test("reads what others write")
    func reads() throws {
        #expect(
            try JSON(parsing: " { \"a\" : [ 1 , -2.5e3, true ] } ")
                == .object(["a": .array([.integer(Int64(1)), .number(-2500), .bool(true)])]))
        #expect(try JSON(parsing: #""\u00e9\ud83d\ude00\/\b""#) == .string("é😀/\u{8}"))
    }

    @Test(
        "refuses what is not JSON",
        arguments: [
            "", "{", "[1,", "{\"a\"}", "{\"a\":1,}", "nul", "1 2", "\"\\u12\"", "\"\\ud800\"", "\"a", "-", "'a'",
            "\"\n\"",
            String(repeating: "[", count: 1_000), "1e999",
        ])
    func refuses(text: String) { #expect(throws: ToolError.self) { try JSON(parsing: text) } }
}
