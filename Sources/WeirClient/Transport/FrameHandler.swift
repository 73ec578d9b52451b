import NIOCore
import WeirProtocol

/// Cuts what arrives on a connection into frames and hands them to the link, on the channel's event loop.
///
/// Accumulates by hand: NIO's `ByteToMessageDecoder` costs a fifth more. A frame that came whole in one read is a slice of
/// that read, without a copy, unless it would keep a much larger buffer alive.
final class FrameHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let link: BrokerLink
    private let frameBytesMax: Int
    /// The beginning of a frame whose rest has not come; empty otherwise.
    private var partial: ByteBuffer?

    init(link: BrokerLink, frameBytesMax: Int) {
        self.link = link
        self.frameBytesMax = frameBytesMax
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var chunk = unwrapInboundIn(data)
        do {
            if partial != nil { try complete(with: &chunk) }
            if partial == nil { try cut(&chunk) }
        } catch {
            partial = nil
            link.violated("\(error)")
        }
    }

    /// Moves bytes from the chunk to the partial frame until that is complete or the chunk is used up.
    private func complete(with chunk: inout ByteBuffer) throws(Framing.Failure) {
        guard var buffer = partial else { return }
        partial = nil
        while chunk.readableBytes > 0 {
            let needed: Int
            switch try Framing.next(from: &buffer, limit: frameBytesMax) {
            case .frame(let frame):
                link.received(frame)
                return
            case .incomplete(let total):
                needed = total - buffer.readableBytes
            }
            // Reserve what the prefix promises, but never much more than has come, lest it lies.
            let room = min(needed, max(buffer.readableBytes * 4, 4 << 20))
            buffer.reserveCapacity(minimumWritableBytes: room)
            guard var part = chunk.readSlice(length: min(needed, chunk.readableBytes)) else { break }
            buffer.writeBuffer(&part)
        }
        if case .frame(let frame) = try Framing.next(from: &buffer, limit: frameBytesMax) {
            link.received(frame)
        } else {
            partial = buffer
        }
    }

    private func cut(_ chunk: inout ByteBuffer) throws(Framing.Failure) {
        while chunk.readableBytes > 0 {
            switch try Framing.next(from: &chunk, limit: frameBytesMax) {
            case .frame(let frame):
                // A small frame must not keep a large read buffer alive.
                if frame.readableBytes < chunk.storageCapacity / 4 {
                    link.received(ByteBuffer(copying: frame))
                } else {
                    link.received(frame)
                }
            case .incomplete(let needed):
                var buffer = ByteBuffer()
                buffer.reserveCapacity(min(max(needed, chunk.readableBytes), 4 << 20))
                buffer.writeBuffer(&chunk)
                partial = buffer
                return
            }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        link.channelClosed("the broker closed the connection")
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        link.channelClosed(describe(error))
        context.close(promise: nil)
    }
}

extension ByteBuffer {
    init(copying other: ByteBuffer) {
        self.init()
        reserveCapacity(other.readableBytes)
        var view = other
        writeBuffer(&view)
    }
}
