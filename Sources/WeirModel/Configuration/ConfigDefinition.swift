/// The type of a configuration value; raw values are those of DescribeConfigs' `ConfigType`.
public enum ConfigType: Int8, Sendable, CaseIterable {
    case boolean = 1
    case string = 2
    case int = 3
    case short = 4
    case long = 5
    case double = 6
    case list = 7
    case className = 8
    case password = 9
}

/// Which values of the right type a key takes.
public enum ConfigBounds: Sendable {
    /// Whatever the type allows.
    case any
    /// Whole numbers in the range, within the type's own.
    case integers(ClosedRange<Int64>)
    /// Whole numbers in the range, and one number outside it that has a meaning of its own.
    case integersOr(Int64, ClosedRange<Int64>)
    /// Numbers in the range.
    case doubles(ClosedRange<Double>)
    /// One of the words; upper and lower case are told apart.
    case oneOf([String])
    /// A list of at least one of the words.
    case someOf([String])
    /// A string that is not empty.
    case notEmpty

    /// Whole numbers from the given one.
    static func atLeast(_ smallest: Int64) -> ConfigBounds { .integers(smallest...Int64.max) }
}

/// Whether Weir acts on a key.
public enum ConfigEffect: Sendable, Equatable {
    /// Weir does what Kafka documents.
    case applies
    /// Accepted, checked, kept and described, and nothing else so far; the text says what is missing.
    case notYet(String)
    /// A Kafka key for something that Weir does not have; accepted with a warning. The text says why.
    case notApplicable(String)
}

/// A broker key that gives a topic key its default.
public struct ConfigSynonym: Sendable, Hashable {
    /// The broker's key, such as `log.retention.hours`.
    public let name: String
    /// What one unit of the broker's key is in units of the topic's key: 3,600,000 for hours to milliseconds.
    public let factor: Int64

    public init(_ name: String, factor: Int64 = 1) {
        self.name = name
        self.factor = factor
    }
}

/// What is known of one configuration key: type, default, bounds, documentation.
public struct ConfigDefinition: Sendable {
    public let name: String
    public let type: ConfigType
    /// The value without any setting, in the form it would be written; nil when unset means something of its own.
    public let defaultValue: String?
    public let bounds: ConfigBounds
    public let documentation: String
    /// Whether the value is taken at start only, so that AlterConfigs refuses it.
    public let isReadOnly: Bool
    public let effect: ConfigEffect
    /// For topic keys: the broker keys that give the default, the strongest first.
    public let synonyms: [ConfigSynonym]

    public init(
        _ name: String, _ type: ConfigType, _ defaultValue: String?, _ bounds: ConfigBounds = .any,
        readOnly: Bool = false, effect: ConfigEffect = .applies, synonyms: [ConfigSynonym] = [], _ documentation: String
    ) {
        self.name = name
        self.type = type
        self.defaultValue = defaultValue
        self.bounds = bounds
        self.documentation = documentation
        self.isReadOnly = readOnly
        self.effect = effect
        self.synonyms = synonyms
    }

    /// Whether the value is a secret, shown to nobody.
    public var isSensitive: Bool { type == .password }

    /// Whether setting it changes what Weir does.
    public var hasEffect: Bool { effect == .applies }

    /// The names of the broker keys that give a topic key its default, the strongest first.
    public var brokerSynonyms: [String] { synonyms.map(\.name) }
}
