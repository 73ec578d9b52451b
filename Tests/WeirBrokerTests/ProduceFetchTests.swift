import NIOCore
import Testing
import WeirBroker
import WeirModel
import WeirProtocol
import WeirRecords
import WeirStorage

@Suite("Produce and Fetch")
struct ProduceFetchTests {
    @Test(arguments: [CompressionCodec.none, .gzip, .snappy, .lz4, .zstd])
    func whatIsProducedIsFetched(codec: CompressionCodec) async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        let first = try await broker.produce("t", try TestBroker.batch(["a", "b"], codec: codec))
        #expect(
            first.errorCode == 0 && first.baseOffset == 0 && first.logAppendTimeMs == -1 && first.logStartOffset == 0)
        let second = try await broker.produce("t", ["c"])
        #expect(second.baseOffset == 2)
        #expect(try await broker.values("t") == ["a", "b", "c"])
        #expect(try await broker.values("t", from: 2) == ["c"])
        await broker.stop()
    }

    @Test(arguments: Int16(3)...13)
    func everyProduceVersionAnswers(version: Int16) async throws {
        let broker = try await TestBroker.start()
        let id = try await broker.createTopic("t")
        var request = TestBroker.produce("t", 0, try TestBroker.batch(["x"]))
        request.topicData[0].topicID = id
        let response = try await broker.call(request, version: version)
        let answer = try #require(response.responses.first?.partitionResponses.first)
        #expect(answer.errorCode == 0 && answer.baseOffset == 0)
        await broker.stop()
    }

    @Test(arguments: Int16(4)...18)
    func everyFetchVersionAnswers(version: Int16) async throws {
        let broker = try await TestBroker.start()
        let id = try await broker.createTopic("t")
        try await broker.produce("t", ["x"])
        var request = TestBroker.fetch("t", from: 0)
        request.topics[0].topicID = id
        let response = try await broker.call(request, version: version)
        #expect(try TestBroker.values(response) == ["x"])
        let partition = try #require(response.responses.first?.partitions.first)
        #expect(partition.highWatermark == 1 && partition.lastStableOffset == 1)
        await broker.stop()
    }

    @Test func errorsOfProduce() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        #expect(try await broker.produce("t", ["x"], acks: 2).errorCode == ErrorCode.invalidRequiredAcks.rawValue)
        #expect(
            try await broker.produce("nope", ["x"]).errorCode == ErrorCode.unknownTopicOrPartition.rawValue)
        #expect(
            try await broker.produce("t", ["x"], partition: 9).errorCode
                == ErrorCode.unknownTopicOrPartition.rawValue)
        #expect(
            try await broker.produce("t", ["x"], partition: -1).errorCode
                == ErrorCode.unknownTopicOrPartition.rawValue)
        var broken = try TestBroker.batch(["x"])
        broken.setInteger(UInt8(0xFF), at: broken.readerIndex + 64)
        #expect(try await broker.produce("t", broken).errorCode == ErrorCode.corruptMessage.rawValue)
        let big = try TestBroker.batch([String(repeating: "x", count: 2 << 20)])
        #expect(try await broker.produce("t", big).errorCode == ErrorCode.messageTooLarge.rawValue)
        var byID = TestBroker.produce("t", 0, try TestBroker.batch(["x"]))
        byID.topicData[0].topicID = UniqueID(high: 1, low: 2)
        let response = try await broker.call(byID, version: 13)
        #expect(
            response.responses.first?.partitionResponses.first?.errorCode == ErrorCode.unknownTopicID.rawValue)
        var transactional = TestBroker.produce("t", 0, try TestBroker.batch(["x"]))
        transactional.transactionalID = "tx"
        let refused = try await broker.call(transactional, version: 9)
        #expect(
            refused.responses.first?.partitionResponses.first?.errorCode == ErrorCode.invalidTxnState.rawValue)
        #expect(try await broker.values("t") == [])
        await broker.stop()
    }

    @Test func recordErrorsOfACompactedTopic() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t", configs: ["cleanup.policy": "compact"])
        let answer = try await broker.produce("t", ["no key"])
        #expect(answer.errorCode == ErrorCode.invalidRecord.rawValue)
        #expect(answer.recordErrors.map(\.batchIndex) == [0])
        await broker.stop()
    }

    @Test func acksZeroIsNotAnswered() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        let slot = try broker.send(
            TestBroker.produce("t", 0, try TestBroker.batch(["x"]), acks: 0), version: 9)
        #expect(try #require(broker.sink.peek(slot)).isNothing)
        #expect(try await broker.values("t") == ["x"])
        let failed = try broker.send(
            TestBroker.produce("nope", 0, try TestBroker.batch(["x"]), acks: 0), version: 9)
        #expect(broker.sink.peek(failed)?.closeReason?.contains("UNKNOWN_TOPIC_OR_PARTITION") == true)
        await broker.stop()
    }

    @Test func acksAllWaitsForTheDisk() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t", configs: [:])
        let answer = try await broker.produce("t", ["x"], acks: -1)
        #expect(answer.errorCode == 0 && answer.baseOffset == 0)
        let partition = try #require(broker.broker.partitions.partition("t", 0))
        #expect(partition.log.syncedEnd == Offset(1))
        #expect(try await broker.values("t") == ["x"])
        await broker.stop()
    }

    @Test func acksAllNeedsEnoughReplicas() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t", configs: ["min.insync.replicas": "2", "flush.mode": "async"])
        #expect(try await broker.produce("t", ["x"], acks: -1).errorCode == ErrorCode.notEnoughReplicas.rawValue)
        #expect(try await broker.produce("t", ["x"], acks: 1).errorCode == 0)
        await broker.stop()
    }

    @Test func idempotentProducersSurviveARestart() async throws {
        var broker = try await TestBroker.start()
        try await broker.createTopic("t")
        func send(_ sequence: Int32, epoch: Int16 = 0, _ values: [String]) async throws -> (Int16, Int64) {
            let answer = try await broker.produce(
                "t", try TestBroker.batch(values, producerID: 5, epoch: epoch, sequence: sequence))
            return (answer.errorCode, answer.baseOffset)
        }
        #expect(try await send(0, ["a", "b"]) == (0, 0))
        #expect(try await send(2, ["c"]) == (0, 2))
        #expect(try await send(0, ["a", "b"]) == (0, 0))
        #expect(try await send(9, ["z"]).0 == ErrorCode.outOfOrderSequenceNumber.rawValue)
        broker = try await broker.restart()
        #expect(try await send(2, ["c"]) == (0, 2))
        #expect(try await send(3, ["d"]) == (0, 3))
        #expect(try await send(0, epoch: 1, ["e"]) == (0, 4))
        #expect(try await send(4, epoch: 0, ["f"]).0 == ErrorCode.invalidProducerEpoch.rawValue)
        #expect(try await broker.values("t") == ["a", "b", "c", "d", "e"])
        await broker.stop()
    }

    @Test func errorsOfFetch() async throws {
        let broker = try await TestBroker.start()
        let id = try await broker.createTopic("t")
        try await broker.produce("t", ["x"])
        func code(_ request: FetchRequest, version: Int16 = 12) async throws -> Int16? {
            try await broker.call(request, version: version).responses.first?.partitions.first?.errorCode
        }
        #expect(try await code(TestBroker.fetch("t", from: 5)) == ErrorCode.offsetOutOfRange.rawValue)
        #expect(try await code(TestBroker.fetch("t", from: -1)) == ErrorCode.offsetOutOfRange.rawValue)
        #expect(try await code(TestBroker.fetch("nope", from: 0)) == ErrorCode.unknownTopicOrPartition.rawValue)
        #expect(
            try await code(TestBroker.fetch("t", from: 0, partition: 3))
                == ErrorCode.unknownTopicOrPartition.rawValue)
        var fenced = TestBroker.fetch("t", from: 0)
        fenced.topics[0].partitions[0].currentLeaderEpoch = 7
        #expect(try await code(fenced) == ErrorCode.unknownLeaderEpoch.rawValue)
        var unknown = TestBroker.fetch("t", from: 0)
        unknown.topics[0].topicID = UniqueID(high: 9, low: 9)
        #expect(try await code(unknown, version: 13) == ErrorCode.unknownTopicID.rawValue)
        unknown.topics[0].topicID = id
        #expect(try await code(unknown, version: 13) == 0)
        await broker.stop()
    }

    @Test func aClaimedReplicaIsRefused() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        try await broker.produce("t", ["x"])
        var request = TestBroker.fetch("t", from: 0)
        request.replicaID = 2
        let old = try await broker.call(request, version: 11)
        #expect(old.responses.first?.partitions.first?.errorCode == ErrorCode.clusterAuthorizationFailed.rawValue)
        #expect(try TestBroker.values(old) == [])
        request.replicaID = -1
        request.replicaState.replicaID = 2
        let new = try await broker.call(request, version: 15)
        #expect(new.errorCode == ErrorCode.clusterAuthorizationFailed.rawValue)
        await broker.stop()
    }

    @Test func limitsAreHonouredButOneBatchIsAlwaysSent() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        for value in ["a", "b", "c"] {
            try await broker.produce("t", [String(repeating: value, count: 1_000)])
        }
        let one = try await broker.call(TestBroker.fetch("t", from: 0, maxBytes: 10), version: 11)
        #expect(try TestBroker.values(one).map(\.first) == ["a"])
        let two = try await broker.call(TestBroker.fetch("t", from: 0, maxBytes: 2_500), version: 11)
        #expect(try TestBroker.values(two).map(\.first) == ["a", "b"])
        var total = TestBroker.fetch("t", from: 0)
        total.maxBytes = 1
        #expect(try TestBroker.values(try await broker.call(total, version: 11)).map(\.first) == ["a"])
        await broker.stop()
    }

    @Test func largeAnswersAreLeftInTheFile() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        try await broker.produce("t", [String(repeating: "x", count: 200_000)])
        let slot = try broker.send(TestBroker.fetch("t", from: 0), version: 11)
        guard case .frame(let frame) = await broker.sink.wait(slot) else {
            Issue.record("no frame")
            return
        }
        let hasDeferred = frame.parts.contains { part in
            if case .deferred = part { true } else { false }
        }
        #expect(hasDeferred)
        #expect(try await broker.values("t").first?.count == 200_000)
        await broker.stop()
    }

    @Test func deniedTopicsAreRefused() async throws {
        let broker = try await TestBroker.start(authorizer: Denying(denied: [(.read, .topic), (.write, .topic)]))
        try await broker.createTopic("t")
        #expect(try await broker.produce("t", ["x"]).errorCode == ErrorCode.topicAuthorizationFailed.rawValue)
        let fetched = try await broker.call(TestBroker.fetch("t", from: 0), version: 11)
        #expect(
            fetched.responses.first?.partitions.first?.errorCode == ErrorCode.topicAuthorizationFailed.rawValue)
        await broker.stop()
    }

    @Test func theBrokersOwnTopicsCannotBeWritten() async throws {
        let broker = try await TestBroker.start()
        var request = FindCoordinatorRequest()
        request.key = "g"
        _ = try await broker.call(request, version: 1)
        let answer = try await broker.produce("__consumer_offsets", ["x"])
        #expect(answer.errorCode == ErrorCode.invalidTopic.rawValue)
        await broker.stop()
    }
}
