/// Java's properties format, in which Kafka's configuration files are written.
///
/// A logical line is `key=value`, `key:value` or `key value`; `#` and `!` start a comment line; a line that ends in an odd
/// number of backslashes goes on in the next one, whose leading white space does not count; `\t \n \r \f \uXXXX` and a
/// backslash before any other character are escapes. Source: `java.util.Properties.load`.
public enum PropertiesFile {
    /// The settings in the order they stand, a key that stands twice twice.
    ///
    /// - Parameter name: The file's name, for messages.
    public static func parse(_ text: String, name: String) throws(ConfigurationError) -> [ConfigEntry] {
        var entries: [ConfigEntry] = []
        for (number, line) in logicalLines(text) {
            let origin = "\(name), line \(number)"
            let (rawKey, rawValue) = split(line)
            guard let key = unescape(rawKey), let value = unescape(rawValue) else {
                throw ConfigurationError("\(origin): \\u must be followed by four hexadecimal digits")
            }
            if key.isEmpty { throw ConfigurationError("\(origin): the key is missing before '\(value)'") }
            entries.append(ConfigEntry(key: key, value: value, source: .file, origin: origin))
        }
        return entries
    }

    /// Writes settings so that `parse` reads the same back.
    public static func write(_ settings: [(key: String, value: String)]) -> String {
        settings.map { "\(escape($0.key, isKey: true))=\(escape($0.value, isKey: false))\n" }.joined()
    }

    private typealias Scalars = [Unicode.Scalar]

    /// Lines with their continuations joined, each with the number of its first natural line; no blanks, no comments.
    private static func logicalLines(_ text: String) -> [(number: Int, line: Scalars)] {
        var lines: [(Int, Scalars)] = []
        var pending: (number: Int, line: Scalars)?
        for (index, natural) in naturalLines(text).enumerated() {
            var line = Scalars(natural.drop(while: isBlank))
            if pending == nil, line.isEmpty || line[0] == "#" || line[0] == "!" { continue }
            let backslashes = line.reversed().prefix { $0 == "\\" }.count
            let continues = backslashes % 2 == 1
            if continues { line.removeLast() }
            let joined = (pending?.number ?? index + 1, (pending?.line ?? []) + line)
            pending = continues ? joined : nil
            if !continues { lines.append(joined) }
        }
        if let pending, !pending.line.isEmpty { lines.append(pending) }
        return lines
    }

    /// Split at `\n`, `\r` and `\r\n`; on scalars, since `\r\n` is one `Character`.
    private static func naturalLines(_ text: String) -> [ArraySlice<Unicode.Scalar>] {
        var lines: [ArraySlice<Unicode.Scalar>] = []
        let scalars = Scalars(text.unicodeScalars)
        var start = 0
        var index = 0
        while index < scalars.count {
            let scalar = scalars[index]
            if scalar == "\n" || scalar == "\r" {
                lines.append(scalars[start..<index])
                if scalar == "\r", index + 1 < scalars.count, scalars[index + 1] == "\n" { index += 1 }
                start = index + 1
            }
            index += 1
        }
        lines.append(scalars[start..<scalars.count])
        return lines
    }

    /// The key ends at the first `=`, `:` or white space that no backslash stands before.
    private static func split(_ line: Scalars) -> (key: ArraySlice<Unicode.Scalar>, value: ArraySlice<Unicode.Scalar>) {
        var index = 0
        while index < line.count, line[index] != "=", line[index] != ":", !isBlank(line[index]) {
            index += line[index] == "\\" ? 2 : 1
        }
        let keyEnd = min(index, line.count)
        var valueStart = keyEnd
        while valueStart < line.count, isBlank(line[valueStart]) { valueStart += 1 }
        if valueStart < line.count, line[valueStart] == "=" || line[valueStart] == ":" {
            valueStart += 1
            while valueStart < line.count, isBlank(line[valueStart]) { valueStart += 1 }
        }
        return (line[..<keyEnd], line[valueStart...])
    }

    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
        scalar == " " || scalar == "\t" || scalar == "\u{0C}"
    }

    /// Nil when `\u` has no four hexadecimal digits after it, or half of a surrogate pair.
    private static func unescape(_ scalars: ArraySlice<Unicode.Scalar>) -> String? {
        var units: [UInt16] = []
        var index = scalars.startIndex
        while index < scalars.endIndex {
            let scalar = scalars[index]
            index += 1
            guard scalar == "\\", index < scalars.endIndex else {
                units.append(contentsOf: String(scalar).utf16)
                continue
            }
            let escaped = scalars[index]
            index += 1
            switch escaped {
            case "t": units.append(0x09)
            case "n": units.append(0x0A)
            case "r": units.append(0x0D)
            case "f": units.append(0x0C)
            case "u":
                let digits = scalars[index..<min(index + 4, scalars.endIndex)]
                guard digits.count == 4, digits.allSatisfy({ $0.properties.isASCIIHexDigit }),
                    let unit = UInt16(String(String.UnicodeScalarView(digits)), radix: 16)
                else { return nil }
                units.append(unit)
                index += 4
            default: units.append(contentsOf: String(escaped).utf16)
            }
        }
        return String(validating: units, as: UTF16.self)
    }

    private static func escape(_ text: String, isKey: Bool) -> String {
        var escaped = ""
        var isLeading = true
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": escaped += "\\n"
            case "\r": escaped += "\\r"
            case "\t": escaped += "\\t"
            case "\u{0C}": escaped += "\\f"
            case "\\": escaped += "\\\\"
            case " ": escaped += isKey || isLeading ? "\\ " : " "
            case "=", ":", "#", "!": escaped += isKey || isLeading ? "\\\(scalar)" : String(scalar)
            default: escaped.unicodeScalars.append(scalar)
            }
            if scalar != " " { isLeading = false }
        }
        return escaped
    }
}
