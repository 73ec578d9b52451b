public import WeirClient

/// Positions and times as people write them: `earliest`, `latest`, an offset, a time, or a duration back from now.
public enum TimeText {
    /// - Parameter nowMs: milliseconds since 1970.
    public static func spec(_ text: String, nowMs: Int64) throws(ToolError) -> OffsetSpec {
        switch text {
        case "earliest", "beginning": return .earliest
        case "latest", "end": return .latest
        default: break
        }
        if text.hasPrefix("-") {
            guard let duration = duration(String(text.dropFirst())) else {
                throw ToolError("'\(text)' is not a duration; write for example -1h, -30m or -1h30m")
            }
            return .timestamp(max(0, nowMs - duration))
        }
        if let offset = Int64(text), offset >= 0 { return .offset(Offset(offset)) }
        if let time = instant(text) { return .timestamp(time) }
        throw ToolError(
            "'\(text)' is no position; write earliest, latest, an offset, a time such as 2026-01-31T12:00:00Z, or -1h")
    }

    /// Milliseconds of `90s`, `1h30m`, `500ms`, `2d` or `1w`; nil for anything else.
    public static func duration(_ text: String) -> Int64? {
        var rest = text[...]
        var total: Int64 = 0
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            guard let count = Int64(digits) else { return nil }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            let factor: Int64
            switch unit {
            case "ms": factor = 1
            case "s": factor = 1_000
            case "m": factor = 60_000
            case "h": factor = 3_600_000
            case "d": factor = 86_400_000
            case "w": factor = 604_800_000
            default: return nil
            }
            let (product, overflow) = count.multipliedReportingOverflow(by: factor)
            let (sum, carried) = total.addingReportingOverflow(product)
            guard !overflow, !carried else { return nil }
            total = sum
        }
        return total
    }

    /// Milliseconds since 1970 of an ISO 8601 date, or date and time; UTC unless it names a zone. Nil for anything else.
    ///
    /// `2026-01-31`, `2026-01-31T12:00`, `2026-01-31 12:00:30.5Z`, `2026-01-31T12:00:00+02:00`.
    public static func instant(_ text: String) -> Int64? {
        var rest = text[...]
        guard let year = number(&rest, digits: 4), take("-", &rest), let month = number(&rest, digits: 2),
            take("-", &rest), let day = number(&rest, digits: 2), (1...12).contains(month),
            day >= 1, day <= daysIn(month: month, year: year)
        else { return nil }
        var milliseconds = daysSince1970(year: year, month: month, day: day) * 86_400_000
        if rest.isEmpty { return milliseconds }
        guard take("T", &rest) || take(" ", &rest), let hour = number(&rest, digits: 2), take(":", &rest),
            let minute = number(&rest, digits: 2), hour < 24, minute < 60
        else { return nil }
        milliseconds += hour * 3_600_000 + minute * 60_000
        if take(":", &rest) {
            guard let second = number(&rest, digits: 2), second < 60 else { return nil }
            milliseconds += second * 1_000
            if take(".", &rest) {
                let digits = rest.prefix { $0.isASCII && $0.isNumber }
                guard !digits.isEmpty, let value = Int64((digits + "00").prefix(3)) else { return nil }
                milliseconds += value
                rest = rest.dropFirst(digits.count)
            }
        }
        if rest.isEmpty || rest == "Z" || rest == "z" { return milliseconds }
        let sign: Int64
        if take("+", &rest) { sign = -1 } else if take("-", &rest) { sign = 1 } else { return nil }
        guard let hours = number(&rest, digits: 2), hours < 24 else { return nil }
        _ = take(":", &rest)
        let minutes = rest.isEmpty ? 0 : number(&rest, digits: 2)
        guard let minutes, minutes < 60, rest.isEmpty else { return nil }
        return milliseconds + sign * (hours * 3_600_000 + minutes * 60_000)
    }

    /// An instant as ISO 8601 in UTC, with milliseconds.
    public static func text(ofInstant milliseconds: Int64) -> String {
        let days = milliseconds >= 0 ? milliseconds / 86_400_000 : (milliseconds - 86_399_999) / 86_400_000
        let rest = milliseconds - days * 86_400_000
        // Howard Hinnant's civil_from_days.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let index = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * index + 2) / 5 + 1
        let month = index < 10 ? index + 3 : index - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        func pad(_ value: Int64, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "\(pad(year, 4))-\(pad(month, 2))-\(pad(day, 2))T\(pad(rest / 3_600_000, 2)):"
            + "\(pad(rest / 60_000 % 60, 2)):\(pad(rest / 1_000 % 60, 2)).\(pad(rest % 1_000, 3))Z"
    }

    private static func number(_ rest: inout Substring, digits: Int) -> Int64? {
        let text = rest.prefix(digits)
        guard text.count == digits, text.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        rest = rest.dropFirst(digits)
        return Int64(text)
    }

    private static func take(_ character: Character, _ rest: inout Substring) -> Bool {
        guard rest.first == character else { return false }
        rest = rest.dropFirst()
        return true
    }

    private static func daysIn(month: Int64, year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Howard Hinnant's days_from_civil.
    private static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}
