import OrderedCollections

/// A group as it is stored: what a coordinator needs to go on with it.
public struct GroupSnapshot: Hashable, Sendable {
    public struct Member: Hashable, Sendable {
        public var memberID: String
        public var instanceID: String?
        public var clientID: String
        public var clientHost: String
        public var rebalanceTimeoutMs: Int32
        public var sessionTimeoutMs: Int32
        /// The member's bytes under the chosen protocol.
        public var subscription: [UInt8]
        public var assignment: [UInt8]

        public init(
            memberID: String, instanceID: String?, clientID: String, clientHost: String, rebalanceTimeoutMs: Int32,
            sessionTimeoutMs: Int32, subscription: [UInt8], assignment: [UInt8]
        ) {
            self.memberID = memberID
            self.instanceID = instanceID
            self.clientID = clientID
            self.clientHost = clientHost
            self.rebalanceTimeoutMs = rebalanceTimeoutMs
            self.sessionTimeoutMs = sessionTimeoutMs
            self.subscription = subscription
            self.assignment = assignment
        }
    }

    /// Empty when the group never had members.
    public var protocolType: String
    public var generation: Int32
    public var protocolName: String?
    public var leader: String?
    /// Wall milliseconds; -1 when unknown.
    public var stateTimestamp: Int64
    public var members: [Member]

    public init(
        protocolType: String, generation: Int32, protocolName: String?, leader: String?, stateTimestamp: Int64,
        members: [Member]
    ) {
        self.protocolType = protocolType
        self.generation = generation
        self.protocolName = protocolName
        self.leader = leader
        self.stateTimestamp = stateTimestamp
        self.members = members
    }
}

/// A group as an administrator sees it.
public struct GroupDescription: Hashable, Sendable {
    public struct Member: Hashable, Sendable {
        public var memberID: String
        public var instanceID: String?
        public var clientID: String
        public var clientHost: String
        public var metadata: [UInt8]
        public var assignment: [UInt8]
    }

    public var state: ClassicGroup.State
    public var protocolType: String
    public var protocolName: String
    public var members: [Member]
}

extension ClassicGroup {
    /// What to store now.
    public func snapshot() -> GroupSnapshot { snapshot(assignments: nil) }

    /// With assignments that are not in force yet.
    func snapshot(assignments: [String: [UInt8]]?) -> GroupSnapshot {
        GroupSnapshot(
            protocolType: protocolType ?? "", generation: generation, protocolName: protocolName, leader: leader,
            stateTimestamp: stateTimestamp,
            members: members.values.map { member in
                GroupSnapshot.Member(
                    memberID: member.id, instanceID: member.instanceID, clientID: member.clientID,
                    clientHost: member.clientHost, rebalanceTimeoutMs: member.rebalanceTimeoutMs,
                    sessionTimeoutMs: member.sessionTimeoutMs, subscription: member.metadata(under: protocolName),
                    assignment: assignments.map { $0[member.id] ?? [] } ?? member.assignment)
            })
    }

    /// A group as it was stored. Its members keep their ids and the generation, and have a whole session to be heard of
    /// again. Call `resume` once before the first event.
    public init(id: String, restoring snapshot: GroupSnapshot, limits: GroupLimits, now: Moment) {
        self.init(id: id, limits: limits, now: now)
        generation = snapshot.generation
        protocolType = snapshot.protocolType.isEmpty ? nil : snapshot.protocolType
        protocolName = snapshot.protocolName
        for stored in snapshot.members where members[stored.memberID] == nil {
            add(
                GroupMember(
                    id: stored.memberID, instanceID: stored.instanceID, clientID: stored.clientID,
                    clientHost: stored.clientHost, sessionTimeoutMs: stored.sessionTimeoutMs,
                    // Records older than version 1 have no rebalance timeout.
                    rebalanceTimeoutMs: stored.rebalanceTimeoutMs < 0
                        ? stored.sessionTimeoutMs : stored.rebalanceTimeoutMs,
                    protocols: snapshot.protocolName.map { [GroupProtocol(name: $0, metadata: stored.subscription)] }
                        ?? [],
                    assignment: stored.assignment),
                protocolType: snapshot.protocolType)
            extendSession(of: stored.memberID, now)
        }
        if !members.isEmpty {
            state = .stable
            if let stored = snapshot.leader, members[stored] != nil { leader = stored }
        }
        if snapshot.stateTimestamp >= 0 { stateTimestamp = snapshot.stateTimestamp }
    }

    /// Starts what a restored group needs: a rebalance when it is larger than is allowed now.
    public mutating func resume(_ now: Moment) -> [GroupAction] {
        members.count > limits.maxSize ? prepareRebalanceIfPossible(now) : []
    }
}
