import WeirModel

/// Where a value comes from, with Kafka's codes (`DescribeConfigsResponse.ConfigSource`).
enum ConfigOrigin: Int8, Sendable {
    case dynamicTopic = 1
    case dynamicBroker = 2
    case dynamicDefaultBroker = 3
    case staticBroker = 4
    case defaultConfig = 5
}

/// One configuration key as DescribeConfigs shows it: the value in force, and everything that it would be without the
/// stronger settings.
struct ConfigView: Sendable {
    struct Synonym: Sendable, Equatable {
        let name: String
        let value: String?
        let source: ConfigOrigin
    }

    let definition: ConfigDefinition
    let value: String?
    let source: ConfigOrigin
    /// The settings that matter, the strongest first; the first is the one in force.
    let synonyms: [Synonym]

    var name: String { definition.name }
    var isReadOnly: Bool { definition.isReadOnly }
    var isSensitive: Bool { definition.isSensitive }

    private init(_ definition: ConfigDefinition, value: String?, source: ConfigOrigin, synonyms: [Synonym]) {
        self.definition = definition
        let hidden = definition.isSensitive
        self.value = hidden ? nil : value
        self.source = source
        self.synonyms =
            hidden ? synonyms.map { Synonym(name: $0.name, value: nil, source: $0.source) } : synonyms
    }

    /// Every topic key.
    static func topic(overrides: [String: String], _ settings: BrokerSettings) -> [ConfigView] {
        TopicConfigs.all.map { definition in
            var synonyms: [Synonym] = []
            if let own = overrides[definition.name] {
                synonyms.append(Synonym(name: definition.name, value: own, source: .dynamicTopic))
            }
            for name in definition.brokerSynonyms { synonyms += layers(name, settings, withDefault: false) }
            // The default is that of the weakest synonym, as Kafka shows it.
            if let last = definition.brokerSynonyms.last {
                if let value = BrokerConfigs.definition(last)?.defaultValue {
                    synonyms.append(Synonym(name: last, value: value, source: .defaultConfig))
                }
            }
            let inForce = overrides[definition.name] ?? settings.inherited(definition)
            return ConfigView(
                definition, value: inForce, source: synonyms.first?.source ?? .defaultConfig, synonyms: synonyms)
        }
    }

    /// Every broker key, as this broker has it.
    static func broker(_ settings: BrokerSettings) -> [ConfigView] {
        BrokerConfigs.all.map { definition in
            let synonyms = layers(definition.name, settings, withDefault: true)
            return ConfigView(
                definition, value: settings.value(definition.name), source: synonyms.first?.source ?? .defaultConfig,
                synonyms: synonyms)
        }
    }

    /// The keys that were set for all brokers at once.
    static func clusterDefaults(_ settings: BrokerSettings) -> [ConfigView] {
        settings.dynamicForAll.sorted { $0.key < $1.key }.compactMap { name, value in
            guard let definition = BrokerConfigs.definition(name) else { return nil }
            return ConfigView(
                definition, value: value, source: .dynamicDefaultBroker,
                synonyms: [Synonym(name: name, value: value, source: .dynamicDefaultBroker)])
        }
    }

    private static func layers(_ name: String, _ settings: BrokerSettings, withDefault: Bool) -> [Synonym] {
        var layers: [Synonym] = []
        if let value = settings.dynamicForBroker[name] {
            layers.append(Synonym(name: name, value: value, source: .dynamicBroker))
        }
        if let value = settings.dynamicForAll[name] {
            layers.append(Synonym(name: name, value: value, source: .dynamicDefaultBroker))
        }
        if let value = settings.values[name] {
            layers.append(Synonym(name: name, value: value, source: .staticBroker))
        }
        if withDefault, let value = BrokerConfigs.definition(name)?.defaultValue {
            layers.append(Synonym(name: name, value: value, source: .defaultConfig))
        }
        return layers
    }
}
