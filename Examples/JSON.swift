import WeirClient
import WeirClientJSON

struct Order: Codable, Sendable {
    var id: Int
    var item: String
}

/// Codable values as JSON. Any other format is an implementation of `RecordCoding`.
func exchangeJSON(_ client: ClientConfiguration) async throws {
    let orders = JSONCoding(Order.self)
    let place = try await Producer.with(client) { producer in
        let record = try ProducerRecord(key: "order-7", value: Order(id: 7, item: "tea"), as: orders)
        return try await producer.send(record, to: "example-orders").acknowledged()
    }

    let consumer = try Consumer(client)
    try await consumer.assign([place.partition: place.offset.map { .offset($0) } ?? .earliest])
    for try await record in consumer {
        if let order = try record.value(as: orders) { print("order \(order.id): \(order.item)") }
        break
    }
    await consumer.close()
}
