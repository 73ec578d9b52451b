import WeirModel

extension ClusterState {
    /// Folds a snapshot.
    public init(_ snapshot: RegistrySnapshot) throws(RegistryError) {
        self.init()
        // Partitions sort before topics, so each topic is put together once.
        for entry in snapshot.entries {
            try put(entry.key, entry.value, revision: entry.revision)
        }
        revision = snapshot.revision
    }

    /// Folds the commit that follows the state's own revision.
    public mutating func apply(_ writes: [RegistryWrite], revision: Revision) throws(RegistryError) {
        for write in writes {
            switch write {
            case .put(let key, let value, _): try put(key, value, revision: revision)
            case .delete(let key): delete(key)
            }
        }
        self.revision = revision
    }

    private mutating func put(_ key: String, _ value: [UInt8], revision: Revision) throws(RegistryError) {
        entryRevisions[key] = revision
        if let name = key.rest(after: RegistryKey.partitions) {
            guard let (topic, index) = Self.partitionKey(name) else { throw Self.unreadable(key) }
            let stored = try RegistryJSON.decode(StoredPartition.self, value, key: key)
            putPartition(topic, index, PartitionState(stored))
        } else if let name = key.rest(after: RegistryKey.topics) {
            let stored = try RegistryJSON.decode(StoredTopic.self, value, key: key)
            guard let id = UniqueID(stored.id), id != .zero, stored.partitions > 0 else { throw Self.unreadable(key) }
            if let before = storedTopics[name], before.id != id { topicNames[before.id] = nil }
            storedTopics[name] = (id, stored.partitions, stored.isInternal)
            topicNames[id] = name
            complete(name)
        } else if let name = key.rest(after: RegistryKey.topicConfigs) {
            topicConfigs[name] = try RegistryJSON.decode([String: String].self, value, key: key)
        } else if let name = key.rest(after: RegistryKey.brokerConfigs) {
            brokerConfigs[name] = try RegistryJSON.decode([String: String].self, value, key: key)
        } else if let name = key.rest(after: RegistryKey.brokers) {
            guard let id = Int32(name).map(BrokerID.init(_:)) else { throw Self.unreadable(key) }
            let stored = try RegistryJSON.decode(StoredBroker.self, value, key: key)
            guard let registration = BrokerRegistration(id, stored) else { throw Self.unreadable(key) }
            brokers[id] = registration
        } else if let name = key.rest(after: RegistryKey.brokerEpochs) {
            guard let id = Int32(name).map(BrokerID.init(_:)) else { throw Self.unreadable(key) }
            brokerEpochs[id] = try RegistryJSON.decode(StoredBrokerEpoch.self, value, key: key).epoch
        } else if let name = key.rest(after: RegistryKey.operations) {
            guard let id = Int32(name).map(BrokerID.init(_:)) else { throw Self.unreadable(key) }
            lastOperations[id] = try RegistryJSON.decode(StoredOperation.self, value, key: key).id
        } else {
            try putSingle(key, value)
        }
    }

    private mutating func putPartition(_ topic: UniqueID, _ index: Int, _ partition: PartitionState) {
        stored[topic, default: [:]][index] = partition
        guard let name = topicNames[topic], let entry = storedTopics[name], index < entry.partitions else { return }
        if topics[name]?.id == topic, topics[name]?.partitions.indices.contains(index) == true {
            topics[name]?.partitions[index] = partition
        } else {
            complete(name)
        }
    }

    private mutating func putSingle(_ key: String, _ value: [UInt8]) throws(RegistryError) {
        switch key {
        case RegistryKey.schemaVersion:
            schemaVersion = try RegistryJSON.decode(StoredSchemaVersion.self, value, key: key).version
        case RegistryKey.clusterID:
            let text = try RegistryJSON.decode(StoredClusterID.self, value, key: key).id
            guard let id = UniqueID(text) else { throw Self.unreadable(key) }
            clusterID = id
        case RegistryKey.producerIDs:
            nextProducerID = try RegistryJSON.decode(StoredProducerIDs.self, value, key: key).next
        default:
            // A key of a newer broker of the same schema version, which this one need not know.
            return
        }
    }

    private mutating func delete(_ key: String) {
        entryRevisions[key] = nil
        if let name = key.rest(after: RegistryKey.partitions) {
            guard let (topic, index) = Self.partitionKey(name) else { return }
            stored[topic]?[index] = nil
            if stored[topic]?.isEmpty == true { stored[topic] = nil }
        } else if let name = key.rest(after: RegistryKey.topics) {
            if let before = storedTopics.removeValue(forKey: name) { topicNames[before.id] = nil }
            topics[name] = nil
        } else if let name = key.rest(after: RegistryKey.topicConfigs) {
            topicConfigs[name] = nil
        } else if let name = key.rest(after: RegistryKey.brokerConfigs) {
            brokerConfigs[name] = nil
        } else if let id = key.rest(after: RegistryKey.brokers).flatMap({ Int32($0) }) {
            brokers[BrokerID(id)] = nil
        } else if let id = key.rest(after: RegistryKey.brokerEpochs).flatMap({ Int32($0) }) {
            brokerEpochs[BrokerID(id)] = nil
        } else if let id = key.rest(after: RegistryKey.operations).flatMap({ Int32($0) }) {
            lastOperations[BrokerID(id)] = nil
        }
    }

    /// Shows a topic once all the partitions it counts are there. One whose number grows keeps its old ones until then.
    private mutating func complete(_ name: String) {
        guard let topic = storedTopics[name] else { return }
        let partitions = stored[topic.id] ?? [:]
        var dense: [PartitionState] = []
        dense.reserveCapacity(min(topic.partitions, partitions.count))
        for index in 0..<topic.partitions {
            guard let partition = partitions[index] else { return }
            dense.append(partition)
        }
        topics[name] = TopicState(name: name, id: topic.id, partitions: dense, isInternal: topic.isInternal)
    }

    private static func partitionKey(_ text: String) -> (UniqueID, Int)? {
        let parts = text.split(separator: "/")
        guard parts.count == 2, let id = UniqueID(String(parts[0])), let index = Int(parts[1]), index >= 0 else {
            return nil
        }
        return (id, index)
    }

    private static func unreadable(_ key: String) -> RegistryError {
        RegistryError(.corrupt, "the registry's entry '\(key)' cannot be read")
    }
}

extension String {
    /// What follows a prefix; nil when the text does not begin with it.
    fileprivate func rest(after prefix: String) -> String? {
        guard utf8.starts(with: prefix.utf8) else { return nil }
        return String(utf8.dropFirst(prefix.utf8.count))
    }
}

extension PartitionState {
    init(_ stored: StoredPartition) {
        self.init(
            replicas: stored.replicas.map(BrokerID.init(_:)),
            leader: stored.leader < 0 ? nil : BrokerID(stored.leader),
            leaderEpoch: LeaderEpoch(rawValue: stored.leaderEpoch), isr: stored.isr.map(BrokerID.init(_:)),
            elr: stored.elr.map(BrokerID.init(_:)), partitionEpoch: stored.partitionEpoch)
    }

    var bytes: [UInt8] {
        RegistryJSON.encode(
            StoredPartition(
                replicas: replicas.map(\.rawValue), leader: leader?.rawValue ?? -1, leaderEpoch: leaderEpoch.rawValue,
                isr: isr.map(\.rawValue), elr: elr.map(\.rawValue), partitionEpoch: partitionEpoch))
    }
}

extension BrokerRegistration {
    init?(_ id: BrokerID, _ stored: StoredBroker) {
        guard let incarnation = UniqueID(stored.incarnation) else { return nil }
        self.init(
            id: id,
            endpoints: stored.endpoints.map {
                BrokerEndpoint(
                    listener: $0.listener, host: $0.host, port: $0.port, securityProtocol: $0.securityProtocol)
            },
            rack: stored.rack, incarnation: incarnation, directories: stored.directories.compactMap { UniqueID($0) },
            epoch: stored.epoch, isFenced: stored.isFenced)
    }

    var bytes: [UInt8] {
        RegistryJSON.encode(
            StoredBroker(
                incarnation: incarnation.description, epoch: epoch,
                endpoints: endpoints.map {
                    .init(listener: $0.listener, host: $0.host, port: $0.port, securityProtocol: $0.securityProtocol)
                }, rack: rack, directories: directories.map(\.description), isFenced: isFenced))
    }
}
