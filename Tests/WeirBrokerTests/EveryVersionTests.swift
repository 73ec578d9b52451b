import NIOCore
import Testing
import WeirBroker
import WeirModel
import WeirProtocol

/// Every advertised version of the APIs whose answers differ from version to version gets an answer that its own decoder
/// reads: a field that the version does not have must not keep the answer from being sent.
@Suite("Every version")
struct EveryVersionTests {
    private func expectAnswers<Request: WireRequest>(
        _ broker: TestBroker, _ request: Request, _ versions: ClosedRange<Int16>
    ) async throws {
        for version in versions {
            let slot = try broker.send(request, version: version)
            let reply = await broker.sink.wait(slot)
            #expect(reply.closeReason == nil, "\(Request.key) v\(version)")
            _ = try reply.decode(Request.Response.self, version: version)
        }
    }

    @Test func adminAnswersInEveryVersion() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        var configs = DescribeConfigsRequest()
        configs.resources = [("t", Int8(2)), ("1", 4), ("nope", 2)].map { name, type in
            var resource = DescribeConfigsRequest.DescribeConfigsResource()
            resource.resourceType = type
            resource.resourceName = name
            resource.configurationKeys = nil
            return resource
        }
        try await expectAnswers(broker, configs, 1...4)
        var alter = AlterConfigsRequest()
        var resource = AlterConfigsRequest.AlterConfigsResource()
        resource.resourceType = 2
        resource.resourceName = "nope"
        alter.resources = [resource]
        try await expectAnswers(broker, alter, 0...2)
        var incremental = IncrementalAlterConfigsRequest()
        var other = IncrementalAlterConfigsRequest.AlterConfigsResource()
        other.resourceType = 2
        other.resourceName = "nope"
        incremental.resources = [other]
        try await expectAnswers(broker, incremental, 0...1)
        var directories = DescribeLogDirsRequest()
        directories.topics = nil
        try await expectAnswers(broker, directories, 1...5)
        try await expectAnswers(broker, DescribeClusterRequest(), 0...2)
        try await expectAnswers(broker, DescribeTopicPartitionsRequest(), 0...0)
        await broker.stop()
    }

    @Test func topicChangesAnswerInEveryVersion() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        var grow = CreatePartitionsRequest()
        var wanted = CreatePartitionsRequest.CreatePartitionsTopic()
        wanted.name = "t"
        wanted.count = 1
        wanted.assignments = nil
        grow.topics = [wanted]
        try await expectAnswers(broker, grow, 0...3)
        for version in Int16(1)...6 {
            var delete = DeleteTopicsRequest()
            if version >= 6 {
                var topic = DeleteTopicsRequest.DeleteTopicState()
                topic.name = "nope"
                delete.topics = [topic]
            } else {
                delete.topicNames = ["nope"]
            }
            try await expectAnswers(broker, delete, version...version)
        }
        var trim = DeleteRecordsRequest()
        var trimmed = DeleteRecordsRequest.DeleteRecordsTopic()
        trimmed.name = "t"
        trimmed.partitions = [DeleteRecordsRequest.DeleteRecordsPartition()]
        trim.topics = [trimmed]
        try await expectAnswers(broker, trim, 0...2)
        var epochs = OffsetForLeaderEpochRequest()
        var asked = OffsetForLeaderEpochRequest.OffsetForLeaderTopic()
        asked.topic = "t"
        asked.partitions = [OffsetForLeaderEpochRequest.OffsetForLeaderPartition()]
        epochs.topics = [asked]
        epochs.replicaID = -1
        try await expectAnswers(broker, epochs, 3...4)
        epochs.replicaID = -2
        try await expectAnswers(broker, epochs, 2...2)
        await broker.stop()
    }

    @Test func refusedProduceAndFetchAnswerInEveryVersion() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        var broken = try TestBroker.batch(["x"])
        broken.setInteger(UInt8(0xFF), at: broken.readerIndex + 64)
        for version in Int16(0)...12 {
            let slot = try broker.send(TestBroker.produce("t", 0, broken), version: version)
            let response = try await broker.sink.wait(slot).decode(ProduceResponse.self, version: version)
            #expect(response.responses.first?.partitionResponses.first?.errorCode != 0)
        }
        for version in Int16(4)...12 {
            var request = TestBroker.fetch("t", from: 99)
            if version >= 9 { request.topics[0].partitions[0].currentLeaderEpoch = 9 }
            let slot = try broker.send(request, version: version)
            let response = try await broker.sink.wait(slot).decode(FetchResponse.self, version: version)
            #expect(response.responses.first?.partitions.first?.errorCode != 0)
        }
        await broker.stop()
    }
}
