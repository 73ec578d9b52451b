/// What a principal wants to do it to.
public struct Resource: Hashable, Sendable {
    /// Kafka's codes (`ResourceType`).
    public enum Kind: Int8, Sendable {
        case topic = 2
        case group = 3
        case cluster = 4
        case transactionalID = 5
    }

    public let kind: Kind
    public let name: String

    public init(kind: Kind, name: String) {
        self.kind = kind
        self.name = name
    }

    public static func topic(_ name: String) -> Resource { Resource(kind: .topic, name: name) }
    public static func group(_ id: String) -> Resource { Resource(kind: .group, name: id) }
    public static func transactionalID(_ id: String) -> Resource { Resource(kind: .transactionalID, name: id) }
    /// The cluster as a whole, under the name that Kafka gives it.
    public static let cluster = Resource(kind: .cluster, name: "kafka-cluster")

    /// The operations that make sense for the kind, in Kafka's order: what "authorised operations" are counted over.
    public var operations: [Operation] {
        switch kind {
        case .topic: [.read, .write, .create, .delete, .alter, .describe, .describeConfigs, .alterConfigs]
        case .group: [.read, .delete, .describe, .describeConfigs, .alterConfigs]
        case .cluster:
            [.create, .alter, .describe, .clusterAction, .describeConfigs, .alterConfigs, .idempotentWrite]
        case .transactionalID: [.write, .describe]
        }
    }
}
