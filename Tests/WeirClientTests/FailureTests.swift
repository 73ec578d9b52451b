import NIOCore
import Testing
import WeirClient
import WeirModel

@Suite("What goes wrong has a name, and nothing hangs")
struct FailureTests {
    private func failure(_ body: () async throws -> Void) async -> ClientError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? ClientError
        }
    }

    @Test("an address where nothing listens", .timeLimit(.minutes(1)))
    func wrongAddress() async throws {
        var client = try ClientConfiguration(bootstrap: "127.0.0.1:1")
        client.bootstrapTimeoutMs = 300
        let settings = client
        let admin = await failure { try await Admin.with(settings) { _ = try await $0.cluster() } }
        #expect(admin?.code == .connectionFailed && admin?.message.contains("127.0.0.1:1") == true)
        #expect(admin?.advice != nil)
        let producer = await failure {
            try await Producer.with(settings) { _ = try await $0.send(ProducerRecord(value: "x"), to: "t") }
        }
        #expect(producer?.code == .connectionFailed)
        let consumer = await failure {
            let consumer = try Consumer(settings)
            try await consumer.assign([TopicPartition("t", 0): .earliest])
        }
        #expect(consumer?.code == .connectionFailed)
    }

    @Test("a port where something else listens", .timeLimit(.minutes(1)))
    func notABroker() async throws {
        // The mock cluster is a broker; an address of it with a garbled version is not.
        let cluster = try MockCluster(brokers: 1)
        try cluster.run("versions 3 90 99")
        var client = try cluster.client()
        client.bootstrapTimeoutMs = 200
        let settings = client
        let error = await failure { try await Admin.with(settings) { _ = try await $0.cluster() } }
        #expect(error?.code == .unsupported)
    }

    @Test("an unknown topic, a wrong partition, an illegal name", .timeLimit(.minutes(1)))
    func wrongTopic() async throws {
        let cluster = try MockCluster(brokers: 1)
        try cluster.run("topic t 2 1")
        let client = try cluster.client()
        let partition = await failure {
            try await Producer.with(client) {
                _ = try await $0.send(
                    ProducerRecord(value: ByteBuffer(string: "x"), partition: PartitionIndex(7)), to: "t")
            }
        }
        #expect(partition?.code == .unknownTopicOrPartition && partition?.partition == TopicPartition("t", 7))
        let name = await failure {
            try await Producer.with(client) { _ = try await $0.send(ProducerRecord(value: "x"), to: "no/slash") }
        }
        #expect(name?.code == .invalidArgument)
        try cluster.run("errors 3 3 3 3 3 3 3 3 3 3 3 3 3 3 3 3")
        let assigned = await failure {
            let consumer = try Consumer(client)
            try await consumer.assign([TopicPartition("t", 9): .earliest])
        }
        #expect(assigned?.code == .unknownTopicOrPartition)
    }

    @Test("a record that is too large for the producer, and one that the broker refuses")
    func tooLarge() async throws {
        let cluster = try MockCluster(brokers: 1)
        try cluster.run("topic t 1 1")
        let client = try cluster.client()
        var configuration = ProducerConfiguration()
        configuration.recordBytesMax = 1_000
        let settings = configuration
        let mine = await failure {
            try await Producer.with(client, settings) {
                _ = try await $0.send(ProducerRecord(value: String(repeating: "x", count: 2_000)), to: "t")
            }
        }
        #expect(mine?.code == .recordTooLarge && mine?.isRetriable == false)
        try cluster.run("errors 0 10")
        try await Producer.with(client, settings) { producer in
            let first = try await producer.send(ProducerRecord(value: "refused"), to: "t")
            let theirs = await failure { _ = try await first.acknowledged() }
            #expect(theirs?.code == .recordTooLarge && theirs?.brokerCode == .messageTooLarge)
            // The producer goes on.
            _ = try await producer.send(ProducerRecord(value: "fine"), to: "t").acknowledged()
        }
    }

    @Test("a delivery that expires says what the last answer was", .timeLimit(.minutes(1)))
    func expiry() async throws {
        let cluster = try MockCluster(brokers: 1)
        try cluster.run("topic t 1 1")
        var configuration = ProducerConfiguration()
        configuration.deliveryTimeoutMs = 500
        configuration.lingerMs = 0
        try cluster.run("errors 0 \(Array(repeating: "19", count: 200).joined(separator: " "))")
        try await Producer.with(try cluster.client(), configuration) { producer in
            let delivery = try await producer.send(ProducerRecord(value: "x"), to: "t")
            let error = await failure { _ = try await delivery.acknowledged() }
            #expect(error?.code == .deliveryExpired && error?.brokerCode == .notEnoughReplicas)
        }
    }

    @Test("a full buffer suspends the sender; cancelling it leaves nothing behind", .timeLimit(.minutes(1)))
    func backPressure() async throws {
        let cluster = try MockCluster(brokers: 1)
        try cluster.run("topic t 1 1")
        try cluster.run("rtt 1 300")
        var configuration = ProducerConfiguration()
        configuration.bufferBytesMax = 10_000
        configuration.batchBytesMax = 5_000
        let producer = try Producer(try cluster.client(), configuration)
        let value = ByteBuffer(string: String(repeating: "x", count: 1_000))
        let sender = Task {
            for _ in 0..<10_000 { try await producer.send(ProducerRecord(value: value), to: "t") }
        }
        // The buffer holds ten; the sender cannot be done before a thousand round trips.
        try await Task.sleep(nanoseconds: 50_000_000)
        sender.cancel()
        let error = await failure { try await sender.value }
        #expect(error?.code == .cancelled)
        try await producer.close()
        let late = await failure { _ = try await producer.send(ProducerRecord(value: value), to: "t") }
        #expect(late?.code == .closed)
    }

    @Test("cancelling a reader ends its loop", .timeLimit(.minutes(1)))
    func cancelReader() async throws {
        let cluster = try MockCluster(brokers: 1)
        try cluster.run("topic t 1 1")
        let consumer = try Consumer(try cluster.client())
        try await consumer.assign([TopicPartition("t", 0): .earliest])
        let reader = Task { for try await _ in consumer {} }
        reader.cancel()
        let error = await failure { try await reader.value }
        #expect(error?.code == .cancelled)
        await consumer.close()
    }

    @Test("configurations that contradict themselves are refused")
    func configurations() async throws {
        let client = try ClientConfiguration(bootstrap: "localhost")
        #expect(client.bootstrap == [ClientConfiguration.Server(host: "localhost", port: 9092)])
        var configuration = ProducerConfiguration()
        configuration.acks = .leader
        #expect(throws: ClientError.self) { try Producer(client, configuration) }
        for wrong in ["", "host:port", "host:0", "a:b:c", "[::1", ","] {
            #expect(throws: ClientError.self, "\(wrong)") { try ClientConfiguration(bootstrap: wrong) }
        }
        #expect(try ClientConfiguration(bootstrap: "[::1]:9, b:1").bootstrap.map(\.description) == ["[::1]:9", "b:1"])
    }
}
