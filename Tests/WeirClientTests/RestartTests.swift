import NIOCore
import Testing
import WeirClient
import WeirModel

@Suite("A broker that goes down under its clients")
struct RestartTests {
    @Test(
        "killed and started again under an idempotent producer: no loss, no duplicate, no reorder",
        .timeLimit(.minutes(2)))
    func producer() async throws {
        let broker = try RealBroker()
        let client = try broker.client()
        try await Admin.with(client) { try await $0.createTopic(NewTopic("t", partitions: 3)) }
        let total = 3_000
        let producer = try Producer(client)
        let sending = Task {
            var deliveries: [Delivery] = []
            for index in 0..<total {
                deliveries.append(
                    try await producer.send(ProducerRecord(key: "k\(index % 7)", value: "\(index)"), to: "t"))
                if index % 20 == 19, let last = deliveries.last { _ = try await last.acknowledged() }
            }
            for delivery in deliveries { _ = try await delivery.acknowledged() }
        }
        for _ in 0..<3 {
            try await Task.sleep(nanoseconds: 60_000_000)
            try broker.restart(9)
        }
        try await sending.value
        try await producer.close()
        let consumer = try Consumer(client)
        let partitions = try await consumer.partitions(of: "t")
        let ends = try await consumer.offsets(Dictionary(uniqueKeysWithValues: partitions.map { ($0, .latest) }))
        try await consumer.assign(
            Dictionary(uniqueKeysWithValues: partitions.map { ($0, .earliest) }), until: ends.mapValues(\.offset))
        var byKey: [String: [Int]] = [:]
        for try await record in consumer {
            byKey[record.keyString ?? "", default: []].append(Int(record.valueString ?? "") ?? -1)
        }
        await consumer.close()
        for key in 0..<7 { #expect(byKey["k\(key)"] == (0..<total).filter { $0 % 7 == key }, "key \(key)") }
    }
}
