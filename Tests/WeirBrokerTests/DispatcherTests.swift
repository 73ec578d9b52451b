import NIOCore
import Testing
import WeirBroker
import WeirModel
import WeirProtocol

@Suite("Dispatcher")
struct DispatcherTests {
    private func frame(key: Int16, version: Int16, _ rest: [UInt8] = [0xFF, 0xFF]) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(key)
        buffer.writeInteger(version)
        buffer.writeInteger(Int32(5))
        buffer.writeBytes(rest)
        return buffer
    }

    @Test func anUnknownApiVersionsVersionIsAnsweredInV0() async throws {
        let broker = try await TestBroker.start()
        let slot = broker.send(frame(key: 18, version: 99, [1, 2, 3]))
        let response = try #require(try broker.answer(ApiVersionsResponse.self, to: slot, version: 0))
        #expect(response.errorCode == ErrorCode.unsupportedVersion.rawValue)
        let versions = try #require(response.apiKeys.first { $0.apiKey == 18 })
        #expect(versions.minVersion == 0 && versions.maxVersion == 4)
        #expect(response.apiKeys.count >= 28)
        await broker.stop()
    }

    @Test(arguments: Int16(0)...4)
    func everyApiVersionsVersionAnswers(version: Int16) async throws {
        let broker = try await TestBroker.start()
        var request = ApiVersionsRequest()
        request.clientSoftwareName = "kcat"
        request.clientSoftwareVersion = "1.7.1"
        let response = try await broker.call(request, version: version)
        #expect(response.errorCode == 0)
        let ranges = Dictionary(
            uniqueKeysWithValues: response.apiKeys.map { ($0.apiKey, ($0.minVersion, $0.maxVersion)) })
        // What old librdkafka looks for, to the version.
        for (key, needed) in [
            0: [0, 2, 3, 7], 1: [4, 10], 2: [1], 8: [2], 9: [1], 10: [0], 11: [0], 12: [0], 13: [0],
            14: [0], 18: [0], 22: [0],
        ] as [Int16: [Int16]] {
            let range = try #require(ranges[key])
            for version in needed { #expect(range.0 <= version && version <= range.1, "key \(key)") }
        }
        #expect(!response.apiKeys.contains { (24...28).contains($0.apiKey) || $0.apiKey >= 20_000 })
        if version >= 3 { #expect(broker.connection.software?.name == "kcat") }
        await broker.stop()
    }

    @Test(arguments: ["", "a b", "-a", "a-", "ä"])
    func badSoftwareNamesAreRefused(name: String) async throws {
        let broker = try await TestBroker.start()
        var request = ApiVersionsRequest()
        request.clientSoftwareName = name
        request.clientSoftwareVersion = "1"
        #expect(try await broker.call(request, version: 3).errorCode == ErrorCode.invalidRequest.rawValue)
        await broker.stop()
    }

    @Test func bytesBehindARequestArePassedOver() async throws {
        let broker = try await TestBroker.start()
        let slot = broker.send(frame(key: 3, version: 1, [0xFF, 0xFF, 0, 0, 0, 0, 9, 9, 9]))
        #expect(broker.sink.peek(slot)?.closeReason == nil)
        await broker.stop()
    }

    @Test func whatIsNoRequestClosesTheConnection() async throws {
        let broker = try await TestBroker.start()
        let frames = [
            ByteBuffer(), ByteBuffer(bytes: [0, 1, 2]), frame(key: 999, version: 0), frame(key: -5, version: 0),
            frame(key: 0, version: 14), frame(key: 0, version: -1), frame(key: 1, version: 3),
            // A Metadata request with a client id that is longer than the frame.
            frame(key: 3, version: 1, [0x7F, 0xFF]),
            // One with a count beyond the frame.
            frame(key: 3, version: 1, [0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]),
        ]
        for frame in frames {
            let slot = broker.send(frame)
            #expect(broker.sink.peek(slot)?.closeReason != nil, "\(frame)")
        }
        await broker.stop()
    }
}
