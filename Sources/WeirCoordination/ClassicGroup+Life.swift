import OrderedCollections
public import WeirModel

// Heartbeats, leaving, expiry, deletion, and whether a commit is allowed.
extension ClassicGroup {
    /// A member says that it lives.
    public mutating func heartbeat(
        memberID: String, instanceID: String?, generation: Int32, now: Moment
    ) -> ErrorCode {
        if state == .dead { return .coordinatorNotAvailable }
        if let code = problem(withMember: memberID, instanceID: instanceID) { return code }
        if generation != self.generation { return .illegalGeneration }
        if members[memberID]?.waits == false { extendSession(of: memberID, now) }
        return state == .preparingRebalance ? .rebalanceInProgress : .none
    }

    /// Whether this commit of offsets may be taken; a member's commit counts as a heartbeat.
    ///
    /// A negative generation comes from a consumer that does not use group management, or from an administrator: fine as
    /// long as the group has no members.
    public mutating func admitCommit(
        memberID: String, instanceID: String?, generation: Int32, now: Moment
    ) -> ErrorCode {
        if state == .dead { return .coordinatorNotAvailable }
        if generation < 0 && state == .empty { return .none }
        if generation >= 0 || !memberID.isEmpty || instanceID != nil {
            if let code = problem(withMember: memberID, instanceID: instanceID) { return code }
            if generation != self.generation { return .illegalGeneration }
        } else if state != .empty {
            return .unknownMemberID
        }
        // The member knows the new generation, but its assignment is not settled.
        if state == .completingRebalance { return .rebalanceInProgress }
        if members[memberID]?.waits == false { extendSession(of: memberID, now) }
        return .none
    }

    /// Members go, each with its own outcome, in the given order.
    public mutating func leave(
        _ leaving: [LeavingMember], now: Moment
    ) -> (outcomes: [ErrorCode], actions: [GroupAction]) {
        guard state != .dead else { return (leaving.map { _ in .coordinatorNotAvailable }, []) }
        var outcomes: [ErrorCode] = []
        var actions: [GroupAction] = []
        for member in leaving {
            if member.memberID.isEmpty {
                if let memberID = member.instanceID.flatMap({ staticMembers[$0] }) {
                    actions += removeAndRebalance(memberID, now)
                    outcomes.append(.none)
                } else {
                    outcomes.append(.unknownMemberID)
                }
            } else if pendingMembers[member.memberID] != nil {
                pendingMembers[member.memberID] = nil
                actions += settleJoin(now)
                outcomes.append(.none)
            } else if let code = problem(withMember: member.memberID, instanceID: member.instanceID) {
                outcomes.append(code)
            } else {
                actions += removeAndRebalance(member.memberID, now)
                outcomes.append(.none)
            }
        }
        return (outcomes, actions)
    }

    mutating func removeAndRebalance(_ memberID: String, _ now: Moment) -> [GroupAction] {
        remove(memberID) + prepareRebalanceIfPossible(now) + settleJoin(now)
    }

    /// Time has passed: expires who did not heartbeat, ends waits, and sets `wakeAt` anew.
    public mutating func tick(_ now: Moment) -> [GroupAction] {
        guard let due = wakeAt, due <= now.monotonic, state != .dead else { return [] }
        var actions: [GroupAction] = []
        for (memberID, deadline) in pendingMembers where deadline <= now.monotonic {
            pendingMembers[memberID] = nil
        }
        actions += settleJoin(now)
        for member in members.values {
            // An expiry can end a rebalance and so give others a new session: look again.
            guard let deadline = members[member.id]?.deadline, deadline <= now.monotonic else { continue }
            actions += removeAndRebalance(member.id, now)
        }
        if let deadline = syncDeadline, deadline <= now.monotonic { actions += expireSync(now) }
        wakeAt = nextDeadline
        return actions
    }

    /// Members that joined and never synced are out.
    private mutating func expireSync(_ now: Moment) -> [GroupAction] {
        syncDeadline = nil
        guard state == .completingRebalance || state == .stable, !pendingSync.isEmpty else { return [] }
        var actions: [GroupAction] = []
        for memberID in members.keys where pendingSync.contains(memberID) { actions += remove(memberID) }
        return actions + prepareRebalanceIfPossible(now)
    }

    private var nextDeadline: Int64? {
        var next = Int64.max
        for deadline in pendingMembers.values { next = min(next, deadline) }
        for member in members.values { next = min(next, member.deadline ?? .max) }
        next = min(next, joinPhase?.deadline ?? .max, syncDeadline ?? .max)
        return next == .max ? nil : next
    }

    /// The group is deleted or moves away: whoever waits is told so, and nothing is possible any more.
    public mutating func die(_ code: ErrorCode, now: Moment) -> [GroupAction] {
        guard state != .dead else { return [] }
        var actions: [GroupAction] = []
        for member in members.values {
            if let waiter = member.joinWaiter {
                actions.append(.answerJoin(waiter, .refused(code, memberID: member.id)))
            }
            if let waiter = member.syncWaiter { actions.append(.answerSync(waiter, .refused(code))) }
        }
        members = [:]
        staticMembers = [:]
        pendingMembers = [:]
        pendingSync = []
        pendingStores = [:]
        protocolSupport = [:]
        awaitingJoin = 0
        leader = nil
        joinPhase = nil
        syncDeadline = nil
        wakeAt = nil
        transition(to: .dead, now)
        return actions
    }
}
