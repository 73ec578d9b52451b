import Logging
import NIOCore
import WeirBroker

/// What every connection of a server uses.
final class ConnectionServices: Sendable {
    let logger: Logger
    let admission: Admission
    /// Brings cold data into memory before it is sent; nil sends from wherever it lies.
    let coldAnswers: ColdAnswers?

    init(logger: Logger, admission: Admission, coldAnswers: ColdAnswers?) {
        self.logger = logger
        self.admission = admission
        self.coldAnswers = coldAnswers
    }

    func metadata(_ connection: Connection, _ reason: String?) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "connection": "\(connection.info.id)", "client": "\(connection.info.clientAddress)",
        ]
        if let reason { metadata["reason"] = "\(reason)" }
        return metadata
    }
}

/// The memory of a connection's next read, as NIO asks for it.
struct ConnectionReceiveAllocator: RecvByteBufferAllocator, @unchecked Sendable {
    // Unchecked: NIO calls it on the connection's event loop only.
    let connection: Connection

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { connection.takeReceiveBuffer() }
    /// No hint, and always growing: otherwise NIO would keep and reuse a buffer of its own.
    func nextBufferSize() -> Int? { nil }
    mutating func record(actualReadBytes: Int) -> Bool { true }
}
