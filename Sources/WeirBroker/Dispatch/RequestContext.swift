import Synchronization
import WeirSystem

/// A connection's number, unique in the life of the process.
public struct ConnectionID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    public var description: String { String(rawValue) }
}

/// What the broker knows of a connection: made by the server when it accepts one, and shared by its requests.
public final class ConnectionInfo: Sendable {
    public let id: ConnectionID
    /// The name of the listener that accepted the connection, such as `PLAINTEXT`.
    public let listener: String
    /// The peer's address, without the port.
    public let clientAddress: String

    private struct Changing {
        var principal: Principal
        var software: ClientSoftware?
    }
    private let changing: Locked<Changing>
    private let closed = Atomic<Bool>(false)

    public init(id: ConnectionID, listener: String, clientAddress: String, principal: Principal = .anonymous) {
        self.id = id
        self.listener = listener
        self.clientAddress = clientAddress
        changing = Locked(Changing(principal: principal, software: nil))
    }

    /// Whether the client has gone: what waits on its behalf may be dropped unanswered.
    public var isClosed: Bool { closed.load(ordering: .acquiring) }
    /// Set by the server when the connection has ended.
    public func hasClosed() { closed.store(true, ordering: .releasing) }

    /// Who is at the other end.
    public var principal: Principal { changing.withLock { $0.principal } }
    /// Set when an authentication succeeds.
    public func authenticated(as principal: Principal) { changing.withLock { $0.principal = principal } }

    /// What the client said it is, by ApiVersions v3 or later.
    public var software: ClientSoftware? { changing.withLock { $0.software } }
    func introduced(as software: ClientSoftware) { changing.withLock { $0.software = software } }
}

/// A client's library, in its own words.
public struct ClientSoftware: Hashable, Sendable {
    public let name: String
    public let version: String
    public init(name: String, version: String) {
        self.name = name
        self.version = version
    }
}

/// Who asks, from where, and in which version.
public struct RequestContext: Sendable {
    public let connection: ConnectionInfo
    public let principal: Principal
    public let clientID: String?
    public let apiVersion: Int16
    public let correlationID: Int32

    public init(
        connection: ConnectionInfo, principal: Principal, clientID: String?, apiVersion: Int16, correlationID: Int32
    ) {
        self.connection = connection
        self.principal = principal
        self.clientID = clientID
        self.apiVersion = apiVersion
        self.correlationID = correlationID
    }

    public var listener: String { connection.listener }
    public var clientAddress: String { connection.clientAddress }
    public var software: ClientSoftware? { connection.software }
}
