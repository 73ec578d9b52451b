public import NIOCore

/// The length prefix in front of every request and response: int32, big-endian, the length of what follows.
public enum Framing {
    /// The size of the length prefix.
    public static var prefixBytes: Int { 4 }

    /// What stands at the front of the bytes received so far.
    public enum Next: Equatable, Sendable {
        /// The frame is not complete: so many bytes, its prefix included, make it so. `needed` is 4 while the prefix
        /// itself is missing.
        case incomplete(needed: Int)
        /// A frame without its prefix.
        case frame(ByteBuffer)
    }

    /// A length prefix that no honest peer sends: the connection must be closed, since the next frame cannot be found.
    public enum Failure: Error, Equatable, Sendable, CustomStringConvertible {
        case negative(Int32)
        case oversized(Int, limit: Int)

        public var description: String {
            switch self {
            case .negative(let length): "a frame length of \(length)"
            case .oversized(let length, let limit): "a frame of \(length) bytes, more than the limit of \(limit)"
            }
        }
    }

    /// Judges a length prefix.
    ///
    /// - Parameter limit: the most bytes a frame may have, its prefix not counted; Kafka's `socket.request.max.bytes`.
    public static func length(_ prefix: Int32, limit: Int) throws(Failure) -> Int {
        guard prefix >= 0 else { throw .negative(prefix) }
        let length = Int(prefix)
        guard length <= limit else { throw .oversized(length, limit: limit) }
        return length
    }

    /// Takes the next frame from the front of the buffer, without a copy; leaves an incomplete one where it is.
    ///
    /// Nothing is reserved for a frame before its bytes are there: the caller decides when to grow its buffer.
    public static func next(from buffer: inout ByteBuffer, limit: Int) throws(Failure) -> Next {
        guard let prefix = buffer.getInteger(at: buffer.readerIndex, as: Int32.self) else {
            return .incomplete(needed: prefixBytes)
        }
        let length = try length(prefix, limit: limit)
        guard buffer.readableBytes - prefixBytes >= length else { return .incomplete(needed: prefixBytes + length) }
        buffer.moveReaderIndex(forwardBy: prefixBytes)
        guard let frame = buffer.readSlice(length: length) else { return .incomplete(needed: length) }
        return .frame(frame)
    }
}
