/// A member of a group, as its coordinator knows it.
struct GroupMember: Hashable, Sendable {
    var id: String
    /// `group.instance.id` of a static member (KIP-345).
    var instanceID: String?
    var clientID: String
    var clientHost: String
    var sessionTimeoutMs: Int32
    var rebalanceTimeoutMs: Int32
    /// In the member's order of preference.
    var protocols: [GroupProtocol]
    var assignment: [UInt8] = []

    /// The JoinGroup that waits for the rebalance to complete.
    var joinWaiter: WaiterID?
    /// The SyncGroup that waits for the leader's assignment.
    var syncWaiter: WaiterID?
    /// Has not had an answer to its first join yet.
    var isNew = false
    /// When the member is taken for gone, on the monotonic scale. Nil while one of its requests waits here, because then
    /// it cannot heartbeat; a new member has a deadline all the same.
    var deadline: Int64?

    var isStatic: Bool { instanceID != nil }

    /// The member's bytes under a protocol; empty when it does not offer that.
    func metadata(under name: String?) -> [UInt8] {
        protocols.first { $0.name == name }?.metadata ?? []
    }

    /// Whether the member could wait with no heartbeat: Kafka's `hasSatisfiedHeartbeat`, less the heartbeats.
    var waits: Bool { joinWaiter != nil || syncWaiter != nil }
}
