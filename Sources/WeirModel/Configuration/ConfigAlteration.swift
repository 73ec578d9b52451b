/// What IncrementalAlterConfigs does to a key; raw values are the wire's.
public enum ConfigOperation: Int8, Sendable, Hashable {
    case set = 0
    case delete = 1
    case append = 2
    case subtract = 3
}

/// One change that IncrementalAlterConfigs asks for.
public struct ConfigChange: Sendable, Hashable {
    public let name: String
    public let operation: ConfigOperation
    /// Nil only makes sense with `delete`.
    public let value: String?

    public init(name: String, operation: ConfigOperation, value: String?) {
        self.name = name
        self.operation = operation
        self.value = value
    }

    /// Reads the wire's form; an operation that Kafka does not have is refused.
    public init(name: String, operation raw: Int8, value: String?) throws(Refusal) {
        guard let operation = ConfigOperation(rawValue: raw) else {
            throw Refusal(.invalidRequest, "Unknown operation type \(raw) for configuration \(name)")
        }
        self.init(name: name, operation: operation, value: value)
    }
}

/// AlterConfigs and IncrementalAlterConfigs as functions from the settings before to those after.
public enum ConfigAlteration {
    /// A topic's settings after some changes.
    public static func topic(
        _ changes: [ConfigChange], to overrides: [String: String], broker: BrokerSettings
    ) throws(Refusal) -> [String: String] {
        let after = try applied(changes, to: overrides, definition: topicDefinition) { name in
            TopicConfigs.definition(name).flatMap(broker.inherited)
        }
        if let problem = TopicConfigs.problem(with: after, broker: broker) {
            throw Refusal(.invalidConfig, problem)
        }
        return after
    }

    /// A topic's settings replaced as a whole, which is what the older AlterConfigs does; nil values are left out.
    public static func replacingTopic(
        with settings: [(name: String, value: String?)], broker: BrokerSettings
    ) throws(Refusal) -> [String: String] {
        let changes = settings.map {
            ConfigChange(name: $0.name, operation: $0.value == nil ? .delete : .set, value: $0.value)
        }
        return try topic(changes, to: [:], broker: broker)
    }

    /// The dynamic settings of a broker, or of all brokers, after some changes.
    ///
    /// - Parameters:
    ///   - settings: The dynamic settings before.
    ///   - broker: The broker's settings, which give lists their starting point.
    public static func broker(
        _ changes: [ConfigChange], to settings: [String: String], broker: BrokerSettings
    ) throws(Refusal) -> [String: String] {
        let after = try applied(changes, to: settings, definition: brokerDefinition) { broker.value($0) }
        for (name, value) in after.sorted(by: { $0.key < $1.key }) {
            if let problem = BrokerConfigs.validate(name: name, value: value) { throw Refusal(.invalidConfig, problem) }
        }
        return after
    }

    /// The dynamic settings of a broker, or of all, replaced as a whole.
    public static func replacingBroker(
        with settings: [(name: String, value: String?)], broker: BrokerSettings
    ) throws(Refusal) -> [String: String] {
        let changes = settings.map {
            ConfigChange(name: $0.name, operation: $0.value == nil ? .delete : .set, value: $0.value)
        }
        return try Self.broker(changes, to: [:], broker: broker)
    }

    private static func topicDefinition(_ name: String) throws(Refusal) -> ConfigDefinition {
        guard let definition = TopicConfigs.definition(name) else {
            throw Refusal(
                .invalidConfig, TopicConfigs.validate(name: name, value: "") ?? "Unknown topic config name: \(name)")
        }
        return definition
    }

    private static func brokerDefinition(_ name: String) throws(Refusal) -> ConfigDefinition {
        guard let definition = BrokerConfigs.definition(name) else {
            throw Refusal(
                .invalidConfig, BrokerConfigs.validate(name: name, value: "") ?? "Unknown configuration \(name)")
        }
        if definition.isReadOnly {
            throw Refusal(
                .invalidRequest,
                "Cannot update \(name) dynamically: it is read when the broker starts; set it in the configuration file, "
                    + "the environment or with --set")
        }
        return definition
    }

    private static func applied(
        _ changes: [ConfigChange], to settings: [String: String],
        definition: (String) throws(Refusal) -> ConfigDefinition, inherited: (String) -> String?
    ) throws(Refusal) -> [String: String] {
        if Set(changes.map(\.name)).count != changes.count {
            throw Refusal(.invalidRequest, "Error due to duplicate config keys")
        }
        var after = settings
        for change in changes {
            let definition = try definition(change.name)
            if change.operation == .delete {
                after[change.name] = nil
                continue
            }
            guard let value = change.value else {
                throw Refusal(.invalidRequest, "Null value not supported for : \(change.name)")
            }
            if change.operation == .set {
                after[change.name] = value
                continue
            }
            guard definition.type == .list else {
                let word = change.operation == .append ? "append" : "subtract"
                throw Refusal(
                    .invalidConfig,
                    "Config value \(word) is not allowed for config key: \(change.name), which is no list")
            }
            let items = ConfigValue.list(after[change.name] ?? inherited(change.name) ?? "")
            let named = ConfigValue.list(value)
            if change.operation == .append {
                after[change.name] = (items + named.filter { !items.contains($0) }).joined(separator: ",")
            } else {
                after[change.name] = items.filter { !named.contains($0) }.joined(separator: ",")
            }
        }
        return after
    }
}
