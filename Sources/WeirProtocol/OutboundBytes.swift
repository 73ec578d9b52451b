public import NIOCore
public import WeirModel

/// An encoded frame or message, in the order it goes out: bytes in memory with stretches between them that are sent
/// from where they lie.
public struct OutboundBytes: Sendable {
    public enum Part: Sendable {
        case bytes(ByteBuffer)
        case deferred(any DeferredBytes)
    }

    public let parts: Parts

    /// Bytes that are all in memory, as nearly every answer's are: takes no memory beyond the buffer's.
    public init(_ buffer: ByteBuffer) { parts = Parts(first: .bytes(buffer), rest: []) }

    init(first: Part?, rest: [Part]) { parts = Parts(first: first, rest: rest) }

    public init(parts: [Part]) { self.parts = Parts(first: parts.first, rest: Array(parts.dropFirst())) }

    /// The size in bytes of all parts together.
    public var count: Int {
        var sum = 0
        for part in parts {
            switch part {
            case .bytes(let buffer): sum += buffer.readableBytes
            case .deferred(let bytes): sum += bytes.count
            }
        }
        return sum
    }

    /// A collection that keeps its first element inline.
    public struct Parts: RandomAccessCollection, Sendable {
        private let head: Part?
        private let rest: [Part]

        fileprivate init(first: Part?, rest: [Part]) {
            head = first
            self.rest = rest
        }

        public var startIndex: Int { 0 }
        public var endIndex: Int { head == nil ? 0 : 1 + rest.count }

        public subscript(position: Int) -> Part {
            if position == 0, let head { return head }
            return rest[position - 1]
        }
    }
}
