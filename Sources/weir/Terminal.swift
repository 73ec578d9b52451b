import WeirTools

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The person in front of the terminal, if there is one.
enum Terminal {
    static var hasInput: Bool { isatty(STDIN_FILENO) == 1 }
    static var hasOutput: Bool { isatty(STDOUT_FILENO) == 1 }
    static var hasErrors: Bool { isatty(STDERR_FILENO) == 1 }

    /// Shows what is about to happen and asks, unless `yes` answered already or nobody is there to ask.
    ///
    /// Throws when the answer is no.
    static func confirm(_ plan: [String], yes: Bool) throws {
        guard hasInput, hasErrors else { return }
        for line in plan { StandardError.print(line) }
        if yes { return }
        StandardError.write("Go ahead? [y/N] ")
        let answer = readLine()?.lowercased() ?? ""
        guard answer == "y" || answer == "yes" else { throw CommandFailure("nothing was changed") }
    }
}

/// Tells on standard error how far long work has come, when that is a terminal.
struct ProgressLine {
    private let isShown = Terminal.hasErrors
    private let what: String
    private let start = Self.now()
    private var shownAt: Int64 = 0
    private var hasLine = false

    init(_ what: String) { self.what = what }

    mutating func update(_ count: Int) {
        guard isShown else { return }
        let now = Self.now()
        guard now - shownAt >= 500, now - start >= 1_000 else { return }
        shownAt = now
        hasLine = true
        let rate = Int64(count) * 1_000 / max(1, now - start)
        StandardError.write("\r\(count) records \(what), \(rate) a second\u{1B}[K")
    }

    /// Clears the line.
    func end() {
        if hasLine { StandardError.write("\r\u{1B}[K") }
    }

    private static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }
}

/// The time of day, for positions such as `-1h`.
func nowMilliseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
}

/// Standard output for records: bytes are collected and written in large pieces.
struct RecordOutput {
    var bytes: [UInt8] = []

    /// Writes what has been collected. False when nobody reads any more.
    mutating func flush() -> Bool {
        defer { bytes.removeAll(keepingCapacity: true) }
        return bytes.withUnsafeBytes { all in
            var rest = all
            while rest.count > 0 {
                let written = write(STDOUT_FILENO, rest.baseAddress, rest.count)
                if written < 0, errno == EINTR { continue }
                if written <= 0 { return false }
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            }
            return true
        }
    }
}
