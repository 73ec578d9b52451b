import NIOCore
import SystemPackage
import Testing
import WeirStorage
import WeirSystem

@testable import WeirServer

private typealias Key = FakeDispatcher.Key

@Suite struct BrokerServerTests {
    @Test func requestsAreAnswered() async throws {
        try await FakeBroker.run { broker in
            let client = try RawClient(port: broker.port)
            for correlation in 0..<100 as Range<Int32> {
                let request = RawClient.request(key: Key.echo, correlation: correlation, body: [1, 2, 3])
                client.send(request)
                #expect(try client.receiveFrame() == Array(request.dropFirst(4)))
            }
        }
    }

    @Test func aRequestMayComeOneByteAtATime() async throws {
        try await FakeBroker.run { broker in
            let client = try RawClient(port: broker.port)
            let request = RawClient.request(key: Key.echo, body: Array(repeating: 9, count: 600))
            for byte in request + request { client.send([byte]) }
            #expect(try client.receiveFrame() == Array(request.dropFirst(4)))
            #expect(try client.receiveFrame() == Array(request.dropFirst(4)))
        }
    }

    @Test func aStopLetsRequestsInProgressEndAndStartsNone() async throws {
        try await FakeBroker.run { broker in
            let client = try RawClient(port: broker.port)
            client.send(RawClient.request(key: Key.parkPipelined, correlation: 1))
            try await broker.dispatcher.waitForParked(1)
            await broker.server.stopRequests()
            client.send(RawClient.request(key: Key.parkPipelined, correlation: 2))
            broker.dispatcher.release(1)
            #expect(try client.receiveFrame() == [0, 0, 0, 1])
            // Its bytes are there, and have been seen by the loop if they are ever to be.
            await broker.server.stopRequests()
            #expect(broker.dispatcher.seen.withLock { $0 } == [1])
        }
    }

    @Test func connectionsLeaveDescriptorsForFiles() async throws {
        #expect(ServerLimits.connectionRoom(descriptors: 20_000, openFilesMax: 512) == 20_000 - 512 - 2_500)
        #expect(ServerLimits.connectionRoom(descriptors: 256, openFilesMax: 128) == 64)
        #expect(ServerLimits.connectionRoom(descriptors: 20, openFilesMax: 16) == 16)
        var limits = ServerLimits()
        limits.connectionRoom = 2
        try await FakeBroker.run(limits: limits) { broker in
            let clients = try (0..<2).map { _ in try RawClient(port: broker.port) }
            for client in clients {
                client.send(RawClient.request(key: Key.echo, correlation: 5))
                _ = try client.receiveFrame()
            }
            #expect(try RawClient(port: broker.port).isClosedByPeer())
        }
    }

    @Test func largeFramesComeWhole() async throws {
        try await FakeBroker.run { broker in
            let client = try RawClient(port: broker.port)
            for size in [100_000, 1_000_000, 1_000_000, 3_000_000, 10, 1_000_000] {
                let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 / 255) }
                let request = RawClient.request(key: Key.echo, body: body)
                let reader = inBackground { try client.receiveFrame() }
                client.send(request)
                #expect(try await reader.value == Array(request.dropFirst(4)))
            }
        }
    }

    @Test func pipelinedAnswersKeepTheirOrderFromAnyThread() async throws {
        try await FakeBroker.run { broker in
            let client = try RawClient(port: broker.port)
            var bytes: [UInt8] = []
            for correlation in 1...20 as ClosedRange<Int32> {
                bytes += RawClient.request(key: Key.parkPipelined, correlation: correlation)
            }
            client.send(bytes)
            try await broker.dispatcher.waitForParked(20)
            for correlation in (1...20 as ClosedRange<Int32>).reversed() { broker.dispatcher.release(correlation) }
            for correlation in 1...20 as ClosedRange<UInt8> {
                #expect(try client.receiveFrame() == [0, 0, 0, correlation])
            }
        }
    }

    @Test func anExclusiveRequestHoldsTheNextOnesBack() async throws {
        try await FakeBroker.run { broker in
            let client = try RawClient(port: broker.port)
            client.send(
                RawClient.request(key: Key.parkExclusive, correlation: 1)
                    + RawClient.request(key: Key.silent, correlation: 2)
                    + RawClient.request(key: Key.parkExclusive, correlation: 3))
            try await broker.dispatcher.waitForParked(1)
            // Another connection is not held back, and shows that the server had time to do wrong.
            let other = try RawClient(port: broker.port)
            other.send(RawClient.request(key: Key.echo, correlation: 9))
            _ = try other.receiveFrame()
            #expect(broker.dispatcher.seen.withLock { $0 } == [1, 9])
            broker.dispatcher.release(1)
            #expect(try client.receiveFrame() == [0, 0, 0, 1])
            try await broker.dispatcher.waitForParked(1)
            broker.dispatcher.release(3)
            #expect(try client.receiveFrame() == [0, 0, 0, 3])
            #expect(broker.dispatcher.seen.withLock { $0 } == [1, 9, 2, 3])
        }
    }

    @Test(
        arguments: [
            [0xFF, 0xFF, 0xFF, 0xFF], [0x80, 0, 0, 0, 1, 2, 3], [0x7F, 0xFF, 0xFF, 0xFF, 0],
            Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8),
        ] as [[UInt8]])
    func whatIsNoFrameClosesTheConnectionAndNoOther(bytes: [UInt8]) async throws {
        try await FakeBroker.run { broker in
            let healthy = try RawClient(port: broker.port)
            let client = try RawClient(port: broker.port)
            client.send(bytes)
            #expect(client.isClosedByPeer())
            healthy.send(RawClient.request(key: Key.echo))
            _ = try healthy.receiveFrame()
            try await eventually { broker.server.connectionCount == 1 }
        }
    }

    @Test func answersGoOutBeforeTheConnectionIsClosed() async throws {
        try await FakeBroker.run { broker in
            let client = try RawClient(port: broker.port)
            client.send(
                RawClient.request(key: Key.parkPipelined, correlation: 1)
                    + RawClient.request(key: Key.close, correlation: 2)
                    + RawClient.request(key: Key.echo, correlation: 3))
            try await broker.dispatcher.waitForParked(1)
            broker.dispatcher.release(1)
            #expect(try client.receiveFrame() == [0, 0, 0, 1])
            #expect(client.isClosedByPeer())
            #expect(broker.dispatcher.seen.withLock { $0 } == [1, 2])
        }
    }

    @Test func aTruncatedFrameIsForgottenWithItsConnection() async throws {
        try await FakeBroker.run { broker in
            let client = try RawClient(port: broker.port)
            client.send([0, 0, 1, 0, 1, 2, 3])
            client.disconnect()
            try await eventually { broker.server.connectionCount == 0 }
            #expect(broker.dispatcher.seen.withLock { $0 }.isEmpty)
        }
    }

    @Test func limitsTurnConnectionsAway() async throws {
        var limits = ServerLimits()
        limits.connectionsMax = 3
        limits.connectionsPerAddressMax = 2
        try await FakeBroker.run(limits: limits) { broker in
            let first = try RawClient(port: broker.port)
            let second = try RawClient(port: broker.port)
            try await eventually { broker.server.connectionCount == 2 }
            let third = try RawClient(port: broker.port)
            #expect(third.isClosedByPeer())
            first.disconnect()
            try await eventually { broker.server.connectionCount == 1 }
            let fourth = try RawClient(port: broker.port)
            fourth.send(RawClient.request(key: Key.echo))
            _ = try fourth.receiveFrame()
            withExtendedLifetime(second) {}
        }
    }

    @Test func silentConnectionsAreClosedAndBusyOnesAreNot() async throws {
        var limits = ServerLimits()
        limits.idleMilliseconds = 400
        try await FakeBroker.run(limits: limits) { broker in
            let silent = try RawClient(port: broker.port)
            let waiting = try RawClient(port: broker.port)
            waiting.send(RawClient.request(key: Key.parkExclusive, correlation: 1))
            try await broker.dispatcher.waitForParked(1)
            #expect(silent.isClosedByPeer())
            broker.dispatcher.release(1)
            #expect(try waiting.receiveFrame() == [0, 0, 0, 1])
        }
    }

    @Test func slowSendersDoNotHarmOthersNorKeepMemory() async throws {
        try await FakeBroker.run { broker in
            // 500 connections that announce 100 MB each and then say a byte now and then.
            let slow = try (0..<500).map { _ in try RawClient(port: broker.port) }
            for client in slow { client.send([0x06, 0x00, 0x00, 0x00, 0x00]) }
            try await eventually { broker.server.connectionCount == 500 }
            let healthy = try RawClient(port: broker.port)
            for round in 0..<50 {
                for client in slow[(round * 10)..<(round * 10 + 10)] { client.send([0]) }
                healthy.send(RawClient.request(key: Key.echo))
                _ = try healthy.receiveFrame()
            }
            for client in slow { client.disconnect() }
            try await eventually { broker.server.connectionCount == 1 }
        }
    }

    @Test func aClientThatDoesNotReadIsNotServedFurther() async throws {
        try await FakeBroker.run { broker in
            let client = try RawClient(port: broker.port)
            var bytes: [UInt8] = []
            for correlation in 1...50 as ClosedRange<Int32> {
                bytes += RawClient.request(key: Key.large, correlation: correlation)
            }
            client.send(bytes)
            let other = try RawClient(port: broker.port)
            other.send(RawClient.request(key: Key.echo, correlation: 99))
            _ = try other.receiveFrame()
            // 50 answers are 200 MiB; what the sockets' buffers hold lets a few start.
            let started = broker.dispatcher.seen.withLock { $0.filter { $0 != 99 }.count }
            #expect(started < 20)
            for _ in 0..<50 { #expect(try client.receiveFrame().count == 4 << 20) }
        }
    }

    @Test(arguments: [1, 100, 16 * 1024, 16 * 1024 + 1, 3_000_000])
    func stretchesOfFilesAreSentInPlace(count: Int) async throws {
        let path = FilePath("/tmp/weir-server-\(UInt64.random(in: .min ... .max))")
        let fileSystem = LinuxFileSystem()
        defer { try? fileSystem.remove(path) }
        let file = try fileSystem.open(path, create: true)
        let content = (0..<count + 20).map { UInt8(truncatingIfNeeded: $0 &* 13 &+ $0 / 250) }
        try content.withUnsafeBytes { try file.write($0, at: 0) }
        let pool = ThreadPool(threads: 1, name: "cold")
        let slice = FileSlice(file: file, offset: 10, count: count)
        try await FakeBroker.run(file: slice, coldAnswers: ColdAnswers(workers: pool)) { broker in
            let clients = try (0..<4).map { _ in try RawClient(port: broker.port) }
            for _ in 0..<3 {
                for client in clients { client.send(RawClient.request(key: Key.file)) }
                for client in clients {
                    #expect(try client.receiveFrame() == [0xAA] + content[10..<10 + count] + [0xBB])
                }
            }
            // A client that goes away in the middle takes nothing with it.
            clients[0].send(RawClient.request(key: Key.file))
            clients[0].disconnect()
            clients[1].send(RawClient.request(key: Key.file))
            #expect(try clients[1].receiveFrame().count == count + 2)
        }
        // The descriptor is still the file's own.
        #expect(try file.size() == Int64(content.count))
        pool.close()
    }

    @Test func memoryForFramesIsBoundedAndEverythingArrives() async throws {
        var limits = ServerLimits()
        limits.requestMemoryMax = 1 << 20
        try await FakeBroker.run(limits: limits, loops: 1) { broker in
            let body = [UInt8](repeating: 5, count: 900_000)
            let clients = try (0..<8).map { _ in try RawClient(port: broker.port) }
            await withTaskGroup(of: Bool.self) { group in
                for client in clients {
                    let request = RawClient.request(key: Key.echo, body: body)
                    group.addTask {
                        for _ in 0..<3 {
                            let reader = inBackground { try client.receiveFrame().count }
                            let sender = inBackground { client.send(request) }
                            guard (try? await sender.value) == true, (try? await reader.value) == request.count - 4
                            else { return false }
                        }
                        return true
                    }
                }
                for await isWhole in group { #expect(isWhole) }
            }
        }
    }

    @Test func requestsThatDoNotGoOnDoNotKeepTheMemoryOfOthers() async throws {
        var limits = ServerLimits()
        limits.requestMemoryMax = 1 << 20
        try await FakeBroker.run(limits: limits, loops: 1) { broker in
            let body = [UInt8](repeating: 5, count: 900_000)
            let request = RawClient.request(key: Key.echo, body: body)
            let stuck = try (0..<4).map { _ in try RawClient(port: broker.port) }
            // All are there before the first holds memory: from then on the server may close them, after two seconds.
            try await eventually { broker.server.connectionCount == 4 }
            for client in stuck { _ = client.sendNow(Array(request.prefix(600_000))) }
            let healthy = try RawClient(port: broker.port)
            let reader = inBackground { try healthy.receiveFrame().count }
            let sender = inBackground { healthy.send(request) }
            #expect(try await sender.value)
            #expect(try await reader.value == request.count - 4)
            withExtendedLifetime(stuck) {}
        }
    }
}
