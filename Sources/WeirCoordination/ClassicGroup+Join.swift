import OrderedCollections
import WeirModel

// JoinGroup: new members, pending members, static members that come back, members that rejoin.
extension ClassicGroup {
    /// A member joins. The waiter is answered by one of the returned actions or by a later event's.
    public mutating func join(_ event: JoinEvent, waiter: WaiterID, now: Moment) -> [GroupAction] {
        if let code = problem(with: event) {
            return [.answerJoin(waiter, .refused(code, memberID: event.memberID))]
        }
        if !hasRoom(for: event.memberID) {
            var actions = remove(event.memberID)
            actions.append(.answerJoin(waiter, .refused(.groupMaxSizeReached, memberID: "")))
            return actions + settleJoin(now)
        }
        if !supports(event) {
            return [.answerJoin(waiter, .refused(.inconsistentGroupProtocol, memberID: event.memberID))]
        }
        var actions: [GroupAction]
        if event.memberID.isEmpty {
            actions = joinAsNew(event, waiter, now)
        } else if pendingMembers[event.memberID] != nil {
            // A pending member cannot be static: it would have been taken in at once.
            if event.instanceID != nil {
                return [.answerJoin(waiter, .refused(.unknownMemberID, memberID: event.memberID))]
            }
            actions = addMember(event, id: event.memberID, waiter, now)
        } else if let code = problem(withMember: event.memberID, instanceID: event.instanceID) {
            return [.answerJoin(waiter, .refused(code, memberID: event.memberID))]
        } else {
            actions = rejoin(event, waiter, now)
        }
        return actions + settleJoin(now)
    }

    private func problem(with event: JoinEvent) -> ErrorCode? {
        if state == .dead { return .coordinatorNotAvailable }
        if event.sessionTimeoutMs < limits.minSessionTimeoutMs || event.sessionTimeoutMs > limits.maxSessionTimeoutMs {
            return .invalidSessionTimeout
        }
        return nil
    }

    /// Kafka's acceptJoiningMember. While a rebalance is prepared the waiting members count, so that the last to rejoin
    /// are turned away after the limit was lowered; otherwise the group's size counts.
    private func hasRoom(for memberID: String) -> Bool {
        switch state {
        case .empty, .dead: true
        case .preparingRebalance: members[memberID]?.joinWaiter != nil || awaitingJoin < limits.maxSize
        case .completingRebalance, .stable: members[memberID] != nil || members.count < limits.maxSize
        }
    }

    private func supports(_ event: JoinEvent) -> Bool {
        if members.isEmpty { return !event.protocolType.isEmpty && !event.protocols.isEmpty }
        guard protocolType == event.protocolType else { return false }
        return event.protocols.contains { protocolSupport[$0.name] == members.count }
    }

    private mutating func joinAsNew(_ event: JoinEvent, _ waiter: WaiterID, _ now: Moment) -> [GroupAction] {
        if let instanceID = event.instanceID {
            if let oldMemberID = staticMembers[instanceID] {
                return replaceStatic(oldMemberID, with: event, waiter, now)
            }
            return addMember(event, id: event.freshMemberID, waiter, now)
        }
        guard event.requiresKnownMemberID else { return addMember(event, id: event.freshMemberID, waiter, now) }
        let deadline = now.monotonic &+ Int64(event.sessionTimeoutMs)
        pendingMembers[event.freshMemberID] = deadline
        wake(at: deadline)
        return [.answerJoin(waiter, .refused(.memberIDRequired, memberID: event.freshMemberID))]
    }

    private mutating func addMember(
        _ event: JoinEvent, id memberID: String, _ waiter: WaiterID, _ now: Moment
    ) -> [GroupAction] {
        // Until its first answer the member cannot heartbeat, and a client that gave up and tried again would leave a
        // dead twin behind with each try: so the wait itself is limited.
        let deadline = now.monotonic &+ GroupLimits.newMemberJoinTimeoutMs
        let member = GroupMember(
            id: memberID, instanceID: event.instanceID, clientID: event.clientID, clientHost: event.clientHost,
            sessionTimeoutMs: event.sessionTimeoutMs, rebalanceTimeoutMs: event.rebalanceTimeoutMs,
            protocols: event.protocols, joinWaiter: waiter, isNew: true, deadline: deadline)
        if state == .preparingRebalance && generation == 0 { newMemberAdded = true }
        add(member, protocolType: event.protocolType)
        wake(at: deadline)
        return prepareRebalanceIfPossible(now)
    }

    /// A known member joins again.
    private mutating func rejoin(_ event: JoinEvent, _ waiter: WaiterID, _ now: Moment) -> [GroupAction] {
        let memberID = event.memberID
        let isUnchanged = members[memberID]?.protocols == event.protocols
        switch state {
        case .preparingRebalance:
            return update(memberID, event, waiter)
        case .completingRebalance:
            // With the same metadata it probably missed the answer: it gets the current generation's again.
            if isUnchanged { return answerCurrent(memberID, waiter, withMembers: leader == memberID, now) }
            return update(memberID, event, waiter) + prepareRebalanceIfPossible(now)
        case .stable:
            // The leader may ask for a rebalance whose reason does not show in its metadata, such as new partitions.
            if isUnchanged && leader != memberID { return answerCurrent(memberID, waiter, withMembers: false, now) }
            return update(memberID, event, waiter) + prepareRebalanceIfPossible(now)
        case .empty, .dead:
            return [.answerJoin(waiter, .refused(.unknownMemberID, memberID: memberID))]
        }
    }

    private mutating func answerCurrent(
        _ memberID: String, _ waiter: WaiterID, withMembers: Bool, _ now: Moment
    ) -> [GroupAction] {
        if members[memberID]?.waits == false { extendSession(of: memberID, now) }
        return [.answerJoin(waiter, .joined(joined(memberID, withMembers: withMembers)))]
    }

    /// Takes over what the member says now, and its request. A request that waited before belongs to a connection that
    /// the client gave up; it is answered all the same.
    private mutating func update(_ memberID: String, _ event: JoinEvent, _ waiter: WaiterID) -> [GroupAction] {
        guard var member = members[memberID] else { return [] }
        var actions: [GroupAction] = []
        countProtocols(of: member, -1)
        member.protocols = event.protocols
        member.sessionTimeoutMs = event.sessionTimeoutMs
        member.rebalanceTimeoutMs = event.rebalanceTimeoutMs
        member.clientID = event.clientID
        member.clientHost = event.clientHost
        countProtocols(of: member, 1)
        if let previous = member.joinWaiter {
            actions.append(.answerJoin(previous, .refused(.rebalanceInProgress, memberID: memberID)))
        } else {
            awaitingJoin += 1
        }
        member.joinWaiter = waiter
        if !member.isNew { member.deadline = nil }
        members[memberID] = member
        return actions
    }

    /// A static member came back without its member id, after a restart: it takes its place over under a new id, and
    /// whoever still uses the old one is fenced.
    private mutating func replaceStatic(
        _ oldMemberID: String, with event: JoinEvent, _ waiter: WaiterID, _ now: Moment
    ) -> [GroupAction] {
        guard let previous = members[oldMemberID], let previousLeader = leader else { return [] }
        let newMemberID = event.freshMemberID
        var actions = rename(oldMemberID, to: newMemberID)
        actions += update(newMemberID, event, waiter)
        switch state {
        case .stable:
            guard selectProtocol() == protocolName else { return actions + prepareRebalanceIfPossible(now) }
            // Nothing changes for the others: the new id is stored, and the member gets the current generation.
            let ticket = makeTicket(
                .staticRejoin(
                    StaticRejoin(
                        generation: generation, waiter: waiter, previous: previous, previousLeader: previousLeader,
                        newMemberID: newMemberID, supportsSkippingAssignment: event.supportsSkippingAssignment)))
            return actions + [.store(ticket, snapshot())]
        case .completingRebalance:
            // The leader may be assigning to the old id: start over.
            return actions + prepareRebalanceIfPossible(now)
        case .preparingRebalance, .empty, .dead:
            return actions
        }
    }

    /// Gives a static member another id, fencing the requests that wait under the old one.
    private mutating func rename(_ oldMemberID: String, to newMemberID: String) -> [GroupAction] {
        guard var member = members.removeValue(forKey: oldMemberID) else { return [] }
        var actions: [GroupAction] = []
        if let waiter = member.joinWaiter {
            awaitingJoin -= 1
            actions.append(.answerJoin(waiter, .refused(.fencedInstanceID, memberID: oldMemberID)))
        }
        if let waiter = member.syncWaiter { actions.append(.answerSync(waiter, .refused(.fencedInstanceID))) }
        member.joinWaiter = nil
        member.syncWaiter = nil
        member.isNew = false
        member.id = newMemberID
        members[newMemberID] = member
        if let instanceID = member.instanceID { staticMembers[instanceID] = newMemberID }
        if leader == oldMemberID { leader = newMemberID }
        if pendingSync.remove(oldMemberID) != nil { pendingSync.insert(newMemberID) }
        return actions
    }

    /// The new id of a static member is stored, or could not be.
    mutating func finish(_ rejoin: StaticRejoin, error: ErrorCode, _ now: Moment) -> [GroupAction] {
        // When a rebalance has begun, its end answers the member.
        guard state == .stable, generation == rejoin.generation,
            members[rejoin.newMemberID]?.joinWaiter == rejoin.waiter
        else { return [] }
        members[rejoin.newMemberID]?.joinWaiter = nil
        awaitingJoin -= 1
        guard error == .none else {
            revert(rejoin, now)
            return [.answerJoin(rejoin.waiter, .refused(error, memberID: ""))]
        }
        extendSession(of: rejoin.newMemberID, now)
        let isLeader = leader == rejoin.newMemberID
        var answer = joined(rejoin.newMemberID, withMembers: isLeader && rejoin.supportsSkippingAssignment)
        if rejoin.supportsSkippingAssignment {
            answer.skipAssignment = isLeader
        } else {
            // Before v9 a leader cannot be told to skip the assignment, so it must not learn that it leads.
            answer.leader = rejoin.previousLeader
        }
        return [.answerJoin(rejoin.waiter, .joined(answer))]
    }

    private mutating func revert(_ rejoin: StaticRejoin, _ now: Moment) {
        guard let current = members[rejoin.newMemberID] else { return }
        countProtocols(of: current, -1)
        _ = rename(rejoin.newMemberID, to: rejoin.previous.id)
        var restored = rejoin.previous
        restored.joinWaiter = nil
        restored.syncWaiter = nil
        members[restored.id] = restored
        countProtocols(of: restored, 1)
        extendSession(of: restored.id, now)
    }
}
