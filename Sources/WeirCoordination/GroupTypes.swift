// WeirCoordination: consumer groups (and later transactions) as pure state machines. An event goes in, actions come out.
// Synchronous value types only: no clock, no randomness, no locks, no bytes of the wire, no promises. Who drives them
// (WeirBroker/Groups) passes the time in, makes up member ids, keeps whatever waits for an answer, writes records.

public import WeirModel

/// A point in time, as the driver passes it with every event.
public struct Moment: Hashable, Sendable {
    /// Milliseconds on a scale that never goes back: deadlines are counted on it.
    public var monotonic: Int64
    /// Milliseconds since 1970-01-01 UTC: what is stored is stamped with it.
    public var wall: Int64

    public init(monotonic: Int64, wall: Int64) {
        self.monotonic = monotonic
        self.wall = wall
    }
}

/// A request that waits for its answer. The driver numbers them and keeps what answers them.
public struct WaiterID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    public var description: String { "#\(rawValue)" }
}

/// One write of a group's metadata, numbered by the group.
public struct StoreTicket: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// An embedded protocol that a member offers: for consumers an assignor's name and the encoded subscription.
public struct GroupProtocol: Hashable, Sendable {
    public var name: String
    public var metadata: [UInt8]

    public init(name: String, metadata: [UInt8]) {
        self.name = name
        self.metadata = metadata
    }
}

/// What a client says in JoinGroup, with the defaults of its version filled in.
public struct JoinEvent: Sendable, Equatable {
    /// Empty when the client has none yet.
    public var memberID: String
    public var instanceID: String?
    /// The id this member gets if it needs a new one: unique, made up by the driver.
    public var freshMemberID: String
    public var clientID: String
    public var clientHost: String
    public var sessionTimeoutMs: Int32
    public var rebalanceTimeoutMs: Int32
    public var protocolType: String
    /// In the member's order of preference.
    public var protocols: [GroupProtocol]
    /// v4 and newer: a dynamic member must come back with the id it is given (KIP-394).
    public var requiresKnownMemberID: Bool
    /// v9 and newer: a returning static leader may be told to skip the assignment (KIP-814).
    public var supportsSkippingAssignment: Bool

    public init(
        memberID: String, instanceID: String?, freshMemberID: String, clientID: String, clientHost: String,
        sessionTimeoutMs: Int32, rebalanceTimeoutMs: Int32, protocolType: String, protocols: [GroupProtocol],
        requiresKnownMemberID: Bool, supportsSkippingAssignment: Bool
    ) {
        self.memberID = memberID
        self.instanceID = instanceID
        self.freshMemberID = freshMemberID
        self.clientID = clientID
        self.clientHost = clientHost
        self.sessionTimeoutMs = sessionTimeoutMs
        self.rebalanceTimeoutMs = rebalanceTimeoutMs
        self.protocolType = protocolType
        self.protocols = protocols
        self.requiresKnownMemberID = requiresKnownMemberID
        self.supportsSkippingAssignment = supportsSkippingAssignment
    }
}

/// What a client says in SyncGroup.
public struct SyncEvent: Sendable, Equatable {
    public var memberID: String
    public var instanceID: String?
    public var generation: Int32
    /// v5 and newer; nil before.
    public var protocolType: String?
    public var protocolName: String?
    /// Member id to assignment; only the leader's counts.
    public var assignments: [String: [UInt8]]

    public init(
        memberID: String, instanceID: String? = nil, generation: Int32, protocolType: String? = nil,
        protocolName: String? = nil, assignments: [String: [UInt8]] = [:]
    ) {
        self.memberID = memberID
        self.instanceID = instanceID
        self.generation = generation
        self.protocolType = protocolType
        self.protocolName = protocolName
        self.assignments = assignments
    }
}

/// One of the members named in LeaveGroup.
public struct LeavingMember: Hashable, Sendable {
    /// Empty when an administrator names the member by its instance id alone.
    public var memberID: String
    public var instanceID: String?

    public init(memberID: String, instanceID: String? = nil) {
        self.memberID = memberID
        self.instanceID = instanceID
    }
}

/// A member as the leader is told of it.
public struct JoinedMember: Hashable, Sendable {
    public var memberID: String
    public var instanceID: String?
    /// What the member said under the chosen protocol.
    public var metadata: [UInt8]

    public init(memberID: String, instanceID: String? = nil, metadata: [UInt8]) {
        self.memberID = memberID
        self.instanceID = instanceID
        self.metadata = metadata
    }
}

/// A successful JoinGroup.
public struct JoinedGroup: Hashable, Sendable {
    public var memberID: String
    public var generation: Int32
    public var protocolType: String?
    public var protocolName: String?
    public var leader: String
    /// All members for the leader, nobody for the others.
    public var members: [JoinedMember]
    public var skipAssignment: Bool

    public init(
        memberID: String, generation: Int32, protocolType: String?, protocolName: String?, leader: String,
        members: [JoinedMember] = [], skipAssignment: Bool = false
    ) {
        self.memberID = memberID
        self.generation = generation
        self.protocolType = protocolType
        self.protocolName = protocolName
        self.leader = leader
        self.members = members
        self.skipAssignment = skipAssignment
    }
}

public enum JoinOutcome: Hashable, Sendable {
    case joined(JoinedGroup)
    /// With the member id to answer: with MEMBER_ID_REQUIRED it is the new one.
    case refused(ErrorCode, memberID: String)
}

public enum SyncOutcome: Hashable, Sendable {
    case assigned([UInt8], protocolType: String?, protocolName: String?)
    case refused(ErrorCode)
}

/// What the driver has to do after an event, in this order.
public enum GroupAction: Hashable, Sendable {
    case answerJoin(WaiterID, JoinOutcome)
    case answerSync(WaiterID, SyncOutcome)
    /// Write the group's metadata; then call `stored` with the ticket, whether it worked or not.
    case store(StoreTicket, GroupSnapshot)
}

/// The rules a coordinator sets for its groups.
public struct GroupLimits: Hashable, Sendable {
    /// `group.min.session.timeout.ms`
    public var minSessionTimeoutMs: Int32
    /// `group.max.session.timeout.ms`
    public var maxSessionTimeoutMs: Int32
    /// `group.max.size`
    public var maxSize: Int
    /// `group.initial.rebalance.delay.ms`: how long the first rebalance of an empty group waits for more members.
    public var initialRebalanceDelayMs: Int64
    /// How long a member that is new, and so does not know its id and cannot heartbeat, may wait for its first join to
    /// end before it is taken for gone; Kafka's constant.
    public static let newMemberJoinTimeoutMs: Int64 = 300_000

    public init(
        minSessionTimeoutMs: Int32 = 6_000, maxSessionTimeoutMs: Int32 = 1_800_000, maxSize: Int = Int(Int32.max),
        initialRebalanceDelayMs: Int64 = 0
    ) {
        self.minSessionTimeoutMs = minSessionTimeoutMs
        self.maxSessionTimeoutMs = maxSessionTimeoutMs
        self.maxSize = maxSize
        self.initialRebalanceDelayMs = initialRebalanceDelayMs
    }
}
