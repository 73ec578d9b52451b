import NIOCore
import SystemPackage
import Testing
import WeirBroker
import WeirModel
import WeirProtocol

@Suite("Offsets, epochs and producer ids")
struct OffsetTests {
    private func look(
        _ broker: TestBroker, _ timestamp: Int64, version: Int16 = 11, topic: String = "t", epoch: Int32 = -1
    ) async throws -> (Int16, Int64, Int64) {
        var partition = ListOffsetsRequest.ListOffsetsPartition()
        partition.timestamp = timestamp
        partition.currentLeaderEpoch = epoch
        var wanted = ListOffsetsRequest.ListOffsetsTopic()
        wanted.name = topic
        wanted.partitions = [partition]
        var request = ListOffsetsRequest()
        request.topics = [wanted]
        let answer = try #require(try await broker.call(request, version: version).topics.first?.partitions.first)
        return (answer.errorCode, answer.offset, answer.timestamp)
    }

    @Test func everySpecialTimestamp() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        let start = TestTime.wallStart
        #expect(try await look(broker, -1) == (0, 0, -1))
        #expect(try await look(broker, -3) == (0, -1, -1))
        try await broker.produce("t", try TestBroker.batch(["a", "b"], timestamp: start))
        try await broker.produce("t", try TestBroker.batch(["c"], timestamp: start + 10))
        #expect(try await look(broker, -1) == (0, 3, -1))
        #expect(try await look(broker, -2) == (0, 0, -1))
        #expect(try await look(broker, -3) == (0, 2, start + 10))
        #expect(try await look(broker, -4) == (0, 0, -1))
        #expect(try await look(broker, -5) == (0, -1, -1))
        #expect(try await look(broker, -6) == (0, -1, -1))
        #expect(try await look(broker, start + 1) == (0, 1, start + 1))
        #expect(try await look(broker, start + 2) == (0, 2, start + 10))
        #expect(try await look(broker, start + 11) == (0, -1, -1))
        #expect(try await look(broker, -3, version: 6).0 == ErrorCode.unsupportedVersion.rawValue)
        #expect(try await look(broker, -9).0 == ErrorCode.unsupportedVersion.rawValue)
        #expect(try await look(broker, -1, topic: "nope").0 == ErrorCode.unknownTopicOrPartition.rawValue)
        #expect(try await look(broker, -1, epoch: 5).0 == ErrorCode.unknownLeaderEpoch.rawValue)
        for version in Int16(1)...11 { #expect(try await look(broker, -1, version: version).1 == 3) }
        await broker.stop()
    }

    private func deleteRecords(_ broker: TestBroker, to offset: Int64, topic: String = "t") async throws -> (
        Int16, Int64
    ) {
        var partition = DeleteRecordsRequest.DeleteRecordsPartition()
        partition.offset = offset
        var wanted = DeleteRecordsRequest.DeleteRecordsTopic()
        wanted.name = topic
        wanted.partitions = [partition]
        var request = DeleteRecordsRequest()
        request.topics = [wanted]
        let answer = try #require(try await broker.call(request, version: 2).topics.first?.partitions.first)
        return (answer.errorCode, answer.lowWatermark)
    }

    @Test func recordsAreDeletedUpToAnOffset() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        for value in ["a", "b", "c"] { try await broker.produce("t", [value]) }
        #expect(try await deleteRecords(broker, to: 2) == (0, 2))
        #expect(try await look(broker, -2).1 == 2)
        let below = try await broker.call(TestBroker.fetch("t", from: 0), version: 11)
        #expect(below.responses.first?.partitions.first?.errorCode == ErrorCode.offsetOutOfRange.rawValue)
        #expect(try await broker.values("t", from: 2) == ["c"])
        #expect(try await deleteRecords(broker, to: 9) == (ErrorCode.offsetOutOfRange.rawValue, -1))
        #expect(try await deleteRecords(broker, to: -2) == (ErrorCode.offsetOutOfRange.rawValue, -1))
        #expect(try await deleteRecords(broker, to: 0, topic: "nope").0 == ErrorCode.unknownTopicOrPartition.rawValue)
        #expect(try await deleteRecords(broker, to: -1) == (0, 3))
        await broker.stop()
    }

    @Test func compactedTopicsKeepTheirRecords() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t", configs: ["cleanup.policy": "compact", "flush.mode": "async"])
        #expect(try await deleteRecords(broker, to: -1).0 == ErrorCode.policyViolation.rawValue)
        try await broker.createTopic("u", configs: ["cleanup.policy": "compact,delete", "flush.mode": "async"])
        #expect(try await deleteRecords(broker, to: -1, topic: "u").0 == 0)
        await broker.stop()
    }

    @Test func epochsEnd() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        try await broker.produce("t", ["a", "b"])
        func end(_ epoch: Int32, current: Int32 = -1) async throws -> (Int16, Int32, Int64) {
            var partition = OffsetForLeaderEpochRequest.OffsetForLeaderPartition()
            partition.leaderEpoch = epoch
            partition.currentLeaderEpoch = current
            var wanted = OffsetForLeaderEpochRequest.OffsetForLeaderTopic()
            wanted.topic = "t"
            wanted.partitions = [partition]
            var request = OffsetForLeaderEpochRequest()
            request.topics = [wanted]
            let answer = try #require(try await broker.call(request, version: 4).topics.first?.partitions.first)
            return (answer.errorCode, answer.leaderEpoch, answer.endOffset)
        }
        #expect(try await end(0) == (0, 0, 2))
        #expect(try await end(0, current: 3).0 == ErrorCode.unknownLeaderEpoch.rawValue)
        await broker.stop()
    }

    @Test(arguments: Int16(0)...5)
    func producerIDsAreNeverGivenTwice(version: Int16) async throws {
        var broker = try await TestBroker.start()
        var ids: Set<Int64> = []
        func ask(_ transactionalID: String? = nil) async throws -> InitProducerIDResponse {
            var request = InitProducerIDRequest()
            request.transactionalID = transactionalID
            return try await broker.call(request, version: version)
        }
        for round in 0..<2 {
            for _ in 0..<20 {
                let response = try await ask()
                #expect(response.errorCode == 0 && response.producerEpoch == 0)
                #expect(ids.insert(response.producerID).inserted, "round \(round)")
            }
            broker = try await broker.restart()
        }
        #expect(try await ask("tx").errorCode == ErrorCode.unsupportedVersion.rawValue)
        await broker.stop()
    }

    @Test func describeClusterAndLogDirs() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t", partitions: 2)
        try await broker.produce("t", ["x"], partition: 1)
        var request = DescribeClusterRequest()
        request.includeClusterAuthorizedOperations = true
        let cluster = try await broker.call(request, version: 2)
        #expect(cluster.brokers.map(\.brokerID) == [1] && cluster.controllerID == 1)
        #expect(cluster.clusterAuthorizedOperations > 0)
        request.endpointType = 2
        #expect(try await broker.call(request, version: 1).errorCode == ErrorCode.mismatchedEndpointType.rawValue)
        var directories = DescribeLogDirsRequest()
        directories.topics = nil
        let result = try #require(try await broker.call(directories, version: 4).results.first)
        #expect(result.logDir == broker.directory.path.description && result.totalBytes > 0)
        let sizes = try #require(result.topics.first { $0.name == "t" }).partitions.map(\.partitionSize)
        #expect(sizes.count == 2 && sizes[0] == 0 && sizes[1] > 60)
        await broker.stop()
    }

    @Test func topicPartitionsAreDescribedPageByPage() async throws {
        let broker = try await TestBroker.start()
        for name in ["a", "b", "c"] { try await broker.createTopic(name, partitions: 3) }
        var request = DescribeTopicPartitionsRequest()
        request.responsePartitionLimit = 4
        var seen: [String] = []
        var pages = 0
        while pages < 10 {
            let page = try await broker.call(request, version: 0)
            pages += 1
            for topic in page.topics {
                seen += topic.partitions.map { "\(topic.name ?? "")-\($0.partitionIndex)" }
            }
            guard let cursor = page.nextCursor else { break }
            request.cursor = cursor
        }
        #expect(pages == 3)
        #expect(seen == ["a-0", "a-1", "a-2", "b-0", "b-1", "b-2", "c-0", "c-1", "c-2"])
        var unknown = DescribeTopicPartitionsRequest.TopicRequest()
        unknown.name = "nope"
        request.cursor = nil
        request.topics = [unknown]
        let refused = try await broker.call(request, version: 0)
        #expect(refused.topics.map(\.errorCode) == [ErrorCode.unknownTopicOrPartition.rawValue])
        await broker.stop()
    }
}
