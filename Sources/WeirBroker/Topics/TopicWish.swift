import WeirModel
import WeirRegistry

/// What a client wants of a new topic.
struct TopicWish: Sendable {
    var name: String
    /// -1 for the broker's default.
    var partitions: Int32 = -1
    /// -1 for the broker's default.
    var replicationFactor: Int16 = -1
    /// Replicas by partition number; empty when the broker is to choose.
    var assignments: [(partition: Int32, brokers: [Int32])] = []
    /// A null value stands for a key without one, which is refused.
    var configs: [(name: String, value: String?)] = []

    /// Checks what the registry's store does not, in Kafka's order and with Kafka's codes, and fills the defaults in.
    func resolved(_ state: ClusterState, _ settings: BrokerSettings) throws(Refusal) -> NewTopic {
        if let problem = TopicName.problem(with: name) { throw Refusal(.invalidTopic, problem) }
        if TopicName.isInternal(name) { throw Refusal(.invalidTopic, "\(name) is made by the broker itself") }
        if state.topics[name] != nil { throw Refusal(.topicAlreadyExists, "Topic '\(name)' already exists.") }
        if let other = Self.collision(of: name, in: state) {
            throw Refusal(.invalidTopic, "Topic '\(name)' collides with existing topic: \(other)")
        }
        var new = NewTopic(
            name: name, partitions: partitions == -1 ? settings.numPartitions : partitions,
            replicationFactor: replicationFactor == -1 ? settings.defaultReplicationFactor : replicationFactor)
        for (key, value) in configs {
            guard let value else { throw Refusal(.invalidConfig, "Null value not supported for topic configs: \(key)") }
            new.configs[key] = value
        }
        if let problem = TopicConfigs.problem(with: new.configs, broker: settings) {
            throw Refusal(.invalidConfig, problem)
        }
        if !assignments.isEmpty { new.assignment = try assignment() }
        return new
    }

    private func assignment() throws(Refusal) -> [[BrokerID]] {
        guard partitions == -1, replicationFactor == -1 else {
            throw Refusal(
                .invalidRequest,
                "Both numPartitions or replicationFactor and replicasAssignments were set. "
                    + "Both cannot be used at the same time.")
        }
        let sorted = assignments.sorted { $0.partition < $1.partition }
        for (expected, given) in sorted.enumerated() where Int(given.partition) != expected {
            throw Refusal(
                .invalidReplicaAssignment,
                "partitions should be a consecutive 0-based integer sequence, not \(given.partition) at \(expected)")
        }
        return sorted.map { $0.brokers.map { BrokerID($0) } }
    }

    /// A topic that differs from the name in nothing but dots and underscores: metric names make them the same, so Kafka
    /// refuses the second.
    private static func collision(of name: String, in state: ClusterState) -> String? {
        guard name.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_") }) else { return nil }
        let count = name.utf8.count
        let folded = fold(name)
        return state.topics.keys.first { $0.utf8.count == count && fold($0) == folded }
    }

    private static func fold(_ name: String) -> [UInt8] {
        name.utf8.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "_") : $0 }
    }
}
