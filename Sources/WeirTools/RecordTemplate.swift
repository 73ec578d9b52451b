public import WeirClient

/// How `--format` prints a record: text with kcat's tokens.
///
/// `%t` topic, `%p` partition, `%o` offset, `%T` timestamp in milliseconds, `%k` key, `%K` its length (-1 for null), `%s` value,
/// `%S` its length, `%R` the value's length as four bytes, big-endian, `%h` headers as `k=v,k=v`, `%%` a percent sign. Escapes:
/// `\n`, `\r`, `\t`, `\0`, `\\`, `\xHH`. Nothing is added at the end of a record.
public struct RecordTemplate: Sendable, Equatable {
    private enum Part: Sendable, Equatable {
        case text([UInt8])
        case token(UInt8)
    }

    private var parts: [Part] = []

    public init(_ template: String) throws(ToolError) {
        var text: [UInt8] = []
        var bytes = Array(template.utf8)[...]
        while let byte = bytes.popFirst() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let token = bytes.popFirst() else {
                    throw ToolError("the template ends in '%'; write '%%' for one")
                }
                if token == byte {
                    text.append(byte)
                    continue
                }
                guard "tpoTkKsSRh".utf8.contains(token) else {
                    throw ToolError("'%\(Character(Unicode.Scalar(token)))' is not a token of a template; see --help")
                }
                if !text.isEmpty { parts.append(.text(text)) }
                text = []
                parts.append(.token(token))
            case UInt8(ascii: "\\"):
                text.append(try Self.escape(&bytes))
            default:
                text.append(byte)
            }
        }
        if !text.isEmpty { parts.append(.text(text)) }
    }

    private static func escape(_ bytes: inout ArraySlice<UInt8>) throws(ToolError) -> UInt8 {
        switch bytes.popFirst() {
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "0"): return 0
        case UInt8(ascii: "\\"): return UInt8(ascii: "\\")
        case UInt8(ascii: "x"):
            let digits = String(decoding: bytes.prefix(2), as: UTF8.self)
            guard digits.utf8.count == 2, let value = UInt8(digits, radix: 16) else {
                throw ToolError("'\\x' in a template needs two hexadecimal digits")
            }
            bytes = bytes.dropFirst(2)
            return value
        default: throw ToolError("an unknown escape in the template; write '\\\\' for a backslash")
        }
    }

    /// Appends the record.
    public func write(_ record: ConsumerRecord, to out: inout [UInt8]) {
        for part in parts {
            switch part {
            case .text(let text): out.append(contentsOf: text)
            case .token(let token): write(token, of: record, to: &out)
            }
        }
    }

    private func write(_ token: UInt8, of record: ConsumerRecord, to out: inout [UInt8]) {
        switch token {
        case UInt8(ascii: "t"): out.append(contentsOf: record.topic.utf8)
        case UInt8(ascii: "p"): out.append(contentsOf: "\(record.partition.partition)".utf8)
        case UInt8(ascii: "o"): out.append(contentsOf: "\(record.offset)".utf8)
        case UInt8(ascii: "T"): out.append(contentsOf: String(record.timestamp).utf8)
        case UInt8(ascii: "k"): record.withKeyBytes { if let bytes = $0 { out.append(contentsOf: bytes) } }
        case UInt8(ascii: "K"): record.withKeyBytes { out.append(contentsOf: String($0?.count ?? -1).utf8) }
        case UInt8(ascii: "s"): record.withValueBytes { if let bytes = $0 { out.append(contentsOf: bytes) } }
        case UInt8(ascii: "S"): record.withValueBytes { out.append(contentsOf: String($0?.count ?? -1).utf8) }
        case UInt8(ascii: "R"):
            record.withValueBytes { bytes in
                let count = Int32(clamping: bytes?.count ?? -1).bigEndian
                withUnsafeBytes(of: count) { out.append(contentsOf: $0) }
            }
        case UInt8(ascii: "h"):
            for (index, header) in record.headers.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                out.append(contentsOf: header.key.utf8)
                out.append(UInt8(ascii: "="))
                header.value?.withUnsafeReadableBytes { out.append(contentsOf: $0) }
            }
        default: break
        }
    }
}
