public import WeirModel
import WeirSystem

/// A topic to be made.
public struct NewTopic: Sendable {
    public var name: String
    /// Ignored when there is an assignment.
    public var partitions: Int32
    public var replicationFactor: Int16
    /// The replicas of each partition, the preferred leader first; nil lets the store choose.
    public var assignment: [[BrokerID]]?
    public var configs: [String: String]

    public init(
        name: String, partitions: Int32, replicationFactor: Int16 = 1, assignment: [[BrokerID]]? = nil,
        configs: [String: String] = [:]
    ) {
        self.name = name
        self.partitions = partitions
        self.replicationFactor = replicationFactor
        self.assignment = assignment
        self.configs = configs
    }
}

extension ClusterStore {
    /// Makes topics in one commit; those that are refused do not keep the others back.
    ///
    /// - Parameters:
    ///   - partitionsMax: The most partitions that one topic may have.
    ///   - validateOnly: Answers what would come of it, ids included, and writes nothing.
    /// - Returns: One result for each topic, in order. Refusals have Kafka's codes: 17, 36, 37, 38, 39, 40.
    public func createTopics(
        _ topics: [NewTopic], partitionsMax: Int32, validateOnly: Bool = false
    ) async throws(RegistryError) -> [Result<TopicState, Refusal>] {
        let outcome = try await transact { state throws(RegistryError) -> Plan<[Result<TopicState, Refusal>]> in
            let names = Dictionary(grouping: topics, by: \.name)
            let results = topics.map { topic -> Result<TopicState, Refusal> in
                do throws(Refusal) {
                    guard names[topic.name]?.count == 1 else {
                        throw Refusal(.invalidRequest, "Duplicate topic name.")
                    }
                    return .success(try self.plan(topic, in: state, partitionsMax: partitionsMax))
                } catch {
                    return .failure(error)
                }
            }
            var guards: [RegistryGuard] = []
            var writes: [RegistryWrite] = []
            for (topic, result) in zip(topics, results) {
                guard case .success(let made) = result else { continue }
                guards.append(.absent(RegistryKey.topic(topic.name)))
                writes += Self.writes(creating: made, configs: topic.configs)
            }
            if validateOnly || writes.isEmpty { return .done(results) }
            return .commit(guards: guards, writes: writes, result: results)
        }
        return try outcome.get()
    }

    /// Makes one topic.
    public func createTopic(_ topic: NewTopic, partitionsMax: Int32 = 10_000) async throws -> TopicState {
        guard let result = try await createTopics([topic], partitionsMax: partitionsMax).first else {
            preconditionFailure("one topic has one result")
        }
        return try result.get()
    }

    /// Checks a new topic against the state and puts it together.
    private func plan(
        _ topic: NewTopic, in state: ClusterState, partitionsMax: Int32
    ) throws(Refusal) -> TopicState {
        if let problem = TopicName.problem(with: topic.name) { throw Refusal(.invalidTopic, problem) }
        if state.storedTopics[topic.name] != nil {
            throw Refusal(.topicAlreadyExists, "Topic '\(topic.name)' already exists.")
        }
        for (name, value) in topic.configs.sorted(by: { $0.key < $1.key }) {
            if let problem = TopicConfigs.validate(name: name, value: value) { throw Refusal(.invalidConfig, problem) }
        }
        let replicas: [[BrokerID]]
        if let assignment = topic.assignment {
            try Self.check(assignment, in: state, partitionsMax: partitionsMax)
            replicas = assignment
        } else {
            guard topic.partitions > 0 else {
                throw Refusal(.invalidPartitions, "Number of partitions must be larger than 0.")
            }
            try Self.check(partitions: topic.partitions, max: partitionsMax)
            replicas = try place(partitions: topic.partitions, replicationFactor: topic.replicationFactor, in: state)
        }
        return TopicState(
            name: topic.name, id: newID(),
            partitions: replicas.map { PartitionState(replicas: $0, leader: $0.first, isr: $0) },
            isInternal: TopicName.isInternal(topic.name))
    }

    private static func check(partitions: Int32, max: Int32) throws(Refusal) {
        guard partitions <= max else {
            throw Refusal(
                .invalidPartitions,
                "\(partitions) partitions are more than topic.partitions.max allows, which is \(max).")
        }
    }

    private static func check(
        _ assignment: [[BrokerID]], in state: ClusterState, partitionsMax: Int32
    ) throws(Refusal) {
        guard let first = assignment.first, !first.isEmpty else {
            throw Refusal(.invalidReplicaAssignment, "The manual partition assignment names no replicas.")
        }
        try check(partitions: Int32(clamping: assignment.count), max: partitionsMax)
        for replicas in assignment {
            guard replicas.count == first.count else {
                throw Refusal(
                    .invalidReplicaAssignment, "The manual partition assignment has different numbers of replicas.")
            }
            guard Set(replicas).count == replicas.count else {
                throw Refusal(.invalidReplicaAssignment, "The manual partition assignment names a broker twice.")
            }
            for broker in replicas where state.brokers[broker] == nil {
                throw Refusal(
                    .invalidReplicaAssignment,
                    "The manual partition assignment names broker \(broker), which is unknown.")
            }
        }
    }

    /// Spreads replicas round-robin over the brokers, from a random one on.
    private func place(
        partitions: Int32, replicationFactor: Int16, in state: ClusterState, from start: Int? = nil
    ) throws(Refusal) -> [[BrokerID]] {
        let brokers = state.brokers.values.filter { !$0.isFenced }.map(\.id).sorted()
        guard replicationFactor > 0 else {
            throw Refusal(.invalidReplicationFactor, "Replication factor must be larger than 0.")
        }
        guard Int(replicationFactor) <= brokers.count else {
            throw Refusal(
                .invalidReplicationFactor,
                "Unable to replicate the partition \(replicationFactor) time(s): there are \(brokers.count) broker(s).")
        }
        let first = start ?? Int(random.next() % UInt64(brokers.count))
        return (0..<Int(partitions)).map { partition in
            (0..<Int(replicationFactor)).map { brokers[(first &+ partition &+ $0) % brokers.count] }
        }
    }

    private static func writes(creating topic: TopicState, configs: [String: String]) -> [RegistryWrite] {
        var writes = topic.partitions.enumerated().map { index, partition in
            RegistryWrite.put(RegistryKey.partition(topic.id, index), partition.bytes)
        }
        if !configs.isEmpty {
            writes.append(.put(RegistryKey.topicConfig(topic.name), RegistryJSON.encode(configs)))
        }
        writes.append(entry(of: topic))
        return writes
    }

    private static func entry(of topic: TopicState) -> RegistryWrite {
        .put(
            RegistryKey.topic(topic.name),
            RegistryJSON.encode(
                StoredTopic(
                    id: topic.id.description, partitions: topic.partitions.count, isInternal: topic.isInternal)))
    }

    /// Removes a topic, its settings and its partitions' states.
    ///
    /// - Parameter id: The topic that is meant; nil takes whichever has the name.
    /// - Returns: The topic as it was; refused with 3 when there is none.
    public func deleteTopic(_ name: String, id: UniqueID? = nil) async throws(RegistryError) -> Result<
        TopicState, Refusal
    > {
        try await transact { state throws(Refusal) in
            guard let topic = state.topics[name], topic.id == id ?? topic.id,
                let revision = state.entryRevisions[RegistryKey.topic(name)]
            else { throw Refusal(.unknownTopicOrPartition, "This server does not host this topic-partition.") }
            var writes: [RegistryWrite] = [.delete(RegistryKey.topic(name))]
            if state.topicConfigs[name] != nil { writes.append(.delete(RegistryKey.topicConfig(name))) }
            for index in (state.stored[topic.id] ?? [:]).keys.sorted() {
                writes.append(.delete(RegistryKey.partition(topic.id, index)))
            }
            return .commit(
                guards: [.unchanged(RegistryKey.topic(name), since: revision)], writes: writes, result: topic)
        }
    }

    /// Adds partitions to a topic.
    ///
    /// - Parameters:
    ///   - count: How many it has afterwards.
    ///   - assignment: The replicas of each new partition; nil lets the store choose.
    /// - Returns: The topic as it is then; refusals have Kafka's codes: 3, 37, 39.
    public func createPartitions(
        _ name: String, count: Int32, assignment: [[BrokerID]]? = nil, partitionsMax: Int32,
        validateOnly: Bool = false
    ) async throws(RegistryError) -> Result<TopicState, Refusal> {
        try await transact { state throws(Refusal) in
            guard var topic = state.topics[name], let revision = state.entryRevisions[RegistryKey.topic(name)] else {
                throw Refusal(.unknownTopicOrPartition, "This server does not host this topic-partition.")
            }
            let before = topic.partitions.count
            if Int(count) == before {
                throw Refusal(.invalidPartitions, "Topic already has \(before) partition(s).")
            }
            if Int(count) < before {
                throw Refusal(
                    .invalidPartitions,
                    "The topic \(name) currently has \(before) partition(s); \(count) would not be an increase.")
            }
            try Self.check(partitions: count, max: partitionsMax)
            let added = Int(count) - before
            let factor = topic.partitions.first?.replicas.count ?? 1
            let replicas: [[BrokerID]]
            if let assignment {
                guard assignment.count == added else {
                    throw Refusal(
                        .invalidReplicaAssignment,
                        "Attempted to add \(added) additional partition(s), but only \(assignment.count) assignment(s) "
                            + "were specified.")
                }
                try Self.check(assignment, in: state, partitionsMax: partitionsMax)
                guard assignment.allSatisfy({ $0.count == factor }) else {
                    throw Refusal(.invalidReplicaAssignment, "The topic's other partitions have \(factor) replica(s).")
                }
                replicas = assignment
            } else {
                replicas = try self.place(
                    partitions: Int32(clamping: added), replicationFactor: Int16(clamping: factor), in: state,
                    from: before)
            }
            topic.partitions += replicas.map { PartitionState(replicas: $0, leader: $0.first, isr: $0) }
            if validateOnly { return .done(topic) }
            let writes = topic.partitions.enumerated().dropFirst(before).map { index, partition in
                RegistryWrite.put(RegistryKey.partition(topic.id, index), partition.bytes)
            }
            return .commit(
                guards: [.unchanged(RegistryKey.topic(name), since: revision)],
                writes: writes + [Self.entry(of: topic)],
                result: topic)
        }
    }

    /// Replaces a partition's state if it is still `before`; the partition epoch grows by one.
    ///
    /// - Returns: The state as it is then; refused with 3 when the partition is gone, and with 95 when it has changed.
    public func updatePartition(
        topic id: UniqueID, _ index: PartitionIndex, from before: PartitionState, to after: PartitionState
    ) async throws(RegistryError) -> Result<PartitionState, Refusal> {
        try await transact { state throws(Refusal) in
            let key = RegistryKey.partition(id, Int(index.rawValue))
            guard let current = state.stored[id]?[Int(index.rawValue)], let revision = state.entryRevisions[key] else {
                throw Refusal(.unknownTopicOrPartition, "There is no partition \(index) of a topic with id \(id).")
            }
            guard current == before else {
                throw Refusal(.invalidUpdateVersion, "The partition is at epoch \(current.partitionEpoch).")
            }
            guard after.leaderEpoch >= before.leaderEpoch else {
                throw Refusal(.fencedLeaderEpoch, "The leader epoch \(before.leaderEpoch) does not go back.")
            }
            var next = after
            next.partitionEpoch = before.partitionEpoch &+ 1
            return .commit(
                guards: [.unchanged(key, since: revision)], writes: [.put(key, next.bytes)], result: next)
        }
    }

    /// Gives every partition that a broker leads a new leader epoch, as after a stop that may have lost unsynced records
    /// that consumers had seen: they notice by the epoch (KIP-320).
    public func bumpLeaderEpochs(ledBy broker: BrokerID) async throws(RegistryError) {
        try await transact { state throws(RegistryError) -> Plan<Void> in
            var guards: [RegistryGuard] = []
            var writes: [RegistryWrite] = []
            for topic in state.topics.values.sorted(by: { $0.name < $1.name }) {
                for (index, partition) in topic.partitions.enumerated() where partition.leader == broker {
                    let key = RegistryKey.partition(topic.id, index)
                    guard let revision = state.entryRevisions[key] else { continue }
                    var next = partition
                    next.leaderEpoch = LeaderEpoch(rawValue: partition.leaderEpoch.rawValue &+ 1)
                    next.partitionEpoch &+= 1
                    guards.append(.unchanged(key, since: revision))
                    writes.append(.put(key, next.bytes))
                }
            }
            return writes.isEmpty ? .done(()) : .commit(guards: guards, writes: writes, result: ())
        }.get()
    }
}
