import OrderedCollections
import WeirModel

// The rebalance itself: from the first reason to the answers of all joins.
extension ClassicGroup {
    /// The longest of the members' rebalance timeouts.
    var rebalanceTimeoutMs: Int64 {
        Int64(members.values.reduce(0) { max($0, $1.rebalanceTimeoutMs) })
    }

    mutating func prepareRebalanceIfPossible(_ now: Moment) -> [GroupAction] {
        guard state.canTransition(to: .preparingRebalance) else { return [] }
        var actions: [GroupAction] = []
        if state == .completingRebalance { actions = dropAssignments(.rebalanceInProgress, now) }
        syncDeadline = nil
        if state == .empty {
            let delay = max(limits.initialRebalanceDelayMs, 0)
            let phase = JoinPhase.initialDelay(
                until: now.monotonic &+ delay, remaining: max(rebalanceTimeoutMs - delay, 0))
            joinPhase = phase
            newMemberAdded = false
            wake(at: phase.deadline)
        } else {
            waitForJoins(now)
        }
        transition(to: .preparingRebalance, now)
        return actions + settleJoin(now)
    }

    private mutating func waitForJoins(_ now: Moment) {
        let phase = JoinPhase.waiting(until: now.monotonic &+ rebalanceTimeoutMs)
        joinPhase = phase
        wake(at: phase.deadline)
    }

    /// Completes the join when it can be completed now. Harmless at any time.
    mutating func settleJoin(_ now: Moment) -> [GroupAction] {
        guard state == .preparingRebalance, let phase = joinPhase else { return [] }
        switch phase {
        case .initialDelay(let until, let remaining):
            guard until <= now.monotonic else { return [] }
            if newMemberAdded && remaining > 0 && limits.initialRebalanceDelayMs > 0 {
                newMemberAdded = false
                let delay = min(limits.initialRebalanceDelayMs, remaining)
                let next = JoinPhase.initialDelay(until: now.monotonic &+ delay, remaining: remaining - delay)
                joinPhase = next
                wake(at: next.deadline)
                return []
            }
            return completeJoin(now)
        case .waiting(let until):
            let everybodyJoined = awaitingJoin == members.count && pendingMembers.isEmpty
            guard everybodyJoined || until <= now.monotonic else { return [] }
            return completeJoin(now)
        }
    }

    /// Ends the wait for joins: who has not joined is out, unless static; the rest is the next generation.
    private mutating func completeJoin(_ now: Moment) -> [GroupAction] {
        var actions: [GroupAction] = []
        for member in members.values where member.joinWaiter == nil && !member.isStatic {
            actions += remove(member.id)
        }
        if let leader, members[leader]?.joinWaiter == nil, !members.isEmpty {
            guard let joined = members.values.first(where: { $0.joinWaiter != nil }) else {
                // Only static members are left and none is back: their sessions decide.
                waitForJoins(now)
                return actions
            }
            self.leader = joined.id
        }
        joinPhase = nil
        pendingSync = []
        generation = generation == .max ? 1 : generation + 1
        if members.isEmpty {
            protocolName = nil
            leader = nil
            transition(to: .empty, now)
            return actions + [.store(makeTicket(.emptied), snapshot())]
        }
        protocolName = selectProtocol()
        transition(to: .completingRebalance, now)
        let deadline = now.monotonic &+ rebalanceTimeoutMs
        syncDeadline = deadline
        wake(at: deadline)
        return actions + answerJoins(now)
    }

    private mutating func answerJoins(_ now: Moment) -> [GroupAction] {
        var actions: [GroupAction] = []
        for memberID in members.keys {
            pendingSync.insert(memberID)
            members[memberID]?.isNew = false
            members[memberID]?.assignment = []
            if let waiter = members[memberID]?.joinWaiter {
                members[memberID]?.joinWaiter = nil
                actions.append(.answerJoin(waiter, .joined(joined(memberID, withMembers: leader == memberID))))
            }
            extendSession(of: memberID, now)
        }
        awaitingJoin = 0
        return actions
    }

    func joined(_ memberID: String, withMembers: Bool) -> JoinedGroup {
        JoinedGroup(
            memberID: memberID, generation: generation, protocolType: protocolType, protocolName: protocolName,
            leader: leader ?? "",
            members: withMembers
                ? members.values.map {
                    JoinedMember(
                        memberID: $0.id, instanceID: $0.instanceID, metadata: $0.metadata(under: protocolName))
                } : [])
    }

    /// Each member votes for the first of its protocols that all have; the most votes win, and between equals the one
    /// that the leader likes best. Nil when no protocol is common to all, which `supports` keeps from happening.
    func selectProtocol() -> String? {
        let common = Set(protocolSupport.lazy.filter { $0.value == self.members.count }.map(\.key))
        var votes: [String: Int] = [:]
        for member in members.values {
            if let choice = member.protocols.first(where: { common.contains($0.name) }) {
                votes[choice.name, default: 0] += 1
            }
        }
        let preference = (leader.flatMap { members[$0] } ?? members.values.first)?.protocols.map(\.name) ?? []
        var best: (name: String, votes: Int)?
        for name in preference where common.contains(name) {
            if let count = votes[name], count > best?.votes ?? 0 { best = (name, count) }
        }
        return best?.name
    }
}
