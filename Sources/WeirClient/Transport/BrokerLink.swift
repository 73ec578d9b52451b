import DequeModule
import Logging
import NIOCore
import NIOPosix
import WeirConnection
import WeirModel
import WeirProtocol
import WeirSystem

/// A link to one broker: connects when there is something to send, negotiates, sends, matches answers, times out.
///
/// Everything here runs on the client's event loop. Requests that come before the connection stands wait in order.
final class BrokerLink {
    /// A request and what becomes of it.
    struct Call {
        let key: APIKey
        /// The first version of the API whose headers are flexible.
        let firstFlexible: Int16
        let timeoutMs: Int64
        let expectsAnswer: Bool
        let maximumVersion: Int16
        let enqueuedAt: MonotonicTime
        /// Encodes the whole frame.
        let encode: (ConnectionMachine.Slot) throws(WireError) -> OutboundBytes
        /// Called once: the answer's body behind its header and the version, or what went wrong. Without an answer to
        /// come, an empty body when it was written.
        let complete: (Result<(body: ByteBuffer, version: Int16), ClientError>) -> Void
    }

    let server: ClientConfiguration.Server
    private let configuration: ClientConfiguration
    private let loop: any EventLoop
    private let clock: any WeirClock
    private let random: any RandomSource
    private var machine: LinkMachine
    private var connection: ConnectionMachine?
    private var channel: (any Channel)?
    private var waiting: Deque<Call> = []
    private var inFlight: [Int32: Call] = [:]
    private var timer: (deadline: MonotonicTime, task: Scheduled<Void>)?
    private var reconnect: Scheduled<Void>?
    private var isClosed = false
    private var flushIsScheduled = false
    /// Tells connections apart, so that a late event of an old one does no harm.
    private var attempt = 0

    init(
        server: ClientConfiguration.Server, configuration: ClientConfiguration, loop: any EventLoop,
        clock: any WeirClock, random: any RandomSource
    ) {
        self.server = server
        self.configuration = configuration
        self.loop = loop
        self.clock = clock
        self.random = random
        machine = LinkMachine(
            backoff: Backoff(initialMs: configuration.retryBackoffMs, maximumMs: configuration.retryBackoffMaxMs))
    }

    var isUp: Bool { machine.isUp }
    /// Requests sent or waiting to be.
    var load: Int { waiting.count + inFlight.count }
    /// The negotiated versions, while connected.
    var versions: VersionTable? { connection?.versions }

    // MARK: Sending

    func send(_ call: Call) {
        guard !isClosed else { return call.complete(.failure(.closed)) }
        if connection?.versions != nil, channel != nil {
            transmit(call)
        } else {
            waiting.append(call)
            connectIfNeeded()
        }
        armTimer()
    }

    private func transmit(_ call: Call) {
        guard let channel else { return call.complete(.failure(lost("not connected"))) }
        let decision = connection?.request(
            call.key, timeoutMs: call.timeoutMs, expectsAnswer: call.expectsAnswer,
            maximumVersion: call.maximumVersion, now: clock.monotonic)
        switch decision {
        case .send(let slot):
            do throws(WireError) {
                let frame = try call.encode(slot)
                if call.expectsAnswer { inFlight[slot.correlationID] = call }
                write(frame, to: channel, slot: slot, call: call)
            } catch {
                _ = connection?.answered(correlationID: slot.correlationID)
                call.complete(
                    .failure(
                        ClientError(
                            .unsupported, "\(call.key.name) cannot be said in version \(slot.version): \(error)")))
            }
        case .unsupported:
            call.complete(
                .failure(
                    ClientError(
                        .unsupported, "the broker at \(server) does not speak \(call.key.name)",
                        advice: "it may be too old, or not allow it", brokerCode: .unsupportedVersion)))
        case .notReady, nil:
            call.complete(.failure(lost("not connected")))
        }
    }

    private func write(_ frame: OutboundBytes, to channel: any Channel, slot: ConnectionMachine.Slot, call: Call) {
        let last = frame.parts.count - 1
        for (index, part) in frame.parts.enumerated() {
            let buffer: ByteBuffer
            switch part {
            case .bytes(let bytes): buffer = bytes
            case .deferred(let bytes):
                guard let bytes = bytes as? BufferedBytes else {
                    preconditionFailure("a request holds bytes in memory")
                }
                buffer = bytes.buffer
            }
            if index == last, !call.expectsAnswer {
                let promise = loop.makePromise(of: Void.self)
                let server = server
                promise.futureResult.assumeIsolated().whenComplete { result in
                    switch result {
                    case .success: call.complete(.success((ByteBuffer(), slot.version)))
                    case .failure(let error):
                        call.complete(
                            .failure(
                                ClientError(
                                    .connectionLost, "writing to \(server) failed: \(describe(error))",
                                    isRetriable: true)))
                    }
                }
                channel.write(buffer, promise: promise)
            } else {
                channel.write(buffer, promise: nil)
            }
        }
        scheduleFlush()
    }

    /// One flush for everything that is written in one turn of the loop.
    private func scheduleFlush() {
        guard !flushIsScheduled else { return }
        flushIsScheduled = true
        loop.assumeIsolated().execute {
            self.flushIsScheduled = false
            self.channel?.flush()
        }
    }

    // MARK: Connecting

    private func connectIfNeeded() {
        switch machine.wanted(now: clock.monotonic) {
        case .nothing:
            break
        case .wait(let until):
            guard reconnect == nil else { return }
            let delay = max(1, until.milliseconds(since: clock.monotonic) + 1)
            reconnect = loop.assumeIsolated().scheduleTask(in: .milliseconds(delay)) {
                self.reconnect = nil
                if !self.waiting.isEmpty, !self.isClosed { self.connectIfNeeded() }
            }
        case .connect:
            connect()
        }
    }

    private func connect() {
        attempt += 1
        let number = attempt
        let frameBytesMax = configuration.answerBytesMax
        let box = LoopBound(self, loop: loop)
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(.milliseconds(configuration.connectTimeoutMs))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 256 * 1024))
            .channelOption(.maxMessagesPerRead, value: 4)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        FrameHandler(link: box.value, frameBytesMax: frameBytesMax))
                }
            }
        let future: EventLoopFuture<any Channel>
        if let address = try? SocketAddress(ipAddress: server.host, port: server.port) {
            future = bootstrap.connect(to: address)
        } else {
            future = bootstrap.connect(host: server.host, port: server.port)
        }
        future.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel): self.connected(channel, attempt: number)
            case .failure(let error): self.connectFailed(error, attempt: number)
            }
        }
    }

    private func connected(_ channel: any Channel, attempt number: Int) {
        guard !isClosed, number == attempt else { return channel.close(promise: nil) }
        self.channel = channel
        var connection = ConnectionMachine(handshakeTimeoutMs: configuration.requestTimeoutMs)
        let slot = connection.opened(now: clock.monotonic)
        self.connection = connection
        negotiate(slot)
        armTimer()
    }

    private func negotiate(_ slot: ConnectionMachine.Slot) {
        var request = ApiVersionsRequest()
        request.clientSoftwareName = WeirVersion.softwareName
        request.clientSoftwareVersion = WeirVersion.current
        guard let channel,
            let frame = try? BrokerLink.frame(request, slot: slot, clientID: configuration.clientID)
        else { return }
        for case .bytes(let buffer) in frame.parts { channel.write(buffer, promise: nil) }
        scheduleFlush()
    }

    private func connectFailed(_ error: any Error, attempt number: Int) {
        guard !isClosed, number == attempt else { return }
        let text = describe(error)
        configuration.logger.debug("cannot connect", metadata: ["broker": "\(server)", "error": "\(text)"])
        machine.down(now: clock.monotonic, random: random)
        failWaiting(
            ClientError(
                .connectionFailed, "cannot connect to \(server): \(text)", advice: "is a broker running there?",
                isRetriable: true, cause: error))
    }

    private func failWaiting(_ error: ClientError) {
        let calls = waiting
        waiting = []
        for call in calls { call.complete(.failure(error)) }
    }

    // MARK: Receiving

    func received(_ frame: ByteBuffer) {
        var body = frame
        guard let correlationID = body.getInteger(at: body.readerIndex, as: Int32.self),
            let slot = connection?.answered(correlationID: correlationID)
        else { return violated("an answer that nobody asked for") }
        let call = inFlight.removeValue(forKey: correlationID)
        // The handshake's own answer has the plain header in every version.
        let flexible = call.map { slot.version >= $0.firstFlexible } ?? false
        do throws(WireError) {
            _ = try WireReader.readPrefix(
                ResponseHeader.self, from: &body, version: slot.version, flexible: flexible)
        } catch {
            call?.complete(.failure(ClientError(.protocolViolation, "\(slot.key.name) was answered with \(error)")))
            return violated("\(slot.key.name) was answered with \(error)")
        }
        if let call {
            call.complete(.success((body, slot.version)))
        } else {
            handshakeAnswered(body, slot: slot)
        }
    }

    private func handshakeAnswered(_ body: ByteBuffer, slot: ConnectionMachine.Slot) {
        let code = body.getInteger(at: body.readerIndex, as: Int16.self)
        let isUnsupported = code == ErrorCode.unsupportedVersion.rawValue
        let action: ConnectionMachine.HandshakeAction?
        do throws(WireError) {
            // An answer of error 35 has the body of version 0, whatever was asked.
            let response = try WireReader.read(
                ApiVersionsResponse.self, from: body, version: isUnsupported ? 0 : slot.version)
            action = connection?.negotiated(response, now: clock.monotonic)
        } catch {
            if isUnsupported {
                // librdkafka's mock cluster garbles what follows the error; the error alone says enough.
                var response = ApiVersionsResponse()
                response.errorCode = ErrorCode.unsupportedVersion.rawValue
                action = connection?.negotiated(response, now: clock.monotonic)
            } else {
                action = .close(reason: "ApiVersions was answered with \(error)")
            }
        }
        switch action {
        case .ready:
            machine.up()
            configuration.logger.debug("connected", metadata: ["broker": "\(server)"])
            let calls = waiting
            waiting = []
            for call in calls { transmit(call) }
            armTimer()
        case .askAgain(let slot):
            negotiate(slot)
        case .close(let reason):
            violated(reason)
        case nil:
            break
        }
    }

    /// The broker says something that cannot be understood: nothing after it could be trusted.
    func violated(_ reason: String) {
        configuration.logger.warning(
            "closing a connection", metadata: ["broker": "\(server)", "reason": "\(reason)"])
        channelClosed(reason)
    }

    // MARK: Ending

    private func lost(_ reason: String) -> ClientError {
        ClientError(.connectionLost, "the connection to \(server) was lost: \(reason)", isRetriable: true)
    }

    func channelClosed(_ reason: String) {
        guard let channel else { return }
        self.channel = nil
        attempt += 1
        channel.close(promise: nil)
        let wasReady = connection?.versions != nil
        _ = connection?.closed()
        connection = nil
        machine.down(now: clock.monotonic, random: random)
        let calls = inFlight.sorted { $0.key < $1.key }.map(\.value)
        inFlight = [:]
        timer?.task.cancel()
        timer = nil
        for call in calls { call.complete(.failure(lost(reason))) }
        if !wasReady {
            failWaiting(
                ClientError(
                    .connectionFailed, "\(server) does not answer like a Kafka broker: \(reason)",
                    advice: "is it the right port?", isRetriable: true))
        } else if !waiting.isEmpty, !isClosed {
            connectIfNeeded()
        }
    }

    /// Closes for good; everything under way fails.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        reconnect?.cancel()
        channelClosed("the client has been closed")
        failWaiting(.closed)
    }

    // MARK: Deadlines

    private func armTimer() {
        var next = connection?.nextDeadline
        if let first = waiting.first {
            let deadline = first.enqueuedAt.advanced(milliseconds: first.timeoutMs)
            next = min(next ?? deadline, deadline)
        }
        guard let next else { return }
        if let timer, timer.deadline <= next { return }
        timer?.task.cancel()
        let delay = max(1, next.milliseconds(since: clock.monotonic) + 1)
        let task = loop.assumeIsolated().scheduleTask(in: .milliseconds(delay)) {
            self.timer = nil
            self.checkDeadlines()
        }
        timer = (next, task)
    }

    private func checkDeadlines() {
        let now = clock.monotonic
        if let slot = connection?.overdue(now: now) {
            let call = inFlight.removeValue(forKey: slot.correlationID)
            call?.complete(.failure(.timedOut("\(slot.key.name) to \(server)", afterMs: call?.timeoutMs ?? 0)))
            channelClosed("\(slot.key.name) got no answer in time")
        }
        while let first = waiting.first, first.enqueuedAt.advanced(milliseconds: first.timeoutMs) <= now {
            waiting.removeFirst()
            first.complete(.failure(.timedOut("\(first.key.name) to \(server)", afterMs: first.timeoutMs)))
        }
        armTimer()
    }

    // MARK: Encoding

    static func frame<R: WireRequest>(
        _ request: R, slot: ConnectionMachine.Slot, clientID: String
    ) throws(WireError) -> OutboundBytes {
        var header = RequestHeader()
        header.apiKey = slot.key.rawValue
        header.apiVersion = slot.version
        header.correlationID = slot.correlationID
        header.clientID = clientID
        var request = request
        if var adapting = request as? any WireRequest & VersionAdapting {
            adapting.adapt(to: slot.version)
            if let adapted = adapting as? R { request = adapted }
        }
        return try WireWriter.frame(
            header: header, flexibleHeader: R.isFlexible(slot.version), body: request, version: slot.version)
    }
}

/// Carries a value that belongs to an event loop into a `@Sendable` closure that runs on it.
struct LoopBound<Value>: @unchecked Sendable {
    // Unchecked: `value` traps off the loop.
    private let stored: Value
    private let loop: any EventLoop

    init(_ value: Value, loop: any EventLoop) {
        stored = value
        self.loop = loop
    }

    var value: Value {
        loop.preconditionInEventLoop()
        return stored
    }
}

/// An error of NIO or the system, as words for a message.
func describe(_ error: any Error) -> String {
    switch error {
    case let error as NIOConnectionError:
        if error.connectionErrors.isEmpty { return "the host name '\(error.host)' cannot be resolved" }
        return error.connectionErrors.map { describe($0.error) }.first ?? "\(error)"
    case let error as IOError:
        return words(forErrno: error.errnoCode) ?? error.description
    case ChannelError.connectTimeout:
        return "no answer to the connection attempt"
    default:
        return "\(error)"
    }
}
