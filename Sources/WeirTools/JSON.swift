/// A JSON value. Objects keep the order of their members.
///
/// Our own, because records must go through by the million, and because Foundation costs a small program's whole memory.
public enum JSON: Sendable, Equatable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([Member])

    public struct Member: Sendable, Equatable {
        public let key: String
        public let value: JSON

        public init(_ key: String, _ value: JSON) {
            self.key = key
            self.value = value
        }
    }

    public static func object(_ members: KeyValuePairs<String, JSON>) -> JSON {
        .object(members.map { Member($0.key, $0.value) })
    }

    public static func string(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }
    public static func integer(_ value: Int32) -> JSON { .integer(Int64(value)) }
    public static func integer(_ value: Int) -> JSON { .integer(Int64(value)) }

    /// A member of an object; nil when there is none or the value is no object.
    public subscript(key: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.key == key }?.value
    }

    // MARK: Writing

    /// As one line, without spaces.
    public var text: String {
        var bytes: [UInt8] = []
        write(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    public func write(to out: inout [UInt8]) {
        switch self {
        case .null: out.append(contentsOf: "null".utf8)
        case .bool(let value): out.append(contentsOf: (value ? "true" : "false").utf8)
        case .integer(let value): out.append(contentsOf: String(value).utf8)
        case .number(let value):
            out.append(contentsOf: (value.isFinite ? String(value) : "null").utf8)
        case .string(let text): Self.write(text, to: &out)
        case .array(let values):
            out.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                value.write(to: &out)
            }
            out.append(UInt8(ascii: "]"))
        case .object(let members):
            out.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                Self.write(member.key, to: &out)
                out.append(UInt8(ascii: ":"))
                member.value.write(to: &out)
            }
            out.append(UInt8(ascii: "}"))
        }
    }

    /// Writes a string with its quotes.
    static func write(_ text: String, to out: inout [UInt8]) {
        var text = text
        text.withUTF8 { writeUTF8(UnsafeRawBufferPointer($0), to: &out) }
    }

    /// Writes bytes that are known to be UTF-8 as a string with its quotes.
    static func writeUTF8(_ bytes: UnsafeRawBufferPointer, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        var clean = 0
        for (index, byte) in bytes.enumerated() {
            let escape: StaticString
            switch byte {
            case UInt8(ascii: "\""): escape = "\\\""
            case UInt8(ascii: "\\"): escape = "\\\\"
            case 0x0A: escape = "\\n"
            case 0x0D: escape = "\\r"
            case 0x09: escape = "\\t"
            case 0..<0x20: escape = "\\u00"
            default: continue
            }
            out.append(contentsOf: bytes[clean..<index])
            clean = index + 1
            escape.withUTF8Buffer { out.append(contentsOf: $0) }
            if escape.utf8CodeUnitCount == 4 {
                out.append(hexDigits[Int(byte >> 4)])
                out.append(hexDigits[Int(byte & 15)])
            }
        }
        out.append(contentsOf: bytes[clean...])
        out.append(UInt8(ascii: "\""))
    }

    private static let hexDigits = Array("0123456789abcdef".utf8)

    // MARK: Reading

    /// Reads one value that fills the bytes, white space aside.
    public init(parsing bytes: UnsafeRawBufferPointer) throws(ToolError) {
        var parser = JSONParser(bytes)
        self = try parser.value(depth: 0)
        try parser.end()
    }

    public init(parsing text: String) throws(ToolError) {
        var text = text
        let result: Result<JSON, ToolError> = text.withUTF8 { bytes in
            do throws(ToolError) {
                return .success(try JSON(parsing: UnsafeRawBufferPointer(bytes)))
            } catch {
                return .failure(error)
            }
        }
        self = try result.get()
    }
}

/// A recursive-descent reader of RFC 8259, with bounded depth.
private struct JSONParser {
    private let bytes: UnsafeRawBufferPointer
    private var at = 0
    private static let depthMax = 128

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    private func problem(_ what: String) -> ToolError { ToolError("not JSON at byte \(at): \(what)") }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { at += 1 }
    }

    mutating func end() throws(ToolError) {
        skipSpace()
        guard at == bytes.count else { throw problem("something follows the value") }
    }

    mutating func value(depth: Int) throws(ToolError) -> JSON {
        guard depth < Self.depthMax else { throw problem("nested too deeply") }
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case nil: throw problem("a value is missing")
        default: return try number()
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSON) throws(ToolError) -> JSON {
        let count = word.utf8CodeUnitCount
        guard at + count <= bytes.count,
            word.withUTF8Buffer({ $0.elementsEqual(bytes[at..<at + count]) })
        else { throw problem("an unknown word") }
        at += count
        return value
    }

    private mutating func object(depth: Int) throws(ToolError) -> JSON {
        at += 1
        var members: [JSON.Member] = []
        skipSpace()
        if next == UInt8(ascii: "}") {
            at += 1
            return .object(members)
        }
        while true {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw problem("a member's name is missing") }
            let key = try string()
            skipSpace()
            guard next == UInt8(ascii: ":") else { throw problem("':' is missing") }
            at += 1
            members.append(JSON.Member(key, try value(depth: depth + 1)))
            skipSpace()
            switch next {
            case UInt8(ascii: ","): at += 1
            case UInt8(ascii: "}"):
                at += 1
                return .object(members)
            default: throw problem("',' or '}' is missing")
            }
        }
    }

    private mutating func array(depth: Int) throws(ToolError) -> JSON {
        at += 1
        var values: [JSON] = []
        skipSpace()
        if next == UInt8(ascii: "]") {
            at += 1
            return .array(values)
        }
        while true {
            values.append(try value(depth: depth + 1))
            skipSpace()
            switch next {
            case UInt8(ascii: ","): at += 1
            case UInt8(ascii: "]"):
                at += 1
                return .array(values)
            default: throw problem("',' or ']' is missing")
            }
        }
    }

    private mutating func string() throws(ToolError) -> String {
        at += 1
        var text: [UInt8] = []
        while true {
            guard let byte = next else { throw problem("a string does not end") }
            at += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw problem("a string is not UTF-8")
                }
                return string
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw problem("a control character in a string")
            default: text.append(byte)
            }
        }
    }

    private mutating func escape(into text: inout [UInt8]) throws(ToolError) {
        guard let byte = next else { throw problem("a string does not end") }
        at += 1
        switch byte {
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "u"):
            var scalar = try hex4()
            if (0xD800..<0xDC00).contains(scalar) {
                guard at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u") else {
                    throw problem("half a surrogate pair")
                }
                at += 2
                let low = try hex4()
                guard (0xDC00..<0xE000).contains(low) else { throw problem("half a surrogate pair") }
                scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let unicode = Unicode.Scalar(scalar) else { throw problem("half a surrogate pair") }
            text.append(contentsOf: String(Character(unicode)).utf8)
        default: throw problem("an unknown escape")
        }
    }

    private mutating func hex4() throws(ToolError) -> UInt32 {
        guard at + 4 <= bytes.count else { throw problem("a string does not end") }
        var value: UInt32 = 0
        for _ in 0..<4 {
            let digit: UInt8
            switch bytes[at] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = bytes[at] - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = bytes[at] - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = bytes[at] - UInt8(ascii: "A") + 10
            default: throw problem("four hexadecimal digits are missing")
            }
            value = value << 4 | UInt32(digit)
            at += 1
        }
        return value
    }

    private mutating func number() throws(ToolError) -> JSON {
        let start = at
        var isInteger = true
        while let byte = next {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): break
            case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"), UInt8(ascii: "+"): isInteger = false
            default:
                return try number(from: start, isInteger: isInteger)
            }
            at += 1
        }
        return try number(from: start, isInteger: isInteger)
    }

    private func number(from start: Int, isInteger: Bool) throws(ToolError) -> JSON {
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        if isInteger, let value = Int64(text) { return .integer(value) }
        guard !text.isEmpty, let value = Double(text), value.isFinite else {
            throw ToolError("not JSON at byte \(start): an unexpected character or a broken number")
        }
        return .number(value)
    }
}
