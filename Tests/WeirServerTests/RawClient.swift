import Glibc
import NIOCore
import NIOPosix

/// A client without a library: a blocking socket, for saying what no library would.
final class RawClient: @unchecked Sendable {
    // Unchecked: a test sends from one task and receives on another, never more; the kernel's socket allows that.
    enum Failure: Error { case cannotConnect(Int32), timedOut, closed }

    private var descriptor: Int32

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if result != 0 { throw Failure.cannotConnect(errno) }
        // Nothing here should take long; a test that waits in vain fails instead of hanging.
        var timeout = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { disconnect() }

    func disconnect() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }

    /// Sends all bytes; false when the peer does not take them.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count <= 0 { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// Sends without waiting for room; the number of bytes taken.
    func sendNow(_ bytes: [UInt8]) -> Int {
        let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
        return max(0, bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, flags) })
    }

    /// Exactly that many bytes.
    func receive(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var have = 0
        while have < count {
            let got = bytes.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress.map { $0 + have }, count - have, 0)
            }
            if got == 0 { throw Failure.closed }
            if got < 0 { throw errno == EAGAIN ? Failure.timedOut : Failure.closed }
            have += got
        }
        return bytes
    }

    /// One frame's content.
    func receiveFrame() throws -> [UInt8] {
        let length = try receive(4).reduce(0) { $0 << 8 | Int($1) }
        return try receive(length)
    }

    /// Whether the peer closes without sending anything more.
    func isClosedByPeer() -> Bool {
        do {
            _ = try receive(1)
            return false
        } catch Failure.closed {
            return true
        } catch {
            return false
        }
    }

    static func frame(_ content: [UInt8]) -> [UInt8] {
        withUnsafeBytes(of: Int32(content.count).bigEndian) { Array($0) } + content
    }

    /// A request: API key, version, correlation id, an empty client id, then the body.
    static func request(key: Int16, version: Int16 = 0, correlation: Int32 = 0, body: [UInt8] = []) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeInteger(key)
        buffer.writeInteger(version)
        buffer.writeInteger(correlation)
        buffer.writeInteger(Int16(-1))
        buffer.writeBytes(body)
        return frame(Array(buffer.readableBytesView))
    }
}

/// Threads for what blocks while the test goes on.
private let blockingThreads: NIOThreadPool = {
    let pool = NIOThreadPool(numberOfThreads: 16)
    pool.start()
    return pool
}()

/// Starts blocking work on a thread of its own.
func inBackground<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) -> Task<Result, any Error> {
    Task { try await blockingThreads.runIfActive(body) }
}
