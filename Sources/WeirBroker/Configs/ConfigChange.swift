import WeirModel

/// What AlterConfigs and IncrementalAlterConfigs change.
enum ConfigResource: Hashable, Sendable {
    case topic(String)
    /// One broker; nil for all of them.
    case broker(BrokerID?)

    /// Reads Kafka's resource types: 2 topic, 4 broker, 8 broker loggers, 16 client metrics, 32 groups.
    init(type: Int8, name: String) throws(Refusal) {
        switch type {
        case 2: self = .topic(name)
        case 4:
            if name.isEmpty {
                self = .broker(nil)
            } else if let id = Int32(name), id >= 0 {
                self = .broker(BrokerID(id))
            } else {
                throw Refusal(.invalidRequest, "Broker id must be an integer, but it is: \(name)")
            }
        default: throw Refusal(.invalidRequest, "configurations of the resource type \(type) are not supported")
        }
    }
}

/// One change to one key.
struct ConfigChange: Sendable, Equatable {
    enum Operation: Int8, Sendable {
        case set = 0
        case delete = 1
        case append = 2
        case subtract = 3
    }

    let name: String
    let operation: Operation
    let value: String?
}

extension ConfigChange {
    /// The settings after the changes, checked key by key.
    ///
    /// - Parameters:
    ///   - current: What is set now.
    ///   - definition: What is known of a key.
    ///   - inherited: The value that a key has when it is not set: what APPEND and SUBTRACT start from.
    static func apply(
        _ changes: [ConfigChange], to current: [String: String],
        definition: (String) -> ConfigDefinition?, inherited: (ConfigDefinition) -> String?
    ) throws(Refusal) -> [String: String] {
        var settings = current
        var seen: Set<String> = []
        for change in changes {
            guard seen.insert(change.name).inserted else {
                throw Refusal(.invalidRequest, "Error due to duplicate config keys: \(change.name)")
            }
            if change.operation == .delete {
                settings[change.name] = nil
                continue
            }
            guard let value = change.value else {
                throw Refusal(.invalidRequest, "Null value not supported for: \(change.name)")
            }
            guard change.operation != .set else {
                settings[change.name] = value
                continue
            }
            guard let known = definition(change.name), known.type == .list else {
                throw Refusal(
                    .invalidConfig,
                    "Config value append and subtract are only allowed for lists, which \(change.name) is not")
            }
            var items = ConfigValue.list(settings[change.name] ?? inherited(known) ?? "")
            let named = ConfigValue.list(value)
            if change.operation == .append {
                items += named.filter { !items.contains($0) }
            } else {
                items.removeAll { named.contains($0) }
            }
            settings[change.name] = items.joined(separator: ",")
        }
        return settings
    }
}
