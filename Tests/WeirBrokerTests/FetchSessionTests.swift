import NIOCore
import Testing
import WeirModel
import WeirProtocol
import WeirSystem

@testable import WeirBroker

@Suite("Fetch sessions")
struct FetchSessionTests {
    private func request(session: Int32, epoch: Int32, _ partitions: [(Int32, Int64)]) -> FetchRequest {
        var request = TestBroker.fetch("t", from: 0)
        let template = request.topics[0].partitions[0]
        request.sessionID = session
        request.sessionEpoch = epoch
        request.topics[0].partitions = partitions.map { index, offset in
            var entry = template
            entry.partition = index
            entry.fetchOffset = offset
            return entry
        }
        if partitions.isEmpty { request.topics = [] }
        return request
    }

    @Test func largeSessionsAreBoundedTogether() {
        let cache = FetchSessionCache(slots: 10, partitionsMax: 5_000, random: TestRandom(seed: 1))
        func create(_ partitions: Int32) -> FetchSession? {
            let wanted = request(session: 0, epoch: 0, (0..<partitions).map { ($0, 0) })
            return cache.create(for: wanted, usesTopicIDs: false, now: MonotonicTime(nanoseconds: 0))
        }
        #expect(create(3_000)?.size == 3_000)
        #expect(create(3_000) == nil)
        // Small ones are bounded by their number.
        #expect(create(1_000)?.size == 1_000)
        #expect(create(1_000)?.size == 1_000)
        #expect(create(1_000)?.size == 1_000)
        #expect(cache.hasRoom(for: 1_000, adding: 10))
        #expect(!cache.hasRoom(for: 1_010, adding: 10))
        // A large one goes on as long as it names nothing.
        #expect(cache.hasRoom(for: 3_000, adding: 0))
    }

    @Test func onlyWhatChangedIsTold() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t", partitions: 3)
        let first = try await broker.call(request(session: 0, epoch: 0, [(0, 0), (1, 0), (2, 0)]), version: 11)
        #expect(first.sessionID != 0)
        #expect(first.responses.flatMap(\.partitions).map(\.partitionIndex) == [0, 1, 2])
        let id = first.sessionID
        let quiet = try await broker.call(request(session: id, epoch: 1, []), version: 11)
        #expect(quiet.sessionID == id && quiet.responses.isEmpty)
        try await broker.produce("t", ["x"], partition: 1)
        let news = try await broker.call(request(session: id, epoch: 2, []), version: 11)
        #expect(news.responses.flatMap(\.partitions).map(\.partitionIndex) == [1])
        #expect(try TestBroker.values(news) == ["x"])
        // The offset that the session remembers has not moved: the same record again, until the client moves it.
        let again = try await broker.call(request(session: id, epoch: 3, []), version: 11)
        #expect(try TestBroker.values(again) == ["x"])
        let moved = try await broker.call(request(session: id, epoch: 4, [(1, 1)]), version: 11)
        #expect(moved.responses.isEmpty)
        await broker.stop()
    }

    @Test func forgottenPartitionsAreGone() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t", partitions: 2)
        let id = try await broker.call(request(session: 0, epoch: 0, [(0, 0), (1, 0)]), version: 11).sessionID
        var forget = request(session: id, epoch: 1, [])
        var topic = FetchRequest.ForgottenTopic()
        topic.topic = "t"
        topic.partitions = [0]
        forget.forgottenTopicsData = [topic]
        _ = try await broker.call(forget, version: 11)
        try await broker.produce("t", ["a"], partition: 0)
        try await broker.produce("t", ["b"], partition: 1)
        #expect(
            try TestBroker.values(try await broker.call(request(session: id, epoch: 2, []), version: 11)) == ["b"])
        await broker.stop()
    }

    @Test func wrongIdsAndEpochs() async throws {
        let broker = try await TestBroker.start()
        let topicID = try await broker.createTopic("t")
        let unknown = try await broker.call(request(session: 12345, epoch: 1, []), version: 11)
        #expect(unknown.errorCode == ErrorCode.fetchSessionIDNotFound.rawValue)
        let id = try await broker.call(request(session: 0, epoch: 0, [(0, 0)]), version: 11).sessionID
        let wrong = try await broker.call(request(session: id, epoch: 5, []), version: 11)
        #expect(wrong.errorCode == ErrorCode.invalidFetchSessionEpoch.rawValue)
        var byID = request(session: id, epoch: 1, [(0, 0)])
        byID.topics[0].topicID = topicID
        let mixed = try await broker.call(byID, version: 13)
        #expect(mixed.errorCode == ErrorCode.fetchSessionTopicIDError.rawValue)
        // Epoch -1 ends the session.
        _ = try await broker.call(request(session: id, epoch: -1, [(0, 0)]), version: 11)
        let gone = try await broker.call(request(session: id, epoch: 1, []), version: 11)
        #expect(gone.errorCode == ErrorCode.fetchSessionIDNotFound.rawValue)
        await broker.stop()
    }

    @Test func aFullCacheGivesNoSessionUntilOneIsOld() async throws {
        let broker = try await TestBroker.start(["max.incremental.fetch.session.cache.slots": "1"])
        try await broker.createTopic("t", partitions: 2)
        #expect(try await broker.call(request(session: 0, epoch: 0, [(0, 0)]), version: 11).sessionID != 0)
        #expect(try await broker.call(request(session: 0, epoch: 0, [(0, 0)]), version: 11).sessionID == 0)
        broker.time.advance(121_000)
        #expect(try await broker.call(request(session: 0, epoch: 0, [(0, 0)]), version: 11).sessionID != 0)
        await broker.stop()
    }

    @Test func aBusyPartitionDoesNotStarveTheOthers() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t", partitions: 2)
        for _ in 0..<3 { try await broker.produce("t", [String(repeating: "a", count: 500)], partition: 0) }
        try await broker.produce("t", ["b"], partition: 1)
        var full = request(session: 0, epoch: 0, [(0, 0), (1, 0)])
        full.maxBytes = 100
        let first = try await broker.call(full, version: 11)
        #expect(try TestBroker.values(first).map(\.first) == ["a"])
        var next = request(session: first.sessionID, epoch: 1, [])
        next.maxBytes = 100
        // Partition 1 is first now, though partition 0 has more.
        #expect(try TestBroker.values(try await broker.call(next, version: 11)).map(\.first) == ["b"])
        await broker.stop()
    }
}
