import WeirClient

/// Reads a topic from its beginning to where it ends now.
func consume(_ client: ClientConfiguration) async throws {
    try await Producer.with(client) { try await $0.send(ProducerRecord(value: "hello"), to: "example-events") }

    let consumer = try Consumer(client)
    let partitions = try await consumer.partitions(of: "example-events")
    let ends = try await consumer.offsets(Dictionary(uniqueKeysWithValues: partitions.map { ($0, .latest) }))
    try await consumer.assign(
        Dictionary(uniqueKeysWithValues: partitions.map { ($0, .earliest) }), until: ends.mapValues(\.offset))
    var count = 0
    for try await record in consumer {
        count += 1
        if count <= 3 { print("\(record.partition) \(record.offset): \(record.valueString ?? "")") }
    }
    print("read \(count) records")
    await consumer.close()
}
