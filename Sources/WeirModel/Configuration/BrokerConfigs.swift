/// Every broker configuration: Kafka's, those that do not apply to Weir included, and Weir's own.
///
/// Source: Kafka's `KafkaConfig` of 3.9 and 4.x, and the classes it is put together from.
public enum BrokerConfigs {
    /// All of them, by name.
    public static let all: [ConfigDefinition] =
        (identity + storage + cleaner + topicDefaults + connections + topicsAndGroups + later + notApplicable)
        .sorted { $0.name < $1.name }

    private static let byName: [String: ConfigDefinition] = Dictionary(
        uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// What is known of a key; nil when it is unknown. Kafka's `listener.name.<listener>.<key>` gets the definition of
    /// the key it narrows.
    public static func definition(_ name: String) -> ConfigDefinition? {
        if let definition = byName[name] { return definition }
        let prefix = "listener.name."
        guard name.hasPrefix(prefix) else { return nil }
        var rest = name.dropFirst(prefix.count)
        while let dot = rest.firstIndex(of: ".") {
            rest = rest[rest.index(after: dot)...]
            guard let narrowed = byName[String(rest)] else { continue }
            return ConfigDefinition(
                name, narrowed.type, nil, narrowed.bounds, readOnly: true,
                effect: .notYet("settings of a single listener are not built yet"), narrowed.documentation)
        }
        return nil
    }

    /// The known key that somebody who wrote `name` most likely meant; nil when none is near.
    public static func nearest(to name: String) -> String? {
        Spelling.nearest(to: name, among: all.map(\.name))
    }

    /// Why a setting is refused; nil when it is fine.
    public static func validate(name: String, value: String) -> String? {
        guard let definition = definition(name) else {
            let hint = nearest(to: name).map { "; did you mean \($0)?" } ?? ""
            return "Unknown configuration \(name)\(hint)"
        }
        return definition.problem(with: value)
    }

    /// The broker keys that give topics their defaults, made from the topics' definitions so that the two cannot differ,
    /// but for Kafka's variants in other units.
    private static let topicDefaults: [ConfigDefinition] = {
        var made: [String: ConfigDefinition] = [:]
        for topic in TopicConfigs.all {
            for (position, synonym) in topic.synonyms.enumerated() {
                // Only the last of a chain carries the default, or the weaker ones could never speak.
                let isLast = position == topic.synonyms.count - 1
                let unit = synonym.factor
                made[synonym.name] = ConfigDefinition(
                    synonym.name, unit == 1 ? topic.type : .int,
                    isLast ? topic.defaultValue.map { inUnit($0, unit) } : nil,
                    unit == 1 ? topic.bounds : topic.bounds.inUnit(unit),
                    readOnly: position > 0, effect: topic.effect,
                    "The default of the topic configuration \(topic.name)\(phrase(unit)). \(topic.documentation)")
            }
        }
        return Array(made.values)
    }()

    private static func inUnit(_ value: String, _ unit: Int64) -> String {
        guard unit > 1, let number = ConfigValue.integer(value), number > 0 else { return value }
        return String(number / unit)
    }

    private static func phrase(_ unit: Int64) -> String {
        switch unit {
        case TopicConfigs.hour: ", in hours"
        case TopicConfigs.minute: ", in minutes"
        default: ""
        }
    }
}

extension ConfigBounds {
    /// The same bounds for a key that counts in a larger unit.
    fileprivate func inUnit(_ unit: Int64) -> ConfigBounds {
        guard case .integers(let range) = self else { return self }
        let lower = range.lowerBound > 0 ? max(1, range.lowerBound / unit) : range.lowerBound
        return .integers(lower...max(lower, range.upperBound / unit))
    }
}
