public import WeirModel

/// Where a broker can be reached on one of its listeners.
public struct BrokerEndpoint: Sendable, Hashable {
    public var listener: String
    public var host: String
    public var port: Int
    /// `PLAINTEXT`, `SSL`, …
    public var securityProtocol: String

    public init(listener: String, host: String, port: Int, securityProtocol: String = "PLAINTEXT") {
        self.listener = listener
        self.host = host
        self.port = port
        self.securityProtocol = securityProtocol
    }
}

/// A broker that is there.
public struct BrokerRegistration: Sendable, Hashable {
    public var id: BrokerID
    public var endpoints: [BrokerEndpoint]
    public var rack: String?
    /// A new one for each start of the process.
    public var incarnation: UniqueID
    /// The directory ids of its `meta.properties`.
    public var directories: [UniqueID]
    /// Grows with every registration of this id.
    public var epoch: Int64
    public var isFenced: Bool

    /// The address of its first listener.
    public var host: String { endpoints.first?.host ?? "" }
    public var port: Int { endpoints.first?.port ?? -1 }

    /// Its address on a listener.
    public func endpoint(_ listener: String) -> BrokerEndpoint? { endpoints.first { $0.listener == listener } }
}

/// A partition's replicas and who leads.
public struct PartitionState: Sendable, Hashable {
    public var replicas: [BrokerID]
    /// Nil when the partition is offline.
    public var leader: BrokerID?
    public var leaderEpoch: LeaderEpoch
    public var isr: [BrokerID]
    /// Eligible leaders beside the ISR (KIP-966).
    public var elr: [BrokerID]
    /// Grows with every change of this state.
    public var partitionEpoch: Int32

    public init(
        replicas: [BrokerID], leader: BrokerID?, leaderEpoch: LeaderEpoch = LeaderEpoch(0), isr: [BrokerID],
        elr: [BrokerID] = [], partitionEpoch: Int32 = 0
    ) {
        self.replicas = replicas
        self.leader = leader
        self.leaderEpoch = leaderEpoch
        self.isr = isr
        self.elr = elr
        self.partitionEpoch = partitionEpoch
    }
}

/// A topic.
public struct TopicState: Sendable, Hashable {
    public var name: String
    /// Never zero, and never used again.
    public var id: UniqueID
    /// By index, none missing.
    public var partitions: [PartitionState]
    public var isInternal: Bool
}

/// The cluster's metadata after one commit: a value, folded from the registry's entries.
public struct ClusterState: Sendable {
    public internal(set) var revision = Revision.zero
    /// Zero before the registry has one.
    public internal(set) var clusterID = UniqueID.zero
    public internal(set) var schemaVersion = 0
    public internal(set) var brokers: [BrokerID: BrokerRegistration] = [:]
    /// The last epoch of every broker that ever registered.
    public internal(set) var brokerEpochs: [BrokerID: Int64] = [:]
    public internal(set) var topics: [String: TopicState] = [:]
    /// The topics' own settings, for topics that have any.
    public internal(set) var topicConfigs: [String: [String: String]] = [:]
    /// Dynamic broker settings, by broker id as text, or `default` for all brokers.
    public internal(set) var brokerConfigs: [String: [String: String]] = [:]
    /// The first producer id that nobody was given.
    public internal(set) var nextProducerID: Int64 = 0

    var topicNames: [UniqueID: String] = [:]
    /// Partitions whose topic's entry is not there, or counts fewer: a creation or deletion half seen.
    var stored: [UniqueID: [Int: PartitionState]] = [:]
    var storedTopics: [String: (id: UniqueID, partitions: Int, isInternal: Bool)] = [:]
    var lastOperations: [BrokerID: String] = [:]
    var entryRevisions: [String: Revision] = [:]

    public init() {}

    /// The topic with an id.
    public func topic(id: UniqueID) -> TopicState? { topicNames[id].flatMap { topics[$0] } }

    /// A partition's state.
    public func partition(_ partition: TopicPartition) -> PartitionState? {
        guard let topic = topics[partition.topic] else { return nil }
        let index = Int(partition.partition.rawValue)
        return topic.partitions.indices.contains(index) ? topic.partitions[index] : nil
    }

    /// How many partitions there are in all.
    public var partitionCount: Int { topics.values.reduce(0) { $0 + $1.partitions.count } }
}
