// The keys and values as they are stored. JSON, so that an operator can read them with any tool, and a field can be added;
// a change that an older broker would misread needs a new `RegistrySchema.version`.

import FoundationEssentials
import WeirModel

/// The version of keys and values. A broker refuses a registry whose version is higher than its own.
public enum RegistrySchema {
    public static let version = 1
}

/// The names of keys.
enum RegistryKey {
    static let schemaVersion = "schemaVersion"
    static let clusterID = "clusterId"
    static let producerIDs = "producerIds"
    static let topics = "topics/"
    static let partitions = "partitions/"
    static let topicConfigs = "configs/topic/"
    static let brokerConfigs = "configs/broker/"
    static let brokers = "brokers/"
    static let brokerEpochs = "brokerEpoch/"
    /// The last operation that each broker committed, to learn what became of one with an unknown outcome.
    static let operations = "operations/"

    static func topic(_ name: String) -> String { topics + name }
    static func partition(_ topic: UniqueID, _ index: Int) -> String { "\(partitions)\(topic)/\(index)" }
    static func topicConfig(_ name: String) -> String { topicConfigs + name }
    static func brokerConfig(_ broker: BrokerID?) -> String {
        brokerConfigs + (broker.map(\.description) ?? "default")
    }
    static func broker(_ id: BrokerID) -> String { brokers + id.description }
    static func brokerEpoch(_ id: BrokerID) -> String { brokerEpochs + id.description }
    static func operation(_ id: BrokerID) -> String { operations + id.description }
}

struct StoredSchemaVersion: Codable { var version: Int }
struct StoredClusterID: Codable { var id: String }
struct StoredProducerIDs: Codable { var next: Int64 }
struct StoredOperation: Codable { var id: String }
struct StoredBrokerEpoch: Codable { var epoch: Int64 }

/// `topics/<name>`.
struct StoredTopic: Codable {
    var id: String
    /// How many partitions it has; their own keys are written first.
    var partitions: Int
    var isInternal: Bool
}

/// `partitions/<topic id>/<index>`.
struct StoredPartition: Codable {
    var replicas: [Int32]
    /// -1 when there is none.
    var leader: Int32
    var leaderEpoch: Int32
    var isr: [Int32]
    var elr: [Int32]
    var partitionEpoch: Int32
}

/// `brokers/<id>`.
struct StoredBroker: Codable {
    struct Endpoint: Codable {
        var listener: String
        var host: String
        var port: Int
        var securityProtocol: String
    }
    var incarnation: String
    var epoch: Int64
    var endpoints: [Endpoint]
    var rack: String?
    var directories: [String]
    var isFenced: Bool
}

/// JSON in and out. Keys are sorted, so that equal values are equal bytes.
enum RegistryJSON {
    static func encode(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else {
            preconditionFailure("the registry's values hold nothing that JSON cannot")
        }
        return [UInt8](data)
    }

    static func decode<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8], key: String) throws(RegistryError)
        -> Value
    {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw RegistryError(.corrupt, "the registry's value under '\(key)' cannot be read: \(error)")
        }
    }
}
