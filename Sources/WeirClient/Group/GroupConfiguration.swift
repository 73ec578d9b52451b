public import WeirConnection

/// How a consumer takes part in a group. The defaults are Java's unless a comment says otherwise.
public struct GroupConfiguration: Sendable {
    public var id: String
    /// Static membership: a member that comes back under the same id within the session timeout causes no rebalance. Every
    /// member needs an id of its own.
    public var instanceID: String?
    /// The assignors that this member knows, best first; the group uses one that all members know. Rebalances are
    /// cooperative (members keep reading what stays with them) when all of these are.
    public var assignors: [Assignor] = [.range, .cooperativeSticky]
    /// A member that is silent for that long is out, in milliseconds.
    public var sessionTimeoutMs: Int32 = 45_000
    /// A third of Java's: members learn of a rebalance by their heartbeats.
    public var heartbeatMs: Int64 = 1_000
    /// How long the reader may hold a record while the group rebalances, in milliseconds; Java's `max.poll.interval.ms`.
    public var rebalanceTimeoutMs: Int32 = 300_000
    /// Called in every rebalance. When partitions are taken away it is awaited, after the reader has let go of their records
    /// and before their offsets are committed and another member gets them.
    public var onRebalance: (@Sendable (RebalanceEvent) async -> Void)?

    public init(_ id: String) { self.id = id }

    func problem() -> String? {
        if id.isEmpty { return "the group's name is empty" }
        if assignors.isEmpty { return "a group member needs an assignor" }
        if sessionTimeoutMs < 1 || heartbeatMs < 1 { return "session timeout and heartbeat interval must be positive" }
        if heartbeatMs >= Int64(sessionTimeoutMs) {
            return "the heartbeat interval must be shorter than the session timeout"
        }
        return nil
    }
}

/// What a rebalance changed.
public enum RebalanceEvent: Sendable, Hashable {
    /// These are read from now on.
    case assigned([TopicPartition])
    /// These go to another member.
    case revoked([TopicPartition])
    /// These have gone to another member already: this one was out of the group, and what it had not committed is read again.
    case lost([TopicPartition])
}
