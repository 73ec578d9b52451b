import Logging
import NIOCore
import WeirBroker
import WeirModel
import WeirProtocol
import WeirSystem

/// Runs requests on the calling thread: the broker, or a test's stand-in.
protocol RequestDispatcher: Sendable {
    func dispatch(
        _ frame: ByteBuffer, slot: UInt64, connection: ConnectionInfo, sink: any ReplySink
    ) -> RequestOrdering
}

extension Dispatcher: RequestDispatcher {}

/// One client's connection: bytes into frames, frames into requests, answers back in order.
///
/// Requests run to their end on the event loop, inside `channelRead`. Answers are gathered and flushed once per tick. While
/// the next frame has to wait (for the answer to an exclusive request, for the client to take its answers, for memory)
/// it stays undecoded and nothing more is read.
final class Connection: ChannelDuplexHandler, ReplySink, @unchecked Sendable {
    // Unchecked: `reply` is called from any thread and only touches constants; everything else belongs to the event loop.
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = IOData

    let info: ConnectionInfo
    let loop: ServerLoop
    private let dispatcher: any RequestDispatcher
    private let services: ConnectionServices

    private var context: ChannelHandlerContext?
    private var frames: FrameAccumulator
    private var replies = ReplyQueue()
    /// Answers of this tick that are small enough to go out in one piece.
    private var outgoing: ByteBuffer?
    private var hasWritten = false
    private var isTouched = false
    private var isProcessing = false
    private var isWritable = true
    private var isClosed = false
    private var wantsRead = false
    private var activeSweep: UInt32
    /// Memory kept for frames that are unfinished or wait.
    private(set) var heldBytes = 0
    /// Since when the first of these frames is unfinished.
    private(set) var heldSince = NIODeadline.now()
    /// Set while the loop keeps this connection in its list of those that wait for memory.
    var isStarved = false

    init(
        info: ConnectionInfo, loop: ServerLoop, dispatcher: any RequestDispatcher, services: ConnectionServices
    ) {
        self.info = info
        self.loop = loop
        self.dispatcher = dispatcher
        self.services = services
        frames = FrameAccumulator(frameBytesMax: loop.limits.frameBytesMax)
        activeSweep = loop.sweepNumber
    }

    // MARK: The channel's events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        loop.add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) { ended() }

    func channelInactive(context: ChannelHandlerContext) {
        ended()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A peer that went away, mostly: nothing to tell anyone.
        services.logger.debug("connection failed", metadata: services.metadata(self, "\(error)"))
        closeNow()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosed else { return }
        activeSweep = loop.sweepNumber
        let buffer = unwrapInboundIn(data)
        loop.tick {
            touch()
            do throws(FrameError) {
                try frames.received(buffer)
            } catch {
                return refuse(error)
            }
            process()
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        isWritable = context.channel.isWritable
        if isWritable { loop.tick { touch() } }
    }

    /// NIO asks whether to go on reading.
    func read(context: ChannelHandlerContext) {
        if mayRead { context.read() } else { wantsRead = true }
    }

    // MARK: Receiving

    /// The memory for the socket's next read.
    func takeReceiveBuffer() -> ByteBuffer { frames.takeReceiveBuffer(from: loop.buffers) }

    private var mayRead: Bool {
        if isClosed || !isWritable || loop.isStopping { return false }
        if frames.waitingBytes == 0 { return !replies.willClose }
        return replies.canStart && loop.mayGrow(self)
    }

    /// Starts the requests that have come whole and may start.
    private func process() {
        guard !isProcessing else { return }
        isProcessing = true
        var hasStarted = false
        do throws(FrameError) {
            while replies.canStart, isWritable, !isClosed, !loop.isStopping, let frame = try frames.next() {
                let slot = replies.open()
                let ordering = dispatcher.dispatch(Self.ownFrame(frame), slot: slot, connection: info, sink: self)
                replies.started(slot, ordering)
                hasStarted = true
            }
        } catch {
            refuse(error)
        }
        isProcessing = false
        guard !isClosed else { return }
        frames.settle(loop.buffers)
        let capacity = frames.heldCapacity
        if capacity > 0, hasStarted || heldBytes == 0 { heldSince = .now() }
        if capacity != heldBytes {
            loop.heldChanged(from: heldBytes, to: capacity, by: self)
            heldBytes = capacity
        }
    }

    /// Requests that carry record batches are slices of the receive buffer. Others are small, and their handlers may keep
    /// parts of them for long (a member's metadata): they get memory of their own.
    private static func ownFrame(_ frame: ByteBuffer) -> ByteBuffer {
        let key = frame.getInteger(at: frame.readerIndex, as: Int16.self)
        if key == APIKey.produce.rawValue || key == APIKey.fetch.rawValue { return frame }
        return ByteBuffer(ByteBufferView(frame))
    }

    /// What came is not a frame: the connection closes once the requests before it are answered.
    private func refuse(_ error: FrameError) {
        let slot = replies.open()
        answered(slot, .close("\(error)"))
    }

    // MARK: Answers

    func reply(_ slot: UInt64, _ reply: Reply) {
        if let warming = services.coldAnswers?.warming(reply) {
            warming { [self] in loop.deliver(.init(connection: self, slot: slot, reply: reply)) }
        } else {
            loop.deliver(.init(connection: self, slot: slot, reply: reply))
        }
    }

    /// Takes an answer in, on the loop and within a tick.
    func answered(_ slot: UInt64, _ reply: Reply) {
        guard !isClosed else { return }
        guard replies.answer(slot, reply) else {
            return services.logger.error("a request was answered twice", metadata: services.metadata(self, nil))
        }
        while let ready = replies.popReady() { send(ready) }
        touch()
    }

    private func send(_ reply: Reply) {
        switch reply {
        case .frame(let frame):
            var copiedLeft = Self.copiedBytesMax
            for part in frame.parts {
                switch part {
                case .bytes(let bytes): write(bytes)
                case .deferred(let bytes): write(deferred: bytes, &copiedLeft)
                }
            }
        case .nothing:
            break
        case .close(let reason):
            services.logger.info("connection closed", metadata: services.metadata(self, reason))
        }
    }

    /// Small answers of one tick go out in one buffer: copying them costs less than a piece each does in `writev`.
    private func write(_ bytes: ByteBuffer) {
        hasWritten = true
        guard outgoing != nil else { return outgoing = bytes }
        if bytes.readableBytes <= Self.gatheredBytesMax, let count = outgoing?.readableBytes,
            count <= Self.gatheredBytesMax
        {
            outgoing?.writeImmutableBuffer(bytes)
        } else {
            passOn()
            outgoing = bytes
        }
    }

    private static let gatheredBytesMax = 16 * 1024
    /// What an answer's small stretches of files may take in memory together; the rest is sent from the files.
    private static let copiedBytesMax = 256 * 1024

    /// Hands what was gathered to the channel.
    private func passOn() {
        guard let bytes = outgoing.take() else { return }
        context?.write(wrapOutboundOut(.byteBuffer(bytes)), promise: nil)
    }

    private func write(deferred bytes: any DeferredBytes, _ copiedLeft: inout Int) {
        hasWritten = true
        switch OutgoingSlice(bytes, mayCopy: bytes.count <= copiedLeft) {
        case .bytes(let buffer):
            copiedLeft -= buffer.readableBytes
            write(buffer)
        case .region(let region, let keeping):
            passOn()
            guard let context else { return keeping.release() }
            let promise = context.eventLoop.makePromise(of: Void.self)
            promise.futureResult.whenComplete { _ in keeping.release() }
            context.write(wrapOutboundOut(.fileRegion(region)), promise: promise)
        case .failed(let reason):
            // The answer's length has gone out already: the stream cannot be kept in step.
            services.logger.error("an answer's records could not be read", metadata: services.metadata(self, reason))
            closeNow()
        }
    }

    // MARK: Ticks

    /// Has the end of this tick look at the connection.
    func touch() {
        guard !isTouched else { return }
        isTouched = true
        loop.touch(self)
    }

    /// Starts what may start now, sends what is to be sent, goes on reading.
    func endTick() {
        isTouched = false
        if !isProcessing, frames.hasNext, replies.canStart, isWritable, !isClosed { process() }
        if hasWritten {
            hasWritten = false
            activeSweep = loop.sweepNumber
            passOn()
            context?.flush()
        }
        if replies.isClosing { return closeNow() }
        if wantsRead, mayRead {
            wantsRead = false
            context?.read()
        }
    }

    /// Whether nothing has happened for the idle time and nothing is in progress but a client that does not read.
    func isIdle(atSweep sweep: UInt32) -> Bool {
        guard let most = loop.limits.idleSweepsMax, replies.isEmpty || !isWritable else { return false }
        return sweep &- activeSweep > most
    }

    func closeIdle() {
        services.logger.debug("connection closed", metadata: services.metadata(self, "idle"))
        closeNow()
    }

    func closeForMemory() {
        services.logger.warning(
            "connection closed",
            metadata: services.metadata(
                self, "queued.max.request.bytes is used up, and its request of \(heldBytes) bytes so far does not go on"
            ))
        closeNow()
    }

    func closeNow() {
        guard !isClosed, let context else { return }
        ended()
        context.close(promise: nil)
    }

    private func ended() {
        guard !isClosed else { return }
        isClosed = true
        outgoing = nil
        frames.discard(loop.buffers)
        let held = heldBytes
        heldBytes = 0
        loop.heldChanged(from: held, to: 0, by: self)
        loop.remove(self)
        services.admission.leave(info.clientAddress)
        info.hasClosed()
        context = nil
    }
}
