/// Where a broker's setting was made; later ones win.
public enum ConfigSource: Int, Sendable, Comparable {
    case `default`
    case file
    case environment
    case commandLine

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// One setting as somebody made it.
public struct ConfigEntry: Sendable, Hashable {
    public let key: String
    public let value: String
    public let source: ConfigSource
    /// Where exactly, for messages: `server.properties, line 12`.
    public let origin: String

    public init(key: String, value: String, source: ConfigSource, origin: String) {
        self.key = key
        self.value = value
        self.source = source
        self.origin = origin
    }

    /// Reads the value of a `--set` option, `KEY=VALUE`.
    public static func commandLine(_ text: String) throws(ConfigurationError) -> ConfigEntry {
        guard let separator = text.firstIndex(of: "="), separator > text.startIndex else {
            throw ConfigurationError("--set \(text): must be KEY=VALUE")
        }
        let key = ConfigValue.trimmed(String(text[..<separator]))
        let value = String(text[text.index(after: separator)...])
        return ConfigEntry(key: key, value: value, source: .commandLine, origin: "--set \(key)")
    }

    /// The settings among a process's environment variables: `WEIR_LOG_SEGMENT_BYTES` is `log.segment.bytes`.
    ///
    /// Passed over are `WEIR_TEST_…` and `WEIR_BENCH_…`, which belong to Weir's own tests, and `WEIR_SERVICE_…`,
    /// `WEIR_PORT` and `WEIR_PORT_…`, which Kubernetes puts into every container beside a service named weir.
    public static func environment(_ variables: [String: String]) -> [ConfigEntry] {
        variables.sorted { $0.key < $1.key }.compactMap { name, value in
            guard name.hasPrefix("WEIR_"), !isForeign(name) else { return nil }
            let key = name.dropFirst(5).lowercased().split(separator: "_", omittingEmptySubsequences: false)
                .joined(separator: ".")
            return ConfigEntry(
                key: key, value: value, source: .environment, origin: "environment variable \(name)")
        }
    }

    /// The environment variable that sets a key.
    public static func environmentName(of key: String) -> String {
        "WEIR_" + key.uppercased().split(separator: ".", omittingEmptySubsequences: false).joined(separator: "_")
    }

    /// Whether this is a variable of somebody else's that happens to start with `WEIR_`: unlike a file, the environment is
    /// shared. A name close to one of Weir's keys is a misspelling, and refused.
    var isForeign: Bool {
        source == .environment && BrokerConfigs.definition(key) == nil && BrokerConfigs.nearest(to: key) == nil
    }

    private static func isForeign(_ name: String) -> Bool {
        name == "WEIR_PORT"
            || ["WEIR_TEST_", "WEIR_BENCH_", "WEIR_SERVICE_", "WEIR_PORT_"].contains { name.hasPrefix($0) }
    }
}

/// Why a configuration is refused: everything that is wrong with it.
public struct ConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// One sentence each, naming where, key, value and what is allowed.
    public let problems: [String]

    public init(_ problem: String) { problems = [problem] }
    public init(_ problems: [String]) { self.problems = problems }

    /// All of it on one line.
    public var description: String { problems.joined(separator: "; ") }
}
