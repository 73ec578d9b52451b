import Testing
import WeirModel
import WeirRegistry
import WeirSystem

/// The operations, over every backend.
@Suite struct ClusterStoreTests {
    private func refusal<Value>(_ result: Result<Value, Refusal>?) -> ErrorCode? {
        if case .failure(let refusal) = result { return refusal.code }
        return nil
    }

    @Test(arguments: Backend.allCases) func foundsTheClusterOnce(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let first = try await ClusterStore.withBrokers(fixture.registry, seed: 1)
        let second = try await ClusterStore.open(
            fixture.registry, nodeID: BrokerID(2), random: SeededSource(seed: 2))
        #expect(first.state.clusterID != .zero)
        #expect(first.state.clusterID == second.state.clusterID)
        #expect(second.state.schemaVersion == RegistrySchema.version)
        #expect(second.state.brokers == first.state.brokers)
    }

    @Test(arguments: Backend.allCases) func refusesANewerSchema(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        _ = try await fixture.registry.commit(
            guards: [], writes: [.put("schemaVersion", Array("{\"version\":2}".utf8))])
        await #expect {
            _ = try await ClusterStore.open(fixture.registry, nodeID: BrokerID(1), random: SeededSource(seed: 1))
        } throws: { error in
            (error as? RegistryError)?.code == .newerSchema && "\(error)".contains("newer Weir (schema 2")
        }
    }

    @Test(arguments: Backend.allCases) func refusesWhatItCannotRead(backend: Backend) async throws {
        for (key, value) in [
            ("schemaVersion", "{"), ("topics/a", "{\"id\":\"x\",\"partitions\":1,\"isInternal\":false}"),
            ("partitions/x/0", "{}"), ("brokers/x", "{}"), ("configs/topic/a", "[]"),
        ] {
            let fixture = try Fixture(backend)
            _ = try await fixture.registry.commit(guards: [], writes: [.put(key, Array(value.utf8))])
            await #expect {
                _ = try await ClusterStore.open(fixture.registry, nodeID: BrokerID(1), random: SeededSource(seed: 1))
            } throws: { error in
                (error as? RegistryError)?.code == .corrupt && "\(error)".contains(key)
            }
        }
    }

    @Test(arguments: Backend.allCases) func topicsComeAndGo(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let store = try await ClusterStore.withBrokers(fixture.registry)
        let made = try await store.createTopic(
            NewTopic(name: "orders", partitions: 3, configs: ["retention.ms": "5"]))
        #expect(made.id != .zero)
        #expect(made.partitions.count == 3)
        #expect(made.partitions[2].leader == BrokerID(1))
        #expect(made.partitions[2].isr == [BrokerID(1)])
        #expect(store.state.topics["orders"] == made)
        #expect(store.state.topic(id: made.id) == made)
        #expect(store.state.topicConfigs["orders"] == ["retention.ms": "5"])
        #expect(store.state.partition(TopicPartition("orders", PartitionIndex(2))) == made.partitions[2])
        #expect(store.state.partition(TopicPartition("orders", PartitionIndex(3))) == nil)
        #expect(store.state.partition(TopicPartition("orders", PartitionIndex(-1))) == nil)

        #expect(try await store.deleteTopic("orders").get() == made)
        #expect(store.state.topics.isEmpty)
        #expect(store.state.topicConfigs.isEmpty)
        #expect(store.state.topic(id: made.id) == nil)
        #expect(refusal(try await store.deleteTopic("orders")) == .unknownTopicOrPartition)
        let keys = try await fixture.registry.snapshot().entries.map(\.key)
        #expect(!keys.contains { $0.hasPrefix("partitions/") || $0.hasPrefix("configs/") || $0.hasPrefix("topics/") })

        // The same name is another topic.
        let again = try await store.createTopic(NewTopic(name: "orders", partitions: 1))
        #expect(again.id != made.id)
    }

    @Test(arguments: Backend.allCases) func creationIsRefusedWithKafkasCodes(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let store = try await ClusterStore.withBrokers(fixture.registry, brokers: 1...2)
        _ = try await store.createTopic(NewTopic(name: "there", partitions: 1))
        let one = BrokerID(1)
        let two = BrokerID(2)
        let cases: [(NewTopic, ErrorCode?)] = [
            (NewTopic(name: "a/b", partitions: 1), .invalidTopic),
            (NewTopic(name: "..", partitions: 1), .invalidTopic),
            (NewTopic(name: "there", partitions: 1), .topicAlreadyExists),
            (NewTopic(name: "p1", partitions: 0), .invalidPartitions),
            (NewTopic(name: "p2", partitions: -1), .invalidPartitions),
            (NewTopic(name: "p3", partitions: 101), .invalidPartitions),
            (NewTopic(name: "p4", partitions: .max), .invalidPartitions),
            (NewTopic(name: "p5", partitions: 1, replicationFactor: 0), .invalidReplicationFactor),
            (NewTopic(name: "p6", partitions: 1, replicationFactor: 3), .invalidReplicationFactor),
            (NewTopic(name: "p7", partitions: 1, replicationFactor: .max), .invalidReplicationFactor),
            (NewTopic(name: "p8", partitions: 1, configs: ["x": "1"]), .invalidConfig),
            (NewTopic(name: "p9", partitions: 1, configs: ["retention.ms": "x"]), .invalidConfig),
            (NewTopic(name: "p10", partitions: -1, assignment: []), .invalidReplicaAssignment),
            (NewTopic(name: "p11", partitions: -1, assignment: [[]]), .invalidReplicaAssignment),
            (NewTopic(name: "p12", partitions: -1, assignment: [[one], [one, two]]), .invalidReplicaAssignment),
            (NewTopic(name: "p13", partitions: -1, assignment: [[one, one]]), .invalidReplicaAssignment),
            (NewTopic(name: "p14", partitions: -1, assignment: [[BrokerID(9)]]), .invalidReplicaAssignment),
            (NewTopic(name: "fine", partitions: -1, assignment: [[two, one], [one, two]]), nil),
            (NewTopic(name: "twice", partitions: 1), .invalidRequest),
            (NewTopic(name: "twice", partitions: 1), .invalidRequest),
        ]
        let results = try await store.createTopics(cases.map(\.0), partitionsMax: 100)
        for (result, (topic, code)) in zip(results, cases) {
            #expect(refusal(result) == code, "\(topic)")
        }
        #expect(Set(store.state.topics.keys) == ["there", "fine"])
        #expect(store.state.topics["fine"]?.partitions.map(\.leader) == [two, one])
    }

    @Test(arguments: Backend.allCases) func validationWritesNothing(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let store = try await ClusterStore.withBrokers(fixture.registry)
        let before = store.state.revision
        let results = try await store.createTopics(
            [NewTopic(name: "a", partitions: 2)], partitionsMax: 10, validateOnly: true)
        #expect(try results[0].get().partitions.count == 2)
        #expect(store.state.revision == before)
        #expect(try await fixture.registry.snapshot().revision == before)
    }

    @Test(arguments: Backend.allCases) func partitionsGrow(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let store = try await ClusterStore.withBrokers(fixture.registry, brokers: 1...3)
        let made = try await store.createTopic(NewTopic(name: "t", partitions: 2, replicationFactor: 2))
        let grown = try await store.createPartitions("t", count: 5, partitionsMax: 10).get()
        #expect(grown.id == made.id)
        #expect(grown.partitions.count == 5)
        #expect(Array(grown.partitions.prefix(2)) == made.partitions)
        #expect(grown.partitions.allSatisfy { $0.replicas.count == 2 && Set($0.replicas).count == 2 })
        #expect(store.state.topics["t"] == grown)
        func code(_ count: Int32, _ assignment: [[BrokerID]]? = nil, _ name: String = "t") async throws -> ErrorCode? {
            refusal(try await store.createPartitions(name, count: count, assignment: assignment, partitionsMax: 10))
        }
        #expect(try await code(5) == .invalidPartitions)
        #expect(try await code(4) == .invalidPartitions)
        #expect(try await code(-1) == .invalidPartitions)
        #expect(try await code(11) == .invalidPartitions)
        #expect(try await code(6, nil, "none") == .unknownTopicOrPartition)
        let one = BrokerID(1)
        #expect(try await code(7, [[one, BrokerID(2)]]) == .invalidReplicaAssignment)
        #expect(try await code(6, [[one]]) == .invalidReplicaAssignment)
        #expect(try await code(6, [[one, BrokerID(3)]]) == nil)
        #expect(store.state.topics["t"]?.partitions[5].replicas == [one, BrokerID(3)])
    }

    @Test(arguments: Backend.allCases) func replicasAreSpread(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let store = try await ClusterStore.withBrokers(fixture.registry, brokers: 1...3)
        let made = try await store.createTopic(NewTopic(name: "t", partitions: 9, replicationFactor: 3))
        for id in Int32(1)...3 {
            #expect(made.partitions.filter { $0.leader == BrokerID(id) }.count == 3)
        }
        #expect(made.partitions.allSatisfy { Set($0.replicas).count == 3 })
    }

    @Test(arguments: Backend.allCases) func settingsChange(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let store = try await ClusterStore.withBrokers(fixture.registry)
        _ = try await store.createTopic(NewTopic(name: "t", partitions: 1))
        #expect(try await store.alterTopicConfig("t") { _ in ["a": "1"] }.get() == ["a": "1"])
        #expect(store.state.topicConfigs["t"] == ["a": "1"])
        let result = try await store.alterTopicConfig("t") { before throws(Refusal) in
            throw Refusal(.invalidConfig, "\(before)")
        }
        #expect(refusal(result) == .invalidConfig)
        #expect(refusal(try await store.alterTopicConfig("none") { $0 }) == .unknownTopicOrPartition)
        _ = try await store.alterTopicConfig("t", validateOnly: true) { _ in ["b": "1"] }
        #expect(store.state.topicConfigs["t"] == ["a": "1"])
        _ = try await store.alterTopicConfig("t") { _ in [:] }
        #expect(store.state.topicConfigs["t"] == nil)
        _ = try await store.alterBrokerConfig(nil) { _ in ["log.retention.ms": "1"] }
        _ = try await store.alterBrokerConfig(BrokerID(1)) { _ in ["log.retention.ms": "2"] }
        #expect(
            store.state.brokerConfigs == ["default": ["log.retention.ms": "1"], "1": ["log.retention.ms": "2"]])
    }

    @Test(arguments: Backend.allCases) func brokersRegister(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let store = try await ClusterStore.open(
            fixture.registry, nodeID: BrokerID(1), random: SeededSource(seed: 1))
        let endpoints = [BrokerEndpoint(listener: "PLAINTEXT", host: "h", port: 1)]
        func register(_ incarnation: UInt64, _ session: SessionID? = nil) async throws -> Result<
            BrokerRegistration, Refusal
        > {
            try await store.registerBroker(
                BrokerID(1), endpoints: endpoints, rack: "r", incarnation: UniqueID(high: incarnation, low: 0),
                directories: [UniqueID(high: 7, low: 7)], session: session)
        }
        let session = try await fixture.registry.session(ttlMilliseconds: 1000)
        let first = try await register(1, session.id).get()
        #expect(first.epoch == 1)
        #expect(first.host == "h")
        #expect(store.state.brokers[BrokerID(1)] == first)
        #expect(refusal(try await register(2)) == .duplicateBrokerRegistration)
        #expect(try await register(1, session.id).get().epoch == 2)
        try await session.close()
        try await store.refresh()
        #expect(store.state.brokers.isEmpty)
        // The epoch outlives the registration.
        #expect(try await register(2).get().epoch == 3)
        try await store.unregisterBroker(BrokerID(1), incarnation: UniqueID(high: 1, low: 0))
        #expect(store.state.brokers.count == 1)
        try await store.unregisterBroker(BrokerID(1), incarnation: UniqueID(high: 2, low: 0))
        #expect(store.state.brokers.isEmpty)
    }

    @Test(arguments: Backend.allCases) func producerIDsNeverRepeat(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        var seen = Set<Int64>()
        for round in 0..<3 {
            let store = try await ClusterStore.open(
                fixture.registry, nodeID: BrokerID(1), random: SeededSource(seed: UInt64(round)))
            let ids = ProducerIDs(store, blockSize: 10)
            for _ in 0..<25 { #expect(seen.insert(try await ids.next().rawValue).inserted) }
            #expect(ids.take() != nil)
            store.close()
        }
        #expect(seen.min() == 0)
    }

    @Test(arguments: Backend.allCases) func producerIDsAtTheSameTime(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let store = try await ClusterStore.withBrokers(fixture.registry)
        let ids = ProducerIDs(store, blockSize: 7)
        let all = try await withThrowingTaskGroup(of: Int64.self) { group in
            for _ in 0..<100 { group.addTask { try await ids.next().rawValue } }
            return try await group.reduce(into: [Int64]()) { $0.append($1) }
        }
        #expect(all.sorted() == Array(0..<100))
    }

    @Test(arguments: Backend.allCases) func partitionsChangeByCompareAndSet(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let store = try await ClusterStore.withBrokers(fixture.registry)
        let topic = try await store.createTopic(NewTopic(name: "t", partitions: 2))
        let before = topic.partitions[1]
        var after = before
        after.leaderEpoch = LeaderEpoch(1)
        let index = PartitionIndex(1)
        let changed = try await store.updatePartition(topic: topic.id, index, from: before, to: after).get()
        #expect(changed.leaderEpoch == LeaderEpoch(1))
        #expect(changed.partitionEpoch == before.partitionEpoch + 1)
        #expect(store.state.topics["t"]?.partitions == [topic.partitions[0], changed])
        #expect(
            refusal(try await store.updatePartition(topic: topic.id, index, from: before, to: after))
                == .invalidUpdateVersion)
        #expect(
            refusal(try await store.updatePartition(topic: topic.id, index, from: changed, to: before))
                == .fencedLeaderEpoch)
        #expect(
            refusal(try await store.updatePartition(topic: .zero, index, from: before, to: after))
                == .unknownTopicOrPartition)
        try await store.bumpLeaderEpochs(ledBy: BrokerID(1))
        #expect(store.state.topics["t"]?.partitions.map(\.leaderEpoch) == [LeaderEpoch(1), LeaderEpoch(2)])
    }

    @Test(arguments: Backend.allCases) func otherStoresFollow(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let writer = try await ClusterStore.withBrokers(fixture.registry)
        let reader = try await ClusterStore.open(
            fixture.registry, nodeID: BrokerID(2), random: SeededSource(seed: 2))
        let seen = Locked<[Revision]>([])
        reader.observe { state in seen.withLock { $0.append(state.revision) } }
        for number in 0..<20 { _ = try await writer.createTopic(NewTopic(name: "t\(number)", partitions: 2)) }
        _ = try await writer.deleteTopic("t3")
        #expect(await eventually { reader.state.revision == writer.state.revision })
        #expect(reader.state.topics == writer.state.topics)
        #expect(reader.state.topics.count == 19)
        #expect(await eventually { seen.withLock { $0.last } == writer.state.revision })
        let revisions = seen.withLock { $0 }
        #expect(revisions == revisions.sorted() && Set(revisions).count == revisions.count)
        writer.close()
        reader.close()
    }

    @Test(arguments: Backend.allCases) func twoWritersLoseNothing(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let stores = [
            try await ClusterStore.withBrokers(fixture.registry, seed: 1),
            try await ClusterStore.open(fixture.registry, nodeID: BrokerID(2), random: SeededSource(seed: 2)),
        ]
        let results = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<40 {
                group.addTask {
                    // Each name is created by both; one of them must win.
                    let result = try await stores[number % 2].createTopics(
                        [NewTopic(name: "t\(number / 2)", partitions: 1)], partitionsMax: 10)
                    if case .success = result[0] { return true }
                    return false
                }
            }
            return try await group.reduce(into: [Bool]()) { $0.append($1) }
        }
        #expect(results.filter { $0 }.count == 20)
        for store in stores { try await store.refresh() }
        #expect(stores[0].state.topics == stores[1].state.topics)
        #expect(stores[0].state.topics.count == 20)
    }

    @Test(arguments: Backend.allCases) func membershipSurvivesAPause(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let store = try await ClusterStore.open(
            fixture.registry, nodeID: BrokerID(1), random: SeededSource(seed: 1))
        let problems = Locked<[RegistryError.Code]>([])
        let membership = try await BrokerMembership.join(
            store, endpoints: [BrokerEndpoint(listener: "PLAINTEXT", host: "h", port: 1)],
            incarnation: UniqueID(high: 1, low: 1), directories: [], sessionTimeoutMs: 9000, heartbeatMs: 2000,
            timers: fixture.time
        ) { problem in problems.withLock { $0.append(problem.code) } }.get()
        #expect(membership.registration.epoch == 1)
        // Stood still for a minute: the session is over before the first heartbeat comes.
        _ = try await fixture.registry.snapshot()
        fixture.time.advance(60_000)
        _ = try await fixture.registry.snapshot()
        #expect(
            await eventually {
                fixture.time.advance(500)
                return membership.registration.epoch >= 2
            })
        #expect(problems.withLock { $0.contains(.sessionExpired) })
        try await membership.leave()
        #expect(store.state.brokers.isEmpty)
        store.close()
    }
}
