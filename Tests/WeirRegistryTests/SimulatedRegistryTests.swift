import Testing
import WeirModel
import WeirRegistry
import WeirSystem

/// The store over a registry that misbehaves.
@Suite struct SimulatedRegistryTests {
    private static let bad = RegistryFaults(
        conflicts: 150, unknownOutcomes: 150, delays: 200, delayMillisecondsMax: 20, lostEvents: 200,
        repeatedEvents: 200)

    /// Several writers over a bad registry: every topic that was answered is there once, with the id that was answered,
    /// and after a refresh all see the same.
    @Test(arguments: UInt64(1)...12) func nothingIsLostOrDoubled(seed: UInt64) async throws {
        let time = ManualTime()
        try await time.running {
            let registry = SimulatedRegistry(seed: seed, clock: time, timers: time)
            var stores = [try await ClusterStore.withBrokers(registry, seed: seed)]
            for id in Int32(2)...3 {
                stores.append(
                    try await ClusterStore.open(
                        registry, nodeID: BrokerID(id), random: SeededSource(seed: seed &* 31 &+ UInt64(id))))
            }
            registry.setFaults(Self.bad)
            let shared = stores
            let made = try await withThrowingTaskGroup(of: TopicState?.self) { group in
                for number in 0..<30 {
                    group.addTask {
                        let result = try await shared[number % 3].createTopics(
                            [NewTopic(name: "t\(number / 2)", partitions: 2)], partitionsMax: 10)
                        return try? result[0].get()
                    }
                }
                return try await group.reduce(into: [TopicState]()) { if let topic = $1 { $0.append(topic) } }
            }
            registry.setFaults(.none)
            for store in shared { try await store.refresh() }
            #expect(made.count == 15, "seed \(seed)")
            #expect(Set(made.map(\.name)).count == 15, "seed \(seed)")
            for store in shared {
                for topic in made { #expect(store.state.topics[topic.name] == topic, "seed \(seed)") }
                #expect(store.state.topics.count == 15, "seed \(seed)")
                store.close()
            }
        }
    }

    @Test(arguments: UInt64(1)...12) func producerIDBlocksNeverOverlap(seed: UInt64) async throws {
        let time = ManualTime()
        try await time.running {
            let registry = SimulatedRegistry(seed: seed, clock: time, timers: time)
            let first = try await ClusterStore.withBrokers(registry, seed: seed)
            let second = try await ClusterStore.open(
                registry, nodeID: BrokerID(2), random: SeededSource(seed: seed &+ 1000))
            registry.setFaults(Self.bad)
            let blocks = try await withThrowingTaskGroup(of: Range<Int64>.self) { group in
                for number in 0..<20 {
                    group.addTask { try await (number % 2 == 0 ? first : second).allocateProducerIDs(10) }
                }
                return try await group.reduce(into: [Range<Int64>]()) { $0.append($1) }
            }
            #expect(Set(blocks.flatMap { Array($0) }).count == 200, "seed \(seed)")
            first.close()
            second.close()
        }
    }

    /// The faults do strike: a suite whose faults never happened would prove nothing.
    @Test func faultsStrike() async throws {
        let time = ManualTime()
        let registry = SimulatedRegistry(seed: 5, clock: time, timers: time)
        registry.setFaults(RegistryFaults(conflicts: 300, unknownOutcomes: 300, lostEvents: 300, repeatedEvents: 300))
        let events = registry.watch(after: .zero)
        var counts: [String: Int] = [:]
        for number in 0..<200 {
            do {
                switch try await registry.commit(
                    guards: [.absent("k\(number)")], writes: [.put("k\(number)", [])])
                {
                case .committed: counts["committed", default: 0] += 1
                case .conflict: counts["conflict", default: 0] += 1
                }
            } catch {
                #expect(error.code == .unknownOutcome)
                counts["unknown", default: 0] += 1
            }
        }
        let revision = try await registry.snapshot().revision
        await registry.close()
        var heard: [Int64: Int] = [:]
        for await case .changed(let revision, _) in events { heard[revision.rawValue, default: 0] += 1 }
        #expect(counts.values.allSatisfy { $0 > 10 } && counts.count == 3, "\(counts)")
        // Some of the unknown ones have happened, and some have not.
        let committed = Int64(counts["committed"] ?? 0)
        #expect(revision.rawValue > committed && revision.rawValue < committed + Int64(counts["unknown"] ?? 0))
        #expect(heard.values.contains(2))
        #expect(Int64(heard.count) < revision.rawValue)
    }

    @Test func theSameSeedGivesTheSameFaults() async throws {
        func run(_ seed: UInt64) async -> [String] {
            let time = ManualTime()
            let registry = SimulatedRegistry(
                seed: seed, faults: RegistryFaults(conflicts: 300, unknownOutcomes: 300), clock: time, timers: time)
            var trace: [String] = []
            for number in 0..<50 {
                do {
                    trace.append(
                        "\(try await registry.commit(guards: [.absent("a\(number)")], writes: [.put("a\(number)", [])]))"
                    )
                } catch { trace.append(error.code.rawValue) }
            }
            return trace
        }
        #expect(await run(3) == run(3))
        #expect(await run(3) != run(4))
    }
}
