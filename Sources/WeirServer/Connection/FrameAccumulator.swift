import NIOCore

/// Why a connection's bytes are not frames. The connection cannot go on: where the next frame starts is unknown.
enum FrameError: Error, Equatable, CustomStringConvertible {
    case negativeLength(Int32)
    case tooLong(Int32, max: Int)
    /// A buffer lent to the socket did not come back, and with it the bytes it held.
    case bytesLost

    var description: String {
        switch self {
        case .negativeLength(let length): "a frame with a length of \(length)"
        case .tooLong(let length, let max): "a frame of \(length) bytes, more than socket.request.max.bytes (\(max))"
        case .bytesLost: "received bytes were lost before they were read"
        }
    }
}

/// Cuts one connection's bytes into frames.
///
/// Wire format of a frame: length int32 (of what follows), then that many bytes.
///
/// The socket reads into buffers that the loop's connections share, and a connection keeps memory only for the bytes of an
/// unfinished frame: a small rest is copied out into a buffer of its size, a large one gets a buffer that the socket
/// then fills directly. That buffer grows with the bytes that came, four times at a step, never to a length that was only
/// declared; a connection that has sent large frames before reads the next one into a large buffer from the start.
///
/// A value for tests; its connection's event loop owns it.
struct FrameAccumulator {
    /// From this many bytes on the rest of a frame is received in place instead of being carried over.
    static let dedicatedBytesMin = 32 * 1024
    /// What the first read of a connection gets: NIO keeps that buffer for as long as the connection lives.
    static let firstReadBytes = 512

    let frameBytesMax: Int
    /// Bytes that came and were not handed out.
    private var held = ByteBuffer()
    private var heldFrom = Source.own
    private var lentFrom: Source?
    private var lentBytes = 0
    private var hasLostBytes = false
    private var isFresh = true
    /// What this connection's frames have lately measured, with their length prefix.
    private var usualFrameBytes = 0

    private enum Source { case own, chunk, large }

    init(frameBytesMax: Int) { self.frameBytesMax = frameBytesMax }

    /// Bytes that wait to be handed out.
    var waitingBytes: Int { held.readableBytes }
    /// The memory this connection keeps between reads.
    var heldCapacity: Int { held.readableBytes == 0 ? 0 : held.capacity }

    // MARK: Receiving

    /// The buffer for the socket's next read; what waits is in front of it. It must come back through `received`.
    mutating func takeReceiveBuffer(from pool: ReceiveBufferPool) -> ByteBuffer {
        let waiting = held.readableBytes
        // A read that found nothing drops its buffer. The kernel announces what it reads, so that this should not happen.
        if lentFrom != nil, lentBytes > 0 { hasLostBytes = true }
        lentBytes = waiting
        if isFresh {
            isFresh = false
            lentFrom = .own
            return pool.allocator.buffer(capacity: Self.firstReadBytes)
        }
        guard waiting > 0 else {
            if usualFrameBytes >= ReceiveBufferPool.chunkBytes / 2 {
                lentFrom = .large
                return pool.takeLarge(capacity: usualFrameBytes + usualFrameBytes / 8)
            }
            lentFrom = .chunk
            return pool.takeChunk()
        }
        let buffer: ByteBuffer
        if heldFrom == .large, held.writableBytes > 0 {
            buffer = held
            lentFrom = .large
        } else if waiting < Self.dedicatedBytesMin {
            var chunk = pool.takeChunk()
            chunk.writeImmutableBuffer(held)
            buffer = chunk
            lentFrom = .chunk
        } else {
            var large = pool.takeLarge(capacity: dedicatedCapacity(waiting: waiting))
            large.writeImmutableBuffer(held)
            pool.give(held, isChunk: false)
            buffer = large
            lentFrom = .large
        }
        held = ByteBuffer()
        heldFrom = .own
        return buffer
    }

    /// Takes the buffer back after a read.
    mutating func received(_ buffer: ByteBuffer) throws(FrameError) {
        heldFrom = lentFrom ?? .own
        lentFrom = nil
        lentBytes = 0
        held = buffer
        if hasLostBytes { throw .bytesLost }
    }

    /// The next whole frame, without its length; nil until it has come.
    mutating func next() throws(FrameError) -> ByteBuffer? {
        guard let length = held.getInteger(at: held.readerIndex, as: Int32.self) else { return nil }
        if length < 0 { throw .negativeLength(length) }
        let count = Int(length)
        if count > frameBytesMax { throw .tooLong(length, max: frameBytesMax) }
        guard held.readableBytes - 4 >= count else { return nil }
        held.moveReaderIndex(forwardBy: 4)
        usualFrameBytes = max(count + 4, usualFrameBytes - usualFrameBytes / 8)
        return held.readSlice(length: count)
    }

    /// Whether a whole frame waits, or bytes that can never become one.
    var hasNext: Bool {
        guard let length = held.getInteger(at: held.readerIndex, as: Int32.self) else { return false }
        return length < 0 || Int(length) > frameBytesMax || held.readableBytes - 4 >= Int(length)
    }

    /// Called once no more frames are wanted for now: lets go of shared buffers and keeps what waits in memory of its size.
    mutating func settle(_ pool: ReceiveBufferPool) {
        let waiting = held.readableBytes
        if waiting == 0 {
            if heldFrom != .own { pool.give(held, isChunk: heldFrom == .chunk) }
            held = ByteBuffer()
            heldFrom = .own
            return
        }
        if heldFrom == .own { return }
        // A frame that starts at a large buffer's front is received there to its end.
        if heldFrom == .large, held.readerIndex == 0, waiting >= Self.dedicatedBytesMin { return }
        let rest: ByteBuffer
        if waiting < Self.dedicatedBytesMin {
            var copy = pool.allocator.buffer(capacity: waiting)
            copy.writeImmutableBuffer(held)
            rest = copy
            pool.give(held, isChunk: heldFrom == .chunk)
            heldFrom = .own
        } else {
            var large = pool.takeLarge(capacity: dedicatedCapacity(waiting: waiting))
            large.writeImmutableBuffer(held)
            rest = large
            pool.give(held, isChunk: heldFrom == .chunk)
            heldFrom = .large
        }
        held = rest
    }

    /// Lets go of everything: the connection is closed.
    mutating func discard(_ pool: ReceiveBufferPool) {
        if heldFrom != .own { pool.give(held, isChunk: heldFrom == .chunk) }
        held = ByteBuffer()
        heldFrom = .own
    }

    /// How large a buffer for what waits and more of its frame may be: four times what came, or the size that this
    /// connection's frames have had, and no more than the frame needs.
    private func dedicatedCapacity(waiting: Int) -> Int {
        let earned = max(4 * waiting, ReceiveBufferPool.chunkBytes, usualFrameBytes)
        guard let length = held.getInteger(at: held.readerIndex, as: Int32.self) else { return earned }
        let total = Int(length) + 4
        // Whole frames that wait for their turn come before the unfinished one.
        if total <= waiting { return waiting + ReceiveBufferPool.chunkBytes }
        return min(total, earned)
    }
}
