import WeirClient

/// Makes a topic, looks at it, changes it, and deletes it.
func lookAfterTopics(_ client: ClientConfiguration) async throws {
    try await Admin.with(client) { admin in
        do {
            try await admin.createTopic(
                NewTopic("example-topic", partitions: 3, configuration: ["retention.ms": "86400000"]))
        } catch let error as ClientError where error.brokerCode == .topicAlreadyExists {
            print("it is there already")
        }
        try await admin.alterConfiguration(of: .topic("example-topic"), [ConfigChange("retention.ms", .set("3600000"))])
        for entry in try await admin.configuration(of: .topic("example-topic")) where entry.isOverride {
            print("\(entry.name)=\(entry.value ?? "")")
        }
        print("\(try await admin.topic("example-topic").partitions.count) partitions")
        for group in try await admin.groups() { print("group \(group.id): \(group.state ?? "")") }
        try await admin.deleteTopic("example-topic")
    }
}
