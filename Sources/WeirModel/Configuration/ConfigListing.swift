/// Where a described value comes from; raw values are those of DescribeConfigs' `ConfigSource`.
public enum DescribedSource: Int8, Sendable, Hashable {
    case topic = 1
    case dynamicBroker = 2
    case dynamicDefaultBroker = 3
    case staticBroker = 4
    case `default` = 5
}

/// One key as DescribeConfigs answers it.
public struct ConfigDescription: Sendable, Hashable {
    /// One of the settings that the value is chosen from.
    public struct Synonym: Sendable, Hashable {
        public let name: String
        /// Nil when it is a secret.
        public let value: String?
        public let source: DescribedSource

        public init(name: String, value: String?, source: DescribedSource) {
            self.name = name
            self.value = value
            self.source = source
        }
    }

    public let name: String
    /// The value in force; nil when it is a secret, or there is none.
    public let value: String?
    public let source: DescribedSource
    public let isReadOnly: Bool
    public let isSensitive: Bool
    /// Every setting and default that stands for this key, the one in force first.
    public let synonyms: [Synonym]
    public let type: ConfigType
    public let documentation: String

    /// Whether nobody set it, for version 0 of the answer.
    public var isDefault: Bool { source == .default }
}

/// What DescribeConfigs answers.
public enum ConfigListing {
    /// A topic's keys, by name.
    ///
    /// - Parameters:
    ///   - overrides: The topic's own settings.
    ///   - names: The keys that are asked for; nil for all. Unknown ones are left out, as in Kafka.
    public static func topic(
        overrides: [String: String], broker: BrokerSettings, names: [String]? = nil
    ) -> [ConfigDescription] {
        chosen(TopicConfigs.all, names, TopicConfigs.definition).map { definition in
            var synonyms = definition.synonyms.flatMap { broker.settings(of: $0.name) }
            if let override = overrides[definition.name] {
                synonyms.insert(.init(name: definition.name, value: override, source: .topic), at: 0)
            }
            if synonyms.isEmpty, let value = definition.defaultValue {
                synonyms = [.init(name: definition.name, value: value, source: .default)]
            }
            let value = overrides[definition.name] ?? broker.inherited(definition)
            return ConfigDescription(
                name: definition.name, value: definition.isSensitive ? nil : value,
                source: synonyms.first?.source ?? .default, isReadOnly: false, isSensitive: definition.isSensitive,
                synonyms: synonyms, type: definition.type, documentation: definition.text)
        }
    }

    /// A broker's keys, by name: those that Weir acts on or will, and whatever else was set.
    public static func broker(_ broker: BrokerSettings, names: [String]? = nil) -> [ConfigDescription] {
        let all = BrokerConfigs.all.filter {
            if case .notApplicable = $0.effect { return broker.values[$0.name] != nil }
            return true
        }
        return chosen(all, names, BrokerConfigs.definition).map { definition in
            describe(definition, synonyms: chain(of: definition.name).flatMap { broker.settings(of: $0) }, broker)
        }
    }

    /// What is set for all brokers in the registry, the resource whose name is empty.
    public static func brokerDefaults(
        _ dynamicForAll: [String: String], names: [String]? = nil
    ) -> [ConfigDescription] {
        let all = BrokerConfigs.all.filter { dynamicForAll[$0.name] != nil }
        return chosen(all, names, BrokerConfigs.definition).compactMap { definition in
            guard let value = dynamicForAll[definition.name] else { return nil }
            let shown = definition.isSensitive ? nil : value
            return ConfigDescription(
                name: definition.name, value: shown, source: .dynamicDefaultBroker, isReadOnly: definition.isReadOnly,
                isSensitive: definition.isSensitive,
                synonyms: [.init(name: definition.name, value: shown, source: .dynamicDefaultBroker)],
                type: definition.type, documentation: definition.text)
        }
    }

    private static func describe(
        _ definition: ConfigDefinition, synonyms: [ConfigDescription.Synonym], _ broker: BrokerSettings
    ) -> ConfigDescription {
        let own = synonyms.first { $0.name == definition.name }
        return ConfigDescription(
            name: definition.name, value: definition.isSensitive ? nil : broker.value(definition.name),
            source: own?.source ?? .default, isReadOnly: definition.isReadOnly, isSensitive: definition.isSensitive,
            synonyms: synonyms, type: definition.type, documentation: definition.text)
    }

    /// The broker keys that stand for the same thing, the strongest first.
    private static func chain(of name: String) -> [String] {
        for topic in TopicConfigs.all where topic.synonyms.count > 1 {
            if topic.brokerSynonyms.contains(name) { return topic.brokerSynonyms }
        }
        switch name {
        case "log.dirs", "log.dir": return ["log.dirs", "log.dir"]
        case "node.id", "broker.id": return ["node.id", "broker.id"]
        default: return [name]
        }
    }

    private static func chosen(
        _ all: [ConfigDefinition], _ names: [String]?, _ definition: (String) -> ConfigDefinition?
    ) -> [ConfigDefinition] {
        guard let names else { return all }
        return Set(names).sorted().compactMap(definition)
    }
}

extension ConfigDefinition {
    /// The documentation, with what has no effect said in it.
    var text: String {
        switch effect {
        case .applies: documentation
        case .notYet(let reason): "\(documentation) No effect yet: \(reason)."
        case .notApplicable(let reason): "\(documentation) No effect: \(reason)."
        }
    }
}

extension BrokerSettings {
    /// All that is set for one broker key, the strongest first, its default last.
    func settings(of key: String) -> [ConfigDescription.Synonym] {
        let definition = BrokerConfigs.definition(key)
        let isSensitive = definition?.isSensitive ?? false
        let found: [(String?, DescribedSource)] = [
            (dynamicForBroker[key], .dynamicBroker),
            (dynamicForAll[key], .dynamicDefaultBroker),
            (values[key], .staticBroker),
            (definition?.defaultValue, .default),
        ]
        return found.compactMap { value, source in
            value.map { .init(name: key, value: isSensitive ? nil : $0, source: source) }
        }
    }
}
