import Logging
import NIOCore
import NIOPosix
import WeirBroker
import WeirModel
import WeirProtocol
import WeirStorage
import WeirSystem

@testable import WeirServer

/// Answers requests as their key says, in place of a broker.
final class FakeDispatcher: RequestDispatcher {
    /// What a request's API key asks for.
    enum Key {
        /// Echo of the frame, at once, exclusive.
        static let echo: Int16 = 3
        /// Kept until `release`; pipelined.
        static let parkPipelined: Int16 = 0
        /// Kept until `release`; exclusive.
        static let parkExclusive: Int16 = 1
        /// A closed connection.
        static let close: Int16 = 4
        /// No answer; pipelined.
        static let silent: Int16 = 5
        /// The file that was given, as deferred bytes.
        static let file: Int16 = 6
        /// An answer of 4 MiB from memory.
        static let large: Int16 = 7
    }

    struct Parked: Sendable {
        let correlation: Int32
        let slot: UInt64
        let sink: any ReplySink
    }

    let parked = Locked<[Parked]>([])
    let seen = Locked<[Int32]>([])
    let file: FileSlice?

    init(file: FileSlice? = nil) { self.file = file }

    func dispatch(
        _ frame: ByteBuffer, slot: UInt64, connection: ConnectionInfo, sink: any ReplySink
    ) -> RequestOrdering {
        let key = frame.getInteger(at: frame.readerIndex, as: Int16.self) ?? -1
        let correlation = frame.getInteger(at: frame.readerIndex + 4, as: Int32.self) ?? -1
        seen.withLock { $0.append(correlation) }
        switch key {
        case Key.parkPipelined, Key.parkExclusive:
            parked.withLock { $0.append(Parked(correlation: correlation, slot: slot, sink: sink)) }
            return key == Key.parkPipelined ? .pipelined : .exclusive
        case Key.close:
            sink.reply(slot, .close("asked to"))
        case Key.silent:
            sink.reply(slot, .nothing)
            return .pipelined
        case Key.file:
            if let file { sink.reply(slot, .frame(Self.frame(file))) }
        case Key.large:
            sink.reply(slot, .frame(Self.frame([UInt8](repeating: 7, count: 4 << 20))))
        default:
            sink.reply(slot, .frame(Self.frame(Array(frame.readableBytesView))))
        }
        return .exclusive
    }

    static func frame(_ content: [UInt8]) -> OutboundBytes {
        OutboundBytes(parts: [.bytes(ByteBuffer(bytes: RawClient.frame(content)))])
    }

    static func frame(_ file: FileSlice) -> OutboundBytes {
        var head = ByteBuffer()
        head.writeInteger(Int32(file.count + 2))
        head.writeInteger(UInt8(0xAA))
        return OutboundBytes(parts: [.bytes(head), .deferred(file), .bytes(ByteBuffer(bytes: [0xBB]))])
    }

    /// Answers the parked request with that correlation id, from the calling thread.
    func release(_ correlation: Int32) {
        let found = parked.withLock { parked -> Parked? in
            guard let index = parked.firstIndex(where: { $0.correlation == correlation }) else { return nil }
            return parked.remove(at: index)
        }
        if let found {
            let content = withUnsafeBytes(of: correlation.bigEndian) { Array($0) }
            found.sink.reply(found.slot, .frame(Self.frame(content)))
        }
    }

    /// Waits until that many requests are parked.
    func waitForParked(_ count: Int) async throws {
        try await eventually { self.parked.withLock { $0.count } >= count }
    }
}

struct Unfulfilled: Error {}

/// Polls until the condition holds; throws after 20 seconds.
func eventually(_ condition: () async -> Bool) async throws {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(20)
    while !(await condition()) {
        if clock.now > end { throw Unfulfilled() }
        try await Task.sleep(for: .milliseconds(2))
    }
}

/// A server with a fake broker behind it on a free port.
struct FakeBroker {
    let dispatcher: FakeDispatcher
    let server: BrokerServer
    let group: MultiThreadedEventLoopGroup

    var port: Int { server.addresses[0].port }

    static func run(
        limits: ServerLimits = ServerLimits(), loops: Int = 2, file: FileSlice? = nil,
        coldAnswers: ColdAnswers? = nil, _ body: (FakeBroker) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: loops)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = try await BrokerServer.bind(
            [ListenerAddress(host: "127.0.0.1", port: 0)], group: group, limits: limits, logger: logger,
            coldAnswers: coldAnswers)
        let dispatcher = FakeDispatcher(file: file)
        try await server.serve(dispatcher)
        let outcome: Result<Void, any Error>
        do {
            try await body(FakeBroker(dispatcher: dispatcher, server: server, group: group))
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        await server.stopListening()
        await server.closeConnections()
        try await group.shutdownGracefully()
        try outcome.get()
    }
}
