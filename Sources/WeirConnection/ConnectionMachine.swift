import DequeModule
import WeirModel
public import WeirProtocol
public import WeirSystem

/// One TCP connection to one broker, from the moment it is open: version negotiation, then requests with correlation ids,
/// their answers in order, and their deadlines.
///
/// The driver writes what the machine says, feeds back what arrives, and closes the connection when the machine says so.
/// A closed machine is never used again; reconnecting is `LinkMachine`'s.
public struct ConnectionMachine: Sendable, Equatable {
    /// A request on its way.
    public struct Slot: Sendable, Equatable {
        public let correlationID: Int32
        public let key: APIKey
        public let version: Int16
        public let deadline: MonotonicTime
    }

    enum State: Sendable, Equatable {
        /// The TCP connection is open and nothing was sent. Can transition to: negotiating, closed.
        case opened
        /// ApiVersions is in flight. Can transition to: negotiating (older version), ready, closed.
        /// SASL takes its place between this state and the next.
        case negotiating
        /// Can transition to: closed.
        case ready(VersionTable)
        case closed
    }

    private(set) var state = State.opened
    private(set) var inFlight: Deque<Slot> = []
    private var nextCorrelationID: Int32 = 1
    private var negotiationAttempts = 0
    /// How long ApiVersions may take, in milliseconds.
    private let handshakeTimeoutMs: Int64

    public init(handshakeTimeoutMs: Int64 = 10_000) { self.handshakeTimeoutMs = handshakeTimeoutMs }

    /// The broker's versions once negotiated.
    public var versions: VersionTable? {
        if case .ready(let table) = state { table } else { nil }
    }

    public var inFlightCount: Int { inFlight.count }

    /// The earliest deadline of a request in flight.
    public var nextDeadline: MonotonicTime? { inFlight.map(\.deadline).min() }

    // MARK: Handshake

    /// The connection stands: the slot says which ApiVersions request to send.
    public mutating func opened(now: MonotonicTime) -> Slot {
        precondition(state == .opened, "a connection opens once")
        return negotiate(version: SpokenVersions.range(of: .apiVersions)?.upperBound ?? 0, now: now)
    }

    private mutating func negotiate(version: Int16, now: MonotonicTime) -> Slot {
        state = .negotiating
        negotiationAttempts += 1
        return take(.apiVersions, version: version, timeoutMs: handshakeTimeoutMs, now: now)
    }

    public enum HandshakeAction: Sendable, Equatable {
        /// Requests may be sent now.
        case ready(VersionTable)
        /// The broker does not know that version of ApiVersions: ask again with an older one.
        case askAgain(Slot)
        case close(reason: String)
    }

    /// The broker answered ApiVersions.
    public mutating func negotiated(_ response: ApiVersionsResponse, now: MonotonicTime) -> HandshakeAction {
        guard state == .negotiating else { return .close(reason: "an ApiVersions answer that nobody asked for") }
        let code = ErrorCode(rawValue: response.errorCode)
        if code == .unsupportedVersion, negotiationAttempts < 3 {
            // The answer is a v0 body that should list ApiVersions itself (KIP-511).
            let theirs = response.apiKeys.first { $0.apiKey == APIKey.apiVersions.rawValue }?.maxVersion ?? 0
            let ours = SpokenVersions.range(of: .apiVersions)?.upperBound ?? 0
            let next = negotiationAttempts == 1 ? max(0, min(theirs, ours - 1)) : 0
            return .askAgain(negotiate(version: next, now: now))
        }
        guard code == .none else { return .close(reason: "the broker refused ApiVersions with \(code)") }
        let table = VersionTable(response)
        state = .ready(table)
        return .ready(table)
    }

    // MARK: Requests

    public enum SendDecision: Sendable, Equatable {
        case send(Slot)
        /// No version that both sides speak.
        case unsupported
        /// Not negotiated yet, or closed.
        case notReady
    }

    /// Takes a slot for a request; one that gets no answer (Produce with acks=0) takes none of the in-flight table.
    public mutating func request(
        _ key: APIKey, timeoutMs: Int64, expectsAnswer: Bool = true, maximumVersion: Int16 = .max, now: MonotonicTime
    ) -> SendDecision {
        guard case .ready(let table) = state else { return .notReady }
        guard var ours = SpokenVersions.range(of: key) else { return .unsupported }
        guard ours.lowerBound <= maximumVersion else { return .unsupported }
        ours = ours.lowerBound...min(ours.upperBound, maximumVersion)
        guard let version = table.newest(of: key, within: ours) else { return .unsupported }
        let slot = take(key, version: version, timeoutMs: timeoutMs, now: now)
        if !expectsAnswer { inFlight.removeLast() }
        return .send(slot)
    }

    private mutating func take(_ key: APIKey, version: Int16, timeoutMs: Int64, now: MonotonicTime) -> Slot {
        let slot = Slot(
            correlationID: nextCorrelationID, key: key, version: version,
            deadline: now.advanced(milliseconds: timeoutMs))
        nextCorrelationID = nextCorrelationID == .max ? 1 : nextCorrelationID + 1
        inFlight.append(slot)
        return slot
    }

    /// An answer arrived: its request, or nil when nobody asked, after which the connection must be closed.
    public mutating func answered(correlationID: Int32) -> Slot? {
        if let first = inFlight.first, first.correlationID == correlationID { return inFlight.popFirst() }
        // Kafka answers in order; Weir's own calls may not.
        guard let index = inFlight.firstIndex(where: { $0.correlationID == correlationID }) else { return nil }
        return inFlight.remove(at: index)
    }

    /// The oldest request whose deadline has passed. A connection that owes an answer that long is closed, since later
    /// answers could not be told from a broker that hangs.
    public func overdue(now: MonotonicTime) -> Slot? { inFlight.first { $0.deadline <= now } }

    /// The connection is gone: the requests that will never be answered, in the order they were sent.
    public mutating func closed() -> [Slot] {
        state = .closed
        defer { inFlight.removeAll() }
        return Array(inFlight)
    }
}
