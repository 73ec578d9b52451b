import Glibc
import Testing

@Suite(.serialized) struct BrokerProcessTests {
    /// ApiVersions v0, correlation id 7; the answer starts with that id and error code 0.
    private func introduce(to port: Int) throws {
        let client = try RawClient(port: port)
        client.send(RawClient.request(key: 18, correlation: 7))
        #expect(Array(try client.receiveFrame().prefix(6)) == [0, 0, 0, 7, 0, 0])
    }

    @Test func aBrokerServesAndStopsOnSIGTERM() throws {
        let directory = TemporaryDirectory()
        for _ in 0..<2 {
            let broker = try Weir("broker", "--data", directory.path, "--listen", "127.0.0.1:0", "--node-id", "4")
            let port = try #require(broker.readyPort())
            #expect(port > 0)
            try introduce(to: port)
            // A connection that stays open does not hold the stop up.
            let idle = try RawClient(port: port)
            let clock = ContinuousClock()
            let start = clock.now
            broker.signal(SIGTERM)
            let output = broker.allOutput()
            #expect(broker.exitCode() == 0, "\(output)")
            #expect(clock.now - start < .seconds(5))
            #expect(output.contains("weir broker 4 ready on 127.0.0.1:\(port)\n"))
            #expect(idle.isClosedByPeer())
        }
    }

    @Test func aBrokerThatWasKilledStartsAgain() throws {
        let directory = TemporaryDirectory()
        let killed = try Weir("broker", "--data", directory.path, "--listen", "127.0.0.1:0")
        try introduce(to: try #require(killed.readyPort()))
        killed.signal(SIGKILL)
        #expect(killed.exitCode() == -SIGKILL)
        let broker = try Weir("broker", "--data", directory.path, "--listen", "127.0.0.1:0")
        try introduce(to: try #require(broker.readyPort()))
        broker.signal(SIGINT)
        #expect(broker.exitCode() == 0)
    }

    @Test func aSecondBrokerOnTheDirectoryIsRefused() throws {
        let directory = TemporaryDirectory()
        let first = try Weir("broker", "--data", directory.path, "--listen", "127.0.0.1:0")
        let port = try #require(first.readyPort())
        let second = try Weir("broker", "--data", directory.path, "--listen", "127.0.0.1:0")
        let output = second.allOutput()
        #expect(second.exitCode() == 1)
        #expect(output.split(separator: "\n").count == 1, "\(output)")
        #expect(output.contains(directory.path) && output.contains("in use"), "\(output)")
        try introduce(to: port)
        first.signal(SIGTERM)
        #expect(first.exitCode() == 0)
    }

    @Test func aTakenPortIsOneClearLine() throws {
        let directories = (TemporaryDirectory(), TemporaryDirectory())
        let first = try Weir("broker", "--data", directories.0.path, "--listen", "127.0.0.1:0")
        let port = try #require(first.readyPort())
        let second = try Weir(
            "broker", "--data", directories.1.path, "--listen", "127.0.0.1:\(port)", "--set", "log.level=error")
        let output = second.allOutput()
        #expect(second.exitCode() == 1)
        #expect(output == "weir broker: cannot listen on 127.0.0.1:\(port): Address already in use\n")
    }

    @Test(arguments: [
        (["--set", "log.segment.byte=1"], "log.segment.bytes"),
        (["--set", "log.segment.bytes=1"], "log.segment.bytes"),
        (["--set", "nonsense"], "KEY=VALUE"),
        (["--listen", "0.0.0.0:0"], "--allow-plaintext"),
        (["--listen", "127.0.0.1"], "HOST:PORT"),
        (["--registry", "etcd://127.0.0.1:2379"], "not built yet"),
        (["--http", "127.0.0.1:0"], "not built yet"),
        (["--config", "/nowhere/server.properties"], "/nowhere/server.properties"),
    ])
    func aBadConfigurationIsOneClearLine(arguments: [String], says: String) throws {
        let directory = TemporaryDirectory()
        let broker = try Weir(arguments: ["broker", "--data", directory.path] + arguments)
        let output = broker.allOutput()
        #expect(broker.exitCode() == 1)
        #expect(output.split(separator: "\n").count == 1, "\(output)")
        #expect(output.hasPrefix("weir broker: ") && output.contains(says), "\(output)")
    }

    @Test func wrongUsageIsTwo() throws {
        let broker = try Weir("broker", "--no-such-option")
        #expect(broker.allOutput().contains("--no-such-option"))
        #expect(broker.exitCode() == 2)
    }

    @Test func garbageFromStrangersHarmsNobody() throws {
        let directory = TemporaryDirectory()
        let broker = try Weir("broker", "--data", directory.path, "--listen", "127.0.0.1:0", "--set", "log.level=error")
        let port = try #require(broker.readyPort())
        let healthy = try RawClient(port: port)
        var state: UInt64 = 42
        for round in 0..<300 {
            let stranger = try RawClient(port: port)
            var bytes = (0..<(round % 97)).map { _ -> UInt8 in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: state >> 33)
            }
            // Half of them get a true length and a plausible header, so that the decoders see the rest.
            if round % 2 == 0 {
                bytes = RawClient.request(key: Int16(round / 2 % 76), version: Int16(round % 13), body: bytes)
            }
            stranger.send(bytes)
        }
        healthy.send(RawClient.request(key: 18, correlation: 7))
        #expect(Array(try healthy.receiveFrame().prefix(6)) == [0, 0, 0, 7, 0, 0])
        broker.signal(SIGTERM)
        #expect(broker.exitCode() == 0)
    }
}
