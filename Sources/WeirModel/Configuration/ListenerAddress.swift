/// One listener: a name, and where it stands.
public struct ListenerAddress: Sendable, Hashable, CustomStringConvertible {
    /// Kafka's listener name, such as `PLAINTEXT`; upper case.
    public var name: String
    /// A host name or address, without the brackets of IPv6; empty means every address.
    public var host: String
    /// 0 takes a free port.
    public var port: Int

    public init(name: String = "PLAINTEXT", host: String, port: Int) {
        self.name = name
        self.host = host
        self.port = port
    }

    /// Reads `NAME://HOST:PORT` or `HOST:PORT`, which is the listener named PLAINTEXT; nil when it is neither.
    public init?(_ text: String) {
        var rest = ConfigValue.trimmed(text)[...]
        var name = "PLAINTEXT"
        if let separator = rest.firstRange(of: "://") {
            name = rest[..<separator.lowerBound].uppercased()
            rest = rest[separator.upperBound...]
        }
        guard !name.isEmpty, name.utf8.allSatisfy({ Self.isNameByte($0) }) else { return nil }
        guard let colon = rest.lastIndex(of: ":"), let port = UInt16(rest[rest.index(after: colon)...]) else {
            return nil
        }
        var host = rest[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.contains(where: { $0.isWhitespace || $0 == "/" }) else { return nil }
        self.init(name: name, host: String(host), port: Int(port))
    }

    /// Whether the host can only be reached from the same machine.
    public var isLoopback: Bool {
        let host = host.lowercased()
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Whether the host means every address of the machine.
    public var isWildcard: Bool { host.isEmpty || host == "0.0.0.0" || host == "::" }

    /// `HOST:PORT`, with the brackets that IPv6 needs.
    public var hostAndPort: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    public var description: String { "\(name)://\(hostAndPort)" }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"),
            UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}
