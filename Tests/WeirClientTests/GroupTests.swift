import NIOCore
import Testing
import WeirClient
import WeirModel
import WeirSystem

@Suite("Groups, against a broker of ours")
struct GroupTests {
    /// What members have read, and in which order their commits were made.
    private final class Ledger: Sendable {
        private let state = Locked<[String: Int]>([:])
        func note(_ value: String) { state.withLock { $0[value, default: 0] += 1 } }
        var distinct: Int { state.withLock { $0.count } }
    }

    private func configuration() -> ConsumerConfiguration {
        var configuration = ConsumerConfiguration()
        configuration.startPosition = .earliest
        configuration.fetchWaitMs = 50
        configuration.commit = .automatic(intervalMs: 100)
        return configuration
    }

    private func group(_ id: String, _ assignors: [Assignor]) -> GroupConfiguration {
        var group = GroupConfiguration(id)
        group.assignors = assignors
        group.heartbeatMs = 100
        group.sessionTimeoutMs = 6_000
        return group
    }

    private func share(_ client: ClientConfiguration, _ assignors: [Assignor]) async throws {
        let ledger = Ledger()
        let total = 600
        let members = try (0..<3).map { _ in
            try Consumer(client, group: group("g", assignors), topics: ["t"], configuration())
        }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for member in members {
                tasks.addTask { for try await record in member { ledger.note(record.valueString ?? "") } }
            }
            try await Producer.with(client) { producer in
                for index in 0..<total {
                    try await producer.send(ProducerRecord(key: "k\(index)", value: "\(index)"), to: "t")
                    // One member leaves in the middle.
                    if index == total / 2 {
                        try await producer.flush()
                        await members[0].close()
                    }
                }
            }
            while ledger.distinct < total { try await Task.sleep(nanoseconds: 10_000_000) }
            for member in members { await member.close() }
            try await tasks.waitForAll()
        }
        let committed = try await Admin.with(client) { try await $0.committedOffsets(group: "g") }
        let sum = committed.values.reduce(0) { $0 + $1.offset.rawValue }
        #expect(sum == Int64(total), "everything read was committed: \(committed)")
    }

    @Test(
        "members come and go, every record is seen, and what was read is committed", .timeLimit(.minutes(1)),
        arguments: [[.range], [.roundRobin], [.sticky], [.cooperativeSticky], [.range, .cooperativeSticky]]
            as [[Assignor]])
    func realBroker(assignors: [Assignor]) async throws {
        let broker = try RealBroker()
        let client = try broker.client()
        try await Admin.with(client) { try await $0.createTopic(NewTopic("t", partitions: 6)) }
        try await share(client, assignors)
    }

    @Test("a record can be committed by itself, and the next member goes on behind it", .timeLimit(.minutes(1)))
    func manualCommit() async throws {
        let broker = try RealBroker()
        let client = try broker.client()
        try await Admin.with(client) { try await $0.createTopic(NewTopic("t", partitions: 1)) }
        try await Producer.with(client) { producer in
            try await producer.send(contentsOf: (0..<10).map { ProducerRecord(value: "\($0)") }, to: "t")
        }
        var settings = configuration()
        settings.commit = .manual
        try await Consumer.with(client, group: group("g", [.range]), topics: ["t"], settings) { consumer in
            for try await record in consumer {
                if record.valueString == "3" {
                    try await consumer.commit(record)
                    break
                }
            }
        }
        try await Consumer.with(client, group: group("g", [.range]), topics: ["t"], settings) { consumer in
            var iterator = consumer.makeAsyncIterator()
            let next = try await iterator.next()
            #expect(next?.valueString == "4")
            do throws(ClientError) {
                try await consumer.commit([TopicPartition("t", 5): CommittedOffset(offset: Offset(1))])
                Issue.record("a foreign partition was committed")
            } catch {
                #expect(error.code == .rebalanced)
            }
        }
        let committed = try await Admin.with(client) { try await $0.committedOffsets(group: "g") }
        #expect(committed[TopicPartition("t", 0)]?.offset == Offset(4))
    }

    @Test("a static member that comes back gets its partitions without a rebalance", .timeLimit(.minutes(1)))
    func staticMember() async throws {
        let broker = try RealBroker()
        let client = try broker.client()
        try await Admin.with(client) { try await $0.createTopic(NewTopic("t", partitions: 4)) }
        try await Producer.with(client) { producer in
            try await producer.send(contentsOf: (0..<40).map { ProducerRecord(value: "\($0)") }, to: "t")
        }
        let events = Ledger()
        var stays = group("g", [.range])
        stays.instanceID = "stays"
        stays.onRebalance = { event in if case .revoked = event { events.note("\(event)") } }
        let first = try Consumer(client, group: stays, topics: ["t"], configuration())
        let reading = Task { for try await _ in first {} }
        var comes = group("g", [.range])
        comes.instanceID = "comes"
        var assignments: [[TopicPartition]] = []
        for round in 0..<3 {
            let member = try Consumer(client, group: comes, topics: ["t"], configuration())
            while try await member.assignment().isEmpty { try await Task.sleep(nanoseconds: 10_000_000) }
            assignments.append(try await member.assignment())
            await member.close()
            if round == 0 { #expect(events.distinct <= 1) }
        }
        #expect(assignments.count == 3 && Set(assignments).count == 1, "\(assignments)")
        #expect(events.distinct <= 1, "a returning static member caused a rebalance")
        await first.close()
        try await reading.value
    }

    @Test("a second member with the same instance id fences the first", .timeLimit(.minutes(1)))
    func fenced() async throws {
        let broker = try RealBroker()
        let client = try broker.client()
        try await Admin.with(client) { try await $0.createTopic(NewTopic("t", partitions: 1)) }
        var settings = group("g", [.range])
        settings.instanceID = "same"
        let first = try Consumer(client, group: settings, topics: ["t"], configuration())
        while try await first.assignment().isEmpty { try await Task.sleep(nanoseconds: 10_000_000) }
        let second = try Consumer(client, group: settings, topics: ["t"], configuration())
        do {
            for try await _ in first {}
            Issue.record("the first goes on")
        } catch {
            #expect(error.code == .fenced)
        }
        await first.close()
        await second.close()
    }

    @Test("a group that reads an unknown topic is told", .timeLimit(.minutes(1)))
    func unknownTopic() async throws {
        let broker = try RealBroker()
        let consumer = try Consumer(
            try broker.client(), group: group("g", [.range]), topics: ["missing"], configuration())
        do {
            for try await _ in consumer {}
            Issue.record("it waits for ever")
        } catch {
            #expect(error.code == .unknownTopicOrPartition)
        }
        await consumer.close()
    }

    @Test("a group outlives a restart of its coordinator", .timeLimit(.minutes(1)))
    func restart() async throws {
        let broker = try RealBroker()
        let client = try broker.client()
        try await Admin.with(client) { try await $0.createTopic(NewTopic("t", partitions: 2)) }
        let ledger = Ledger()
        let consumer = try Consumer(client, group: group("g", [.cooperativeSticky]), topics: ["t"], configuration())
        let reading = Task { for try await record in consumer { ledger.note(record.valueString ?? "") } }
        let producer = try Producer(client)
        for index in 0..<300 {
            if index == 100 { try broker.restart(9) }
            if index == 200 { try broker.restart(15) }
            _ = try await producer.send(ProducerRecord(value: "\(index)"), to: "t").acknowledged()
        }
        while ledger.distinct < 300 { try await Task.sleep(nanoseconds: 10_000_000) }
        try await producer.close()
        await consumer.close()
        try await reading.value
    }
}
