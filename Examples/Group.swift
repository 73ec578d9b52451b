import WeirClient

/// Reads as a member of a group: partitions are shared with the other members, and what was processed is committed.
func readInGroup(_ client: ClientConfiguration) async throws {
    try await Producer.with(client) { producer in
        try await producer.send(contentsOf: (1...10).map { ProducerRecord(value: "job \($0)") }, to: "example-jobs")
    }

    var group = GroupConfiguration("example-workers")
    group.onRebalance = { print("rebalance: \($0)") }
    var configuration = ConsumerConfiguration()
    configuration.startPosition = .earliest
    // Commit by hand, each record when its work is done.
    configuration.commit = .manual
    try await Consumer.with(client, group: group, topics: ["example-jobs"], configuration) { consumer in
        var done = 0
        for try await record in consumer {
            print("doing \(record.valueString ?? "")")
            try await consumer.commit(record)
            done += 1
            if done == 10 { break }
        }
    }
}
