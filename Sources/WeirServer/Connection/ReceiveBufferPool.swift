import NIOCore

/// The buffers that one event loop's connections receive into.
///
/// Fresh memory costs more in page faults than the bytes in it cost to receive, so buffers go round. A buffer that someone
/// still holds a slice of when its turn comes is left to that holder, and a new one is made. Only the loop touches the pool.
final class ReceiveBufferPool {
    /// One read's worth for connections with small frames: larger ones gain nothing.
    static let chunkBytes = 256 * 1024
    /// The largest buffer that is kept, and how many.
    static let largeBytesMax = 4 * 1024 * 1024
    static let largeCountMax = 4

    let allocator = ByteBufferAllocator()
    private var chunk: ByteBuffer?
    private var large: [ByteBuffer] = []
    private var wasUsed = false

    /// An empty buffer of `chunkBytes`.
    func takeChunk() -> ByteBuffer {
        wasUsed = true
        if var buffer = chunk.take(), buffer.modifyIfUniquelyOwned({ $0.clear() }) != nil { return buffer }
        return allocator.buffer(capacity: Self.chunkBytes)
    }

    /// An empty buffer with at least the capacity.
    func takeLarge(capacity: Int) -> ByteBuffer {
        wasUsed = true
        if capacity <= Self.largeBytesMax,
            let index = large.lastIndex(where: { $0.capacity >= capacity && $0.capacity / 8 < capacity })
        {
            large.swapAt(index, large.count - 1)
            var buffer = large.removeLast()
            if buffer.modifyIfUniquelyOwned({ $0.clear() }) != nil { return buffer }
        }
        return allocator.buffer(capacity: capacity)
    }

    /// Takes a buffer back.
    func give(_ buffer: ByteBuffer, isChunk: Bool) {
        if isChunk {
            chunk = buffer
        } else if buffer.capacity <= Self.largeBytesMax, buffer.capacity >= Self.chunkBytes / 2 {
            if large.count == Self.largeCountMax { large.removeFirst() }
            large.append(buffer)
        }
    }

    /// Lets go of buffers that nobody wanted since the last call.
    func trim() {
        if !wasUsed {
            chunk = nil
            large = []
        }
        wasUsed = false
    }
}
