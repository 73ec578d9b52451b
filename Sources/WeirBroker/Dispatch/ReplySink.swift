public import WeirProtocol

/// Where answers go: a connection, or a test's collector.
///
/// Called from any thread, exactly once for each dispatched slot, in any order; the sink sends the answers in the order of
/// their slots. It never calls back into the broker from inside `reply` other than by dispatching a later request.
public protocol ReplySink: AnyObject, Sendable {
    func reply(_ slot: UInt64, _ reply: Reply)
}

/// What becomes of a request.
public enum Reply: Sendable {
    /// A whole frame, with its length in front.
    case frame(OutboundBytes)
    /// No answer goes out: Produce with acks=0.
    case nothing
    /// The connection is closed, after the answers before this one. The sink writes the one log line, with the reason.
    case close(String)
}
