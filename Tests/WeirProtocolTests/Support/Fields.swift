import NIOCore
import WeirModel
import WeirProtocol

/// What a message holds, as `path=value` pairs that tools/tests/kafka_schemas.py writes too: names in lower case, integers
/// in decimal, text, bytes and ids in hex behind `x`, arrays by their size, and `null`.
func fields(of message: any WireStruct) -> [String: String] {
    var found: [String: String] = [:]
    for child in Mirror(reflecting: message).children {
        collect(child.value, at: (child.label ?? "?").lowercased(), into: &found)
    }
    return found
}

private func collect(_ value: Any, at path: String, into found: inout [String: String]) {
    if let text = scalar(value) {
        found[path] = text
        return
    }
    let mirror = Mirror(reflecting: value)
    switch mirror.displayStyle {
    case .optional:
        guard let present = mirror.children.first else {
            found[path] = "null"
            return
        }
        collect(present.value, at: path, into: &found)
    case .collection:
        found[path] = String(mirror.children.count)
        for (index, element) in mirror.children.enumerated() {
            collect(element.value, at: "\(path).\(index)", into: &found)
        }
    default:
        for child in mirror.children {
            collect(child.value, at: "\(path).\((child.label ?? "?").lowercased())", into: &found)
        }
    }
}

private func scalar(_ value: Any) -> String? {
    switch value {
    case let value as Bool: String(value)
    case let value as any FixedWidthInteger: "\(value)"
    case let value as String: "x" + hex(value.utf8)
    case let value as UniqueID: "x" + hex(value.high) + hex(value.low)
    case let value as ByteBuffer: "x" + hex(value.readableBytesView)
    case RecordData.null: "null"
    case RecordData.bytes(let buffer): "x" + hex(buffer.readableBytesView)
    default: nil
    }
}

private func hex(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}

func hex(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 0xF)])
    }
    return String(decoding: text, as: UTF8.self)
}

/// Bytes from hex; nil when it is none.
func bytes(hex text: some StringProtocol) -> ByteBuffer? {
    let digits = Array(text.utf8)
    guard digits.count % 2 == 0 else { return nil }
    var buffer = ByteBuffer()
    buffer.reserveCapacity(digits.count / 2)
    for index in stride(from: 0, to: digits.count, by: 2) {
        guard let high = nibble(digits[index]), let low = nibble(digits[index + 1]) else { return nil }
        buffer.writeInteger(high << 4 | low)
    }
    return buffer
}

private func nibble(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    default: nil
    }
}
