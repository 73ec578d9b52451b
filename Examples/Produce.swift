import WeirClient

/// Writes records and learns where they went.
func produce(_ client: ClientConfiguration) async throws {
    try await Producer.with(client) { producer in
        // `send` returns as soon as the record is on its way; await the delivery when you want to know.
        let delivery = try await producer.send(ProducerRecord(key: "user-1", value: "signed in"), to: "example-events")
        let place = try await delivery.acknowledged()
        print("written to \(place.partition) at offset \(place.offset.map { "\($0)" } ?? "unknown")")

        // Many at once: one call, one delivery for each.
        let records = (1...1000).map { ProducerRecord(key: "user-\($0 % 10)", value: "click \($0)") }
        try await producer.send(contentsOf: records, to: "example-events")
        try await producer.flush()
        print("written 1000 more")
    }
}
