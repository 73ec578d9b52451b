import WeirModel
import OrderedCollections

/// A group under Kafka's classic protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.
///
/// One method per event; each returns what the driver must do, in order. The driver serialises events of one group, and
/// calls `tick` no later than `wakeAt`. Behaviour follows Apache Kafka's GroupCoordinator (3.x) and ClassicGroup (4.x);
/// where those leave a request unanswered (a sync of a member that was removed meanwhile), this answers it.
public struct ClassicGroup: Sendable, Equatable {
    public enum State: String, Sendable, CaseIterable {
        /// No members; offsets may exist. Can transition to `preparingRebalance` (a join) and `dead` (deleted, expired).
        case empty = "Empty"
        /// Waits for the members to join. Heartbeats are answered with REBALANCE_IN_PROGRESS.
        /// Can transition to `completingRebalance` (all joined, or the time was up), `empty` (all left) and `dead`.
        case preparingRebalance = "PreparingRebalance"
        /// Waits for the leader's assignment.
        /// Can transition to `stable` (assignment stored), `preparingRebalance` (somebody joins or goes) and `dead`.
        case completingRebalance = "CompletingRebalance"
        /// Everybody has an assignment. Can transition to `preparingRebalance` and `dead`.
        case stable = "Stable"
        /// Deleted or moved to another coordinator. Can transition to nothing; the driver forgets the group.
        case dead = "Dead"

        func canTransition(to next: State) -> Bool {
            switch next {
            case .empty: self == .preparingRebalance
            case .preparingRebalance: self == .empty || self == .completingRebalance || self == .stable
            case .completingRebalance: self == .preparingRebalance
            case .stable: self == .completingRebalance
            case .dead: self != .dead
            }
        }
    }

    /// How the wait for joins ends.
    enum JoinPhase: Hashable, Sendable {
        /// The first rebalance of an empty group: lasts its full delay, and longer when members arrive meanwhile.
        case initialDelay(until: Int64, remaining: Int64)
        /// Until all members joined, at most so long.
        case waiting(until: Int64)

        var deadline: Int64 {
            switch self {
            case .initialDelay(let until, _): until
            case .waiting(let until): until
            }
        }
    }

    /// What to do once a group's metadata is stored.
    enum PendingStore: Hashable, Sendable {
        case assignment(generation: Int32, assignments: [String: [UInt8]])
        case staticRejoin(StaticRejoin)
        case emptied
    }

    /// A static member that came back under a new id while the group was stable.
    struct StaticRejoin: Hashable, Sendable {
        var generation: Int32
        var waiter: WaiterID
        var previous: GroupMember
        var previousLeader: String
        var newMemberID: String
        var supportsSkippingAssignment: Bool
    }

    public let id: String
    public let limits: GroupLimits
    public internal(set) var state: State = .empty
    public internal(set) var generation: Int32 = 0
    public internal(set) var protocolType: String?
    public internal(set) var protocolName: String?
    public internal(set) var leader: String?
    /// When the state last changed, in wall milliseconds: for an empty group, since when it is empty.
    public internal(set) var stateTimestamp: Int64
    /// A lower bound of when `tick` has something to do, on the monotonic scale; nil when nothing is due.
    public internal(set) var wakeAt: Int64?

    var members: OrderedDictionary<String, GroupMember> = [:]
    /// Instance id to member id.
    var staticMembers: [String: String] = [:]
    /// Ids that were handed out with MEMBER_ID_REQUIRED, and until when they may be used.
    var pendingMembers: OrderedDictionary<String, Int64> = [:]
    /// Members of this generation that have not synced yet.
    var pendingSync: Set<String> = []
    var syncDeadline: Int64?
    var joinPhase: JoinPhase?
    /// Somebody joined during the initial delay.
    var newMemberAdded = false
    var awaitingJoin = 0
    /// Protocol name to the number of members that offer it.
    var protocolSupport: [String: Int] = [:]
    var nextTicket: UInt64 = 1
    var pendingStores: [UInt64: PendingStore] = [:]

    /// A new group without members.
    public init(id: String, limits: GroupLimits, now: Moment) {
        self.id = id
        self.limits = limits
        self.stateTimestamp = now.wall
    }

    // MARK: What others may know

    public var memberCount: Int { members.count }
    public var memberIDs: [String] { Array(members.keys) }
    public var pendingMemberCount: Int { pendingMembers.count }
    /// Without members, and nobody is about to join.
    public var isUnused: Bool { state == .empty && pendingMembers.isEmpty }
    public func hasMember(_ memberID: String) -> Bool { members[memberID] != nil }
    /// The member that holds the instance id.
    public func memberID(ofInstance instanceID: String) -> String? { staticMembers[instanceID] }

    /// The group as DescribeGroups shows it.
    public var summary: GroupDescription {
        let isStable = state == .stable
        return GroupDescription(
            state: state, protocolType: protocolType ?? "", protocolName: isStable ? protocolName ?? "" : "",
            members: members.values.map { member in
                GroupDescription.Member(
                    memberID: member.id, instanceID: member.instanceID, clientID: member.clientID,
                    clientHost: member.clientHost, metadata: isStable ? member.metadata(under: protocolName) : [],
                    assignment: isStable ? member.assignment : [])
            })
    }

    /// Whether a member consumes the topic, as far as the members' subscriptions tell: a group of an unknown protocol
    /// type, or with a subscription that cannot be read, is taken to consume everything.
    public func isSubscribed(to topic: String) -> Bool {
        guard !members.isEmpty else { return false }
        guard protocolType == ConsumerSubscription.protocolType, protocolName != nil else { return true }
        return members.values.contains { member in
            guard let topics = ConsumerSubscription.topics(in: member.metadata(under: protocolName)) else {
                return true
            }
            return topics.contains(topic)
        }
    }

    // MARK: Shared steps

    mutating func transition(to next: State, _ now: Moment) {
        precondition(state.canTransition(to: next), "a group cannot go from \(state) to \(next)")
        state = next
        stateTimestamp = now.wall
    }

    /// Notes that something is due then.
    mutating func wake(at deadline: Int64) {
        wakeAt = min(wakeAt ?? .max, deadline)
    }

    /// Starts the member's session anew.
    mutating func extendSession(of memberID: String, _ now: Moment) {
        guard let member = members[memberID] else { return }
        let deadline = now.monotonic &+ Int64(member.sessionTimeoutMs)
        members[memberID]?.deadline = deadline
        wake(at: deadline)
    }

    /// Kafka's validateCurrentMember: the member exists, and an instance id, when given, is that member's.
    func problem(withMember memberID: String, instanceID: String?) -> ErrorCode? {
        if let instanceID {
            guard let current = staticMembers[instanceID] else { return .unknownMemberID }
            if current != memberID { return .fencedInstanceID }
        }
        return members[memberID] == nil ? .unknownMemberID : nil
    }

    mutating func makeTicket(_ purpose: PendingStore) -> StoreTicket {
        let ticket = StoreTicket(nextTicket)
        nextTicket += 1
        pendingStores[ticket.rawValue] = purpose
        return ticket
    }

    mutating func countProtocols(of member: GroupMember, _ change: Int) {
        for name in Set(member.protocols.map(\.name)) {
            let count = (protocolSupport[name] ?? 0) + change
            protocolSupport[name] = count > 0 ? count : nil
        }
    }

    mutating func add(_ member: GroupMember, protocolType: String) {
        if members.isEmpty { self.protocolType = protocolType }
        if leader == nil { leader = member.id }
        members[member.id] = member
        if let instanceID = member.instanceID { staticMembers[instanceID] = member.id }
        countProtocols(of: member, 1)
        if member.joinWaiter != nil { awaitingJoin += 1 }
        pendingMembers[member.id] = nil
    }

    /// Takes the member out and answers what it waits for with UNKNOWN_MEMBER_ID, so that it joins anew.
    mutating func remove(_ memberID: String) -> [GroupAction] {
        pendingMembers[memberID] = nil
        pendingSync.remove(memberID)
        guard let member = members.removeValue(forKey: memberID) else { return [] }
        var actions: [GroupAction] = []
        if let waiter = member.joinWaiter {
            awaitingJoin -= 1
            actions.append(.answerJoin(waiter, .refused(.unknownMemberID, memberID: "")))
        }
        if let waiter = member.syncWaiter { actions.append(.answerSync(waiter, .refused(.unknownMemberID))) }
        countProtocols(of: member, -1)
        if let instanceID = member.instanceID, staticMembers[instanceID] == memberID { staticMembers[instanceID] = nil }
        if leader == memberID { leader = members.keys.first }
        return actions
    }
}
