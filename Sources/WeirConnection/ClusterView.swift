public import WeirModel
public import WeirProtocol

/// What a client knows of a cluster.
public struct ClusterView: Sendable, Equatable {
    public struct Broker: Sendable, Hashable {
        public let id: BrokerID
        public let host: String
        public let port: Int
        public let rack: String?

        public init(id: BrokerID, host: String, port: Int, rack: String? = nil) {
            self.id = id
            self.host = host
            self.port = port
            self.rack = rack
        }
    }

    public struct Partition: Sendable, Equatable {
        public let index: PartitionIndex
        /// Nil while the partition has none.
        public let leader: BrokerID?
        public let leaderEpoch: LeaderEpoch
        public let replicas: [BrokerID]
        public let inSyncReplicas: [BrokerID]
        public let offlineReplicas: [BrokerID]
        public let error: ErrorCode
    }

    public struct Topic: Sendable, Equatable {
        public let name: String
        /// Zero when the broker is too old to say.
        public let id: UniqueID
        public let isInternal: Bool
        /// In the order of their indices, without gaps when `error` is none.
        public let partitions: [Partition]
        public let error: ErrorCode

        public func partition(_ index: PartitionIndex) -> Partition? {
            let position = Int(index.rawValue)
            if partitions.indices.contains(position), partitions[position].index == index {
                return partitions[position]
            }
            return partitions.first { $0.index == index }
        }
    }

    public internal(set) var clusterID: String?
    public internal(set) var controller: BrokerID?
    public internal(set) var brokers: [BrokerID: Broker] = [:]
    public internal(set) var topics: [String: Topic] = [:]

    public init() {}

    /// What one answer says by itself.
    public init(_ response: MetadataResponse) { apply(response, replacesTopics: true) }

    public func leader(of partition: TopicPartition) -> BrokerID? {
        topics[partition.topic]?.partition(partition.partition)?.leader
    }

    /// Takes in an answer. A partition keeps what was known when the answer is older than that (its leader epoch went
    /// back while the topic is the same): brokers learn of a new leader at different moments.
    mutating func apply(_ response: MetadataResponse, replacesTopics: Bool) {
        if let id = response.clusterID { clusterID = id }
        controller = response.controllerID >= 0 ? BrokerID(response.controllerID) : nil
        if !response.brokers.isEmpty {
            brokers = [:]
            for broker in response.brokers {
                let id = BrokerID(broker.nodeID)
                brokers[id] = Broker(id: id, host: broker.host, port: Int(broker.port), rack: broker.rack)
            }
        }
        let known = topics
        if replacesTopics { topics = [:] }
        for topic in response.topics {
            guard let name = topic.name else { continue }
            topics[name] = Self.topic(topic, name: name, known: known[name])
        }
    }

    private static func topic(
        _ topic: MetadataResponse.MetadataResponseTopic, name: String, known: Topic?
    ) -> Topic {
        var partitions: [Partition] = []
        partitions.reserveCapacity(topic.partitions.count)
        for partition in topic.partitions {
            let fresh = Partition(
                index: PartitionIndex(partition.partitionIndex),
                leader: partition.leaderID >= 0 ? BrokerID(partition.leaderID) : nil,
                leaderEpoch: LeaderEpoch(partition.leaderEpoch),
                replicas: partition.replicaNodes.map { BrokerID($0) },
                inSyncReplicas: partition.isrNodes.map { BrokerID($0) },
                offlineReplicas: partition.offlineReplicas.map { BrokerID($0) },
                error: ErrorCode(rawValue: partition.errorCode))
            if let known, known.id == topic.topicID, let old = known.partition(fresh.index),
                old.leaderEpoch > fresh.leaderEpoch, fresh.leaderEpoch != .none
            {
                partitions.append(old)
            } else {
                partitions.append(fresh)
            }
        }
        partitions.sort { $0.index < $1.index }
        return Topic(
            name: name, id: topic.topicID, isInternal: topic.isInternal, partitions: partitions,
            error: ErrorCode(rawValue: topic.errorCode))
    }
}
