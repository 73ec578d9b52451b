import OrderedCollections
public import WeirModel

// SyncGroup: the leader's assignment comes in, is stored, and goes out to all.
extension ClassicGroup {
    /// A member asks for its assignment; the leader brings everybody's.
    public mutating func sync(_ event: SyncEvent, waiter: WaiterID, now: Moment) -> [GroupAction] {
        if let code = problem(with: event) { return [.answerSync(waiter, .refused(code))] }
        switch state {
        case .empty:
            return [.answerSync(waiter, .refused(.unknownMemberID))]
        case .dead:
            return [.answerSync(waiter, .refused(.coordinatorNotAvailable))]
        case .preparingRebalance:
            return [.answerSync(waiter, .refused(.rebalanceInProgress))]
        case .completingRebalance:
            return awaitAssignment(event, waiter, now)
        case .stable:
            noteSynced(event.memberID)
            if members[event.memberID]?.waits == false { extendSession(of: event.memberID, now) }
            return [.answerSync(waiter, assignment(of: event.memberID))]
        }
    }

    private func problem(with event: SyncEvent) -> ErrorCode? {
        if state == .dead { return .coordinatorNotAvailable }
        if let code = problem(withMember: event.memberID, instanceID: event.instanceID) { return code }
        if event.generation != generation { return .illegalGeneration }
        if let type = event.protocolType, type != protocolType { return .inconsistentGroupProtocol }
        if let name = event.protocolName, name != protocolName { return .inconsistentGroupProtocol }
        return nil
    }

    private mutating func awaitAssignment(
        _ event: SyncEvent, _ waiter: WaiterID, _ now: Moment
    ) -> [GroupAction] {
        var actions: [GroupAction] = []
        if let previous = members[event.memberID]?.syncWaiter {
            actions.append(.answerSync(previous, .refused(.rebalanceInProgress)))
        }
        members[event.memberID]?.syncWaiter = waiter
        members[event.memberID]?.deadline = nil
        noteSynced(event.memberID)
        guard leader == event.memberID else { return actions }
        // Members that the leader left out get an empty assignment, strangers none.
        var assignments: [String: [UInt8]] = [:]
        for memberID in members.keys { assignments[memberID] = event.assignments[memberID] ?? [] }
        let ticket = makeTicket(.assignment(generation: generation, assignments: assignments))
        actions.append(.store(ticket, snapshot(assignments: assignments)))
        return actions
    }

    private mutating func noteSynced(_ memberID: String) {
        pendingSync.remove(memberID)
        if pendingSync.isEmpty { syncDeadline = nil }
    }

    private func assignment(of memberID: String) -> SyncOutcome {
        .assigned(members[memberID]?.assignment ?? [], protocolType: protocolType, protocolName: protocolName)
    }

    /// The driver has written what a `store` action asked for, or could not. The error is the one to tell clients.
    public mutating func stored(_ ticket: StoreTicket, error: ErrorCode, now: Moment) -> [GroupAction] {
        switch pendingStores.removeValue(forKey: ticket.rawValue) {
        case .assignment(let generation, let assignments):
            // Somebody may have joined meanwhile: then the next generation's assignment counts.
            guard state == .completingRebalance, self.generation == generation else { return [] }
            guard error == .none else {
                return dropAssignments(error, now) + prepareRebalanceIfPossible(now)
            }
            for (memberID, assignment) in assignments { members[memberID]?.assignment = assignment }
            transition(to: .stable, now)
            return answerSyncs(now) { group, memberID in group.assignment(of: memberID) }
        case .staticRejoin(let rejoin):
            return finish(rejoin, error: error, now)
        case .emptied, nil:
            return []
        }
    }

    /// Forgets all assignments and tells whoever waits for one.
    mutating func dropAssignments(_ error: ErrorCode, _ now: Moment) -> [GroupAction] {
        for memberID in members.keys { members[memberID]?.assignment = [] }
        return answerSyncs(now) { _, _ in .refused(error) }
    }

    private mutating func answerSyncs(
        _ now: Moment, _ outcome: (ClassicGroup, String) -> SyncOutcome
    ) -> [GroupAction] {
        var actions: [GroupAction] = []
        for memberID in members.keys {
            guard let waiter = members[memberID]?.syncWaiter else { continue }
            members[memberID]?.syncWaiter = nil
            actions.append(.answerSync(waiter, outcome(self, memberID)))
            if members[memberID]?.joinWaiter == nil { extendSession(of: memberID, now) }
        }
        return actions
    }
}
