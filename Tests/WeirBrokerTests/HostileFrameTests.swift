import NIOCore
import Testing
import WeirBroker
import WeirModel
import WeirProtocol
import WeirRecords

@Suite("Hostile frames")
struct HostileFrameTests {
    /// A valid frame of every API, filled a little where a default would leave the handler nothing to do.
    private func seeds() throws -> [ByteBuffer] {
        var metadata = MetadataRequest()
        metadata.topics = nil
        var create = CreateTopicsRequest()
        var topic = CreateTopicsRequest.CreatableTopic()
        topic.name = "made"
        topic.numPartitions = 1
        topic.replicationFactor = 1
        create.topics = [topic]
        var listed = ListOffsetsRequest.ListOffsetsTopic()
        listed.name = "t"
        listed.partitions = [ListOffsetsRequest.ListOffsetsPartition()]
        var list = ListOffsetsRequest()
        list.topics = [listed]
        var delete = DeleteRecordsRequest()
        var trimmed = DeleteRecordsRequest.DeleteRecordsTopic()
        trimmed.name = "t"
        trimmed.partitions = [DeleteRecordsRequest.DeleteRecordsPartition()]
        delete.topics = [trimmed]
        var configs = DescribeConfigsRequest()
        var resource = DescribeConfigsRequest.DescribeConfigsResource()
        resource.resourceType = 2
        resource.resourceName = "t"
        configs.resources = [resource]
        var find = FindCoordinatorRequest()
        find.key = "g"
        var join = JoinGroupRequest()
        join.groupID = "g"
        join.sessionTimeoutMs = 10_000
        join.protocolType = "consumer"
        let produce = TestBroker.produce("t", 0, try TestBroker.batch(["a", "b"], codec: .lz4))
        var session = TestBroker.fetch("t", from: 0)
        session.sessionEpoch = 0
        return [
            try TestBroker.frame(produce, version: 9), try TestBroker.frame(produce, version: 3),
            try TestBroker.frame(session, version: 11), try TestBroker.frame(session, version: 13),
            try TestBroker.frame(list, version: 7), try TestBroker.frame(metadata, version: 9),
            try TestBroker.frame(ApiVersionsRequest(), version: 3), try TestBroker.frame(create, version: 5),
            try TestBroker.frame(delete, version: 2), try TestBroker.frame(InitProducerIDRequest(), version: 2),
            try TestBroker.frame(OffsetForLeaderEpochRequest(), version: 4),
            try TestBroker.frame(configs, version: 4), try TestBroker.frame(AlterConfigsRequest(), version: 2),
            try TestBroker.frame(DescribeLogDirsRequest(), version: 2),
            try TestBroker.frame(CreatePartitionsRequest(), version: 2),
            try TestBroker.frame(IncrementalAlterConfigsRequest(), version: 1),
            try TestBroker.frame(DescribeClusterRequest(), version: 1),
            try TestBroker.frame(DescribeTopicPartitionsRequest(), version: 0),
            try TestBroker.frame(find, version: 3), try TestBroker.frame(join, version: 5),
            try TestBroker.frame(OffsetCommitRequest(), version: 8),
            try TestBroker.frame(OffsetFetchRequest(), version: 7),
            try TestBroker.frame(HeartbeatRequest(), version: 4),
            try TestBroker.frame(LeaveGroupRequest(), version: 4), try TestBroker.frame(SyncGroupRequest(), version: 5),
            try TestBroker.frame(DescribeGroupsRequest(), version: 5),
            try TestBroker.frame(ListGroupsRequest(), version: 4),
            try TestBroker.frame(DeleteGroupsRequest(), version: 2),
            try TestBroker.frame(OffsetDeleteRequest(), version: 0),
        ]
    }

    private func mutate(_ frame: ByteBuffer, _ random: TestRandom) -> ByteBuffer {
        var bytes = Array(frame.readableBytesView)
        for _ in 0...random.below(4) {
            let place = random.below(bytes.count)
            switch random.below(5) {
            case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
            case 1: bytes[place] ^= 1 << UInt8(random.below(8))
            case 2: bytes[place] = [0, 1, 0x7F, 0x80, 0xFF][random.below(5)]
            case 3: bytes.removeLast(min(bytes.count - 1, random.below(8)))
            default: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
            }
            if bytes.isEmpty { bytes = [0] }
        }
        return ByteBuffer(bytes: bytes)
    }

    /// Whatever comes, each frame is answered or closes its connection, and the broker goes on working.
    @Test(arguments: [UInt64(1), 2, 3])
    func nothingBringsTheBrokerDown(seed: UInt64) async throws {
        let broker = try await TestBroker.start(["topic.partitions.max": "20"])
        try await broker.createTopic("t")
        let random = TestRandom(seed: seed)
        let seeds = try seeds()
        var slots: [UInt64] = []
        for round in 0..<3_000 {
            let frame = mutate(seeds[round % seeds.count], random)
            slots.append(broker.send(frame))
        }
        try await broker.createTopic("alive-\(seed)")
        #expect(try await broker.produce("alive-\(seed)", ["x"]).errorCode == 0)
        #expect(try await broker.values("alive-\(seed)") == ["x"])
        // Joins and fetches may wait for a long time; nothing waits longer than the clients' own limits.
        broker.time.advance(Int64(Int32.max) + 10_000)
        for slot in slots { _ = await broker.sink.wait(slot) }
        #expect(broker.sink.answeredTwice == [], "seed \(seed)")
        await broker.stop()
    }
}
