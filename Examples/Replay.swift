import WeirClient

/// Reads again what was written in the last hour, and shows what happens when records are gone.
func readAgain(_ client: ClientConfiguration) async throws {
    let written = try await Producer.with(client) { producer in
        try await producer.send(ProducerRecord(value: "just now"), to: "example-replay").acknowledged()
    }

    let consumer = try Consumer(client)
    let hourAgo = written.timestamp - 3_600_000
    try await consumer.assign([written.partition: .timestamp(hourAgo)])
    for try await record in consumer {
        print("\(record.timestamp): \(record.valueString ?? "")")
        break
    }

    // Records that retention deletes before they are read are reported, not skipped.
    try await Admin.with(client) { try await $0.deleteRecords(before: [written.partition: nil]) }
    try await consumer.seek(written.partition, to: .offset(Offset(0)))
    do {
        for try await _ in consumer {}
    } catch {
        print("\(error.code): \(error)")
        try await consumer.seek(written.partition, to: .earliest)
    }
    await consumer.close()
}
