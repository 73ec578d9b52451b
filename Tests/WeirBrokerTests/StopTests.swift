import Dispatch
import NIOCore
import Testing
import WeirModel
import WeirProtocol
import WeirStorage
import WeirSystem

@testable import WeirBroker

@Suite("Stopping")
struct StopTests {
    /// What is appended when the broker is told to stop gets to disk a moment later. A producer that was told of a timeout
    /// instead would send it again.
    @Test func whoeverWaitsForTheDiskIsAnsweredBySync() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t", configs: [:])
        let disk = DispatchSemaphore(value: 0)
        // Both threads that could sync are busy.
        for _ in 0..<2 { broker.broker.workers.submit { disk.wait() } }
        let produced = try broker.send(TestBroker.produce("t", 0, try TestBroker.batch(["x"]), acks: -1), version: 9)
        let fetched = try broker.send(TestBroker.fetch("t", from: 0, maxWaitMs: 60_000), version: 11)
        async let stopped: Void = broker.broker.stop()
        // Who waits for data is sent away at once.
        #expect(
            try TestBroker.values(try await broker.sink.wait(fetched).decode(FetchResponse.self, version: 11)) == [])
        for _ in 0..<2 { disk.signal() }
        await stopped
        let answer = try #require(try broker.answer(ProduceResponse.self, to: produced, version: 9))
        #expect(answer.responses.first?.partitionResponses.first?.errorCode == 0)
        #expect(answer.responses.first?.partitionResponses.first?.baseOffset == 0)
        #expect(broker.sink.answeredTwice == [])
        broker.broker.logs.close()
    }

    @Test func aDiskThatDoesNotAnswerDoesNotHoldTheStopUp() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t", configs: [:])
        let disk = DispatchSemaphore(value: 0)
        for _ in 0..<2 { broker.broker.workers.submit { disk.wait() } }
        let produced = try broker.send(TestBroker.produce("t", 0, try TestBroker.batch(["x"]), acks: -1), version: 9)
        let fetched = try broker.send(TestBroker.fetch("t", from: 0, maxWaitMs: 60_000), version: 11)
        async let stopped: Void = broker.broker.stop()
        _ = await broker.sink.wait(fetched)
        let ticking = Locked(true)
        Task {
            // Virtual time: whichever moment the wait begins at, its end comes.
            while ticking.withLock({ $0 }) {
                broker.time.advance(1_000)
                await Task.yield()
            }
        }
        await stopped
        ticking.withLock { $0 = false }
        let answer = try #require(try broker.answer(ProduceResponse.self, to: produced, version: 9))
        #expect(
            answer.responses.first?.partitionResponses.first?.errorCode == ErrorCode.requestTimedOut.rawValue)
        for _ in 0..<2 { disk.signal() }
        broker.broker.logs.close()
    }
}

@Suite("Clients that have gone")
struct GoneClientTests {
    /// A client that waits for weeks and goes away leaves nothing behind for weeks.
    @Test func theirFetchesAreDropped() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        let frame = try TestBroker.frame(TestBroker.fetch("t", from: 0, maxWaitMs: .max), version: 11)
        for number in 0..<5_000 as Range<UInt64> {
            let connection = ConnectionInfo(
                id: ConnectionID(100 + number), listener: "PLAINTEXT", clientAddress: "127.0.0.1")
            let sink = Collector()
            _ = broker.dispatcher.dispatch(frame, slot: 1, connection: connection, sink: sink)
            connection.hasClosed()
        }
        #expect(broker.broker.purgatory.count <= 1_024)
        // Those that are left are not read for when data comes.
        try await broker.produce("t", ["x"])
        let slot = try broker.send(TestBroker.fetch("t", from: 0, maxWaitMs: 60_000), version: 11)
        #expect(
            try TestBroker.values(try await broker.sink.wait(slot).decode(FetchResponse.self, version: 11)) == ["x"])
        await broker.stop()
    }
}
