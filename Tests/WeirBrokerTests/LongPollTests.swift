import NIOCore
import Testing
import WeirBroker
import WeirModel
import WeirProtocol

@Suite("Waiting fetches and acks")
struct LongPollTests {
    @Test func aFetchWakesWhenDataArrives() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        let slot = try broker.send(TestBroker.fetch("t", from: 0, maxWaitMs: 60_000), version: 11)
        #expect(broker.sink.peek(slot) == nil)
        try await broker.produce("t", ["x"])
        // Woken by the append itself: no time passes, and nobody waits.
        let response = try #require(try broker.answer(FetchResponse.self, to: slot, version: 11))
        #expect(try TestBroker.values(response) == ["x"])
        await broker.stop()
    }

    @Test func aFetchOfASyncedTopicWakesAfterTheSync() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t", configs: [:])
        let slot = try broker.send(TestBroker.fetch("t", from: 0, maxWaitMs: 60_000), version: 11)
        #expect(try await broker.produce("t", ["x"], acks: 1).errorCode == 0)
        let response = try await broker.sink.wait(slot).decode(FetchResponse.self, version: 11)
        #expect(try TestBroker.values(response) == ["x"])
        await broker.stop()
    }

    @Test func aFetchGivesUpAfterMaxWait() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        let slot = try broker.send(TestBroker.fetch("t", from: 0, maxWaitMs: 500), version: 11)
        broker.time.advance(499)
        #expect(broker.sink.peek(slot) == nil)
        broker.time.advance(1)
        let response = try #require(try broker.answer(FetchResponse.self, to: slot, version: 11))
        #expect(try TestBroker.values(response) == [])
        #expect(response.responses.first?.partitions.first?.errorCode == 0)
        await broker.stop()
    }

    @Test func minBytesCountOverAllPartitions() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t", partitions: 2)
        var request = TestBroker.fetch("t", from: 0, maxWaitMs: 60_000, minBytes: 300)
        var second = request.topics[0].partitions[0]
        second.partition = 1
        request.topics[0].partitions.append(second)
        let slot = try broker.send(request, version: 11)
        try await broker.produce("t", [String(repeating: "a", count: 100)])
        #expect(broker.sink.peek(slot) == nil)
        try await broker.produce("t", [String(repeating: "b", count: 100)], partition: 1)
        let response = try #require(try broker.answer(FetchResponse.self, to: slot, version: 11))
        #expect(try TestBroker.values(response).count == 2)
        await broker.stop()
    }

    /// A consumer whose `fetch.min.bytes` is what one partition may give would otherwise wait `max.wait` for each batch of a
    /// backlog, since whole batches never add up to it exactly.
    @Test func whatTheLimitsCutOffCountsTowardsMinBytes() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        for _ in 0..<3 { try await broker.produce("t", [String(repeating: "a", count: 400)]) }
        let backlog = TestBroker.fetch("t", from: 0, maxWaitMs: 60_000, minBytes: 700, maxBytes: 700)
        let slot = try broker.send(backlog, version: 11)
        let response = try #require(try broker.answer(FetchResponse.self, to: slot, version: 11))
        #expect(try TestBroker.values(response).count == 1)
        // The same when the data comes while the fetch waits.
        let late = try broker.send(
            TestBroker.fetch("t", from: 3, maxWaitMs: 60_000, minBytes: 700, maxBytes: 700), version: 11)
        try await broker.produce("t", [String(repeating: "a", count: 400)])
        #expect(broker.sink.peek(late) == nil)
        try await broker.produce("t", [String(repeating: "a", count: 400)])
        #expect(broker.sink.peek(late) != nil)
        await broker.stop()
    }

    @Test func aFetchDoesNotWaitBeforeTheEndOfASegment() async throws {
        let broker = try await TestBroker.start(["log.segment.bytes": "1048576"])
        try await broker.createTopic("t", configs: ["flush.mode": "async", "segment.bytes": "1048576"])
        let large = String(repeating: "a", count: 600_000)
        for _ in 0..<2 { try await broker.produce("t", [large]) }
        // The rest of the first segment is less than is asked for, and no more will ever come into it.
        let slot = try broker.send(
            TestBroker.fetch("t", from: 0, maxWaitMs: 60_000, minBytes: 1_000_000, maxBytes: 1 << 20), version: 11)
        #expect(broker.sink.peek(slot) != nil)
        await broker.stop()
    }

    @Test func manyWaitersAreAllServedOnce() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t", partitions: 3)
        var slots: [UInt64] = []
        for index in 0..<300 {
            let request = TestBroker.fetch("t", from: 0, partition: Int32(index % 3), maxWaitMs: Int32(100 + index))
            slots.append(try broker.send(request, version: 11))
        }
        broker.time.advance(250)
        try await broker.produce("t", ["x"], partition: 0)
        broker.time.advance(1_000)
        for (index, slot) in slots.enumerated() {
            let response = try #require(try broker.answer(FetchResponse.self, to: slot, version: 11))
            // Those of partition 0 that had not timed out at 250 ms saw the record.
            let sawIt = index % 3 == 0 && index > 150
            #expect(try TestBroker.values(response) == (sawIt ? ["x"] : []), "waiter \(index)")
        }
        #expect(broker.sink.answeredTwice == [])
        await broker.stop()
    }

    @Test func deletingATopicAnswersItsWaiters() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        let slot = try broker.send(TestBroker.fetch("t", from: 0, maxWaitMs: 60_000), version: 11)
        var request = DeleteTopicsRequest()
        request.topicNames = ["t"]
        let deleted = try await broker.call(request, version: 5)
        #expect(deleted.responses.first?.errorCode == 0)
        let response = try #require(try broker.answer(FetchResponse.self, to: slot, version: 11))
        #expect(
            response.responses.first?.partitions.first?.errorCode == ErrorCode.unknownTopicOrPartition.rawValue)
        await broker.stop()
    }

    @Test func stoppingAnswersWhoeverWaits() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        let slot = try broker.send(TestBroker.fetch("t", from: 0, maxWaitMs: 60_000), version: 11)
        await broker.stop()
        #expect(broker.sink.peek(slot) != nil)
    }

    @Test func producersAndWaitingConsumersRace() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        let count = 400
        async let consumed: [String] = {
            var values: [String] = []
            while values.count < count {
                let request = TestBroker.fetch("t", from: Int64(values.count), maxWaitMs: 60_000)
                values += try TestBroker.values(try await broker.call(request, version: 11))
            }
            return values
        }()
        for index in 0..<count { try await broker.produce("t", ["\(index)"]) }
        // A lost wake-up would hang here: no time ever passes.
        #expect(try await consumed == (0..<count).map(String.init))
        await broker.stop()
    }
}
