import NIOCore
import Testing
import WeirClient
import WeirModel

@Suite("Admin, against a broker of ours")
struct AdminTests {
    @Test("topics are made, described, grown, changed, trimmed and deleted", .timeLimit(.minutes(1)))
    func topics() async throws {
        let broker = try RealBroker()
        try await Admin.with(try broker.client()) { admin in
            let made = try await admin.createTopic(
                NewTopic("t", partitions: 2, configuration: ["retention.ms": "1000000"]))
            #expect(made.partitions == 2 && made.name == "t")
            do throws(ClientError) {
                try await admin.createTopic(NewTopic("t"))
                Issue.record("it was made twice")
            } catch {
                #expect(error.brokerCode == .topicAlreadyExists && !error.isRetriable)
            }
            try await admin.createTopic(NewTopic("checked"), validateOnly: true)
            #expect(try await admin.cluster().topics.keys.sorted() == ["t"])
            try await admin.createPartitions(topic: "t", total: 3)
            #expect(try await admin.topic("t").partitions.count == 3)
            try await admin.alterConfiguration(
                of: .topic("t"),
                [ConfigChange("retention.ms", .remove), ConfigChange("max.message.bytes", .set("2000"))])
            let entries = try await admin.configuration(of: .topic("t"))
            #expect(entries.filter(\.isOverride).map(\.name) == ["max.message.bytes"])
            try await Producer.with(try broker.client()) { producer in
                try await producer.send(
                    contentsOf: (0..<10).map { _ in
                        ProducerRecord(value: ByteBuffer(string: "x"), partition: PartitionIndex(1))
                    }, to: "t")
            }
            let partition = TopicPartition("t", 1)
            #expect(try await admin.deleteRecords(before: [partition: Offset(4)]) == [partition: Offset(4)])
            #expect(try await admin.offsets([partition: .earliest])[partition]?.offset == Offset(4))
            #expect(try await admin.deleteRecords(before: [partition: nil]) == [partition: Offset(10)])
            try await admin.deleteTopic("t")
            do throws(ClientError) {
                _ = try await admin.topic("t")
                Issue.record("it is still there")
            } catch {
                #expect(error.code == .unknownTopicOrPartition)
            }
        }
    }

    @Test("groups are listed, described, moved and deleted", .timeLimit(.minutes(1)))
    func groups() async throws {
        let broker = try RealBroker()
        try await Admin.with(try broker.client()) { admin in
            try await admin.createTopic(NewTopic("t", partitions: 1))
            let partition = TopicPartition("t", 0)
            try await admin.commitOffsets(group: "g", [partition: CommittedOffset(offset: Offset(0), metadata: "m")])
            #expect(try await admin.groups().map(\.id) == ["g"])
            #expect(try await admin.describeGroup("g").state == "Empty")
            #expect(try await admin.committedOffsets(group: "g")[partition]?.metadata == "m")
            try await admin.deleteOffsets(group: "g", partitions: [partition])
            #expect(try await admin.committedOffsets(group: "g").isEmpty)
            try await admin.commitOffsets(group: "g", [partition: CommittedOffset(offset: Offset(0))])
            try await admin.deleteGroup("g")
            #expect(try await admin.groups().isEmpty)
            do throws(ClientError) {
                _ = try await admin.describeGroup("g")
                Issue.record("it is still there")
            } catch {
                #expect(error.brokerCode == .groupIDNotFound)
            }
        }
    }
}
