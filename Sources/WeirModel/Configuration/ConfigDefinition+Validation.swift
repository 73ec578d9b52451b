extension ConfigDefinition {
    /// Why a value is refused, as a sentence that names key, value and what is allowed; nil when the value is fine.
    public func problem(with value: String) -> String? {
        guard let complaint = complaint(about: value) else { return nil }
        let shown = isSensitive ? "[hidden]" : "'\(value)'"
        return "Invalid value \(shown) for configuration \(name): \(complaint)"
    }

    /// What values are allowed, as a phrase: `a whole number from 1 to 9`.
    public var allowed: String {
        switch bounds {
        case .oneOf(let words): return "one of \(words.joined(separator: ", "))"
        case .someOf(let words): return "a comma-separated list of \(words.joined(separator: ", "))"
        case .notEmpty: return "a text that is not empty"
        case .doubles(let range): return "a number from \(range.lowerBound) to \(range.upperBound)"
        case .integersOr(let special, let range): return "\(Self.phrase(range, type)), or \(special)"
        case .integers(let range): return Self.phrase(range, type)
        case .any: break
        }
        switch type {
        case .boolean: return "true or false"
        case .int, .short, .long: return "a whole number"
        case .double: return "a number"
        case .list: return "a comma-separated list"
        case .string, .password, .className: return "any text"
        }
    }

    private static func phrase(_ range: ClosedRange<Int64>, _ type: ConfigType) -> String {
        if range.upperBound >= type.integerRange.upperBound { return "a whole number of at least \(range.lowerBound)" }
        return "a whole number from \(range.lowerBound) to \(range.upperBound)"
    }

    private func complaint(about value: String) -> String? {
        switch type {
        case .boolean:
            return ConfigValue.boolean(value) == nil ? "must be \(allowed)" : nil
        case .int, .short, .long:
            guard let number = ConfigValue.integer(value) else { return "must be \(allowed)" }
            guard type.integerRange.contains(number), isWithinBounds(number) else { return "must be \(allowed)" }
            return nil
        case .double:
            guard let number = ConfigValue.double(value) else { return "must be \(allowed)" }
            if case .doubles(let range) = bounds, !range.contains(number) { return "must be \(allowed)" }
            return nil
        case .list:
            guard case .someOf(let words) = bounds else { return nil }
            let items = ConfigValue.list(value)
            if items.isEmpty || !items.allSatisfy(words.contains) { return "must be \(allowed)" }
            return nil
        case .string, .className, .password:
            switch bounds {
            case .oneOf(let words): return words.contains(ConfigValue.trimmed(value)) ? nil : "must be \(allowed)"
            case .notEmpty: return ConfigValue.trimmed(value).isEmpty ? "must be \(allowed)" : nil
            case .any, .integers, .integersOr, .doubles, .someOf: return nil
            }
        }
    }

    private func isWithinBounds(_ number: Int64) -> Bool {
        switch bounds {
        case .integers(let range): range.contains(number)
        case .integersOr(let special, let range): number == special || range.contains(number)
        case .any, .doubles, .oneOf, .someOf, .notEmpty: true
        }
    }
}

extension ConfigType {
    /// The numbers the type holds, for the three whole-number types.
    var integerRange: ClosedRange<Int64> {
        switch self {
        case .short: Int64(Int16.min)...Int64(Int16.max)
        case .int: Int64(Int32.min)...Int64(Int32.max)
        case .boolean, .string, .long, .double, .list, .className, .password: Int64.min...Int64.max
        }
    }
}

/// Reading of values, as Kafka's `ConfigDef.parseType` does it: white space around them does not count.
public enum ConfigValue {
    public static func boolean(_ text: String) -> Bool? {
        switch trimmed(text).lowercased() {
        case "true": true
        case "false": false
        default: nil
        }
    }

    public static func integer(_ text: String) -> Int64? { Int64(trimmed(text)) }

    /// A finite number.
    public static func double(_ text: String) -> Double? {
        guard let number = Double(trimmed(text)), number.isFinite else { return nil }
        return number
    }

    /// The items between commas, without the white space around them; an empty text is an empty list.
    public static func list(_ text: String) -> [String] {
        if trimmed(text).isEmpty { return [] }
        return text.split(separator: ",", omittingEmptySubsequences: false).map { trimmed(String($0)) }
    }

    /// The text without white space at its ends.
    public static func trimmed(_ text: String) -> String {
        guard let first = text.firstIndex(where: { !$0.isWhitespace }),
            let last = text.lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(text[first...last])
    }
}
