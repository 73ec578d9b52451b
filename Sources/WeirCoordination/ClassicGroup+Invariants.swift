import OrderedCollections

// What holds between any two events. Tests and simulations check it after each; it is too slow for every heartbeat.
extension ClassicGroup {
    /// What is broken, as sentences; empty when all is well.
    public var brokenInvariants: [String] {
        var broken: [String] = []
        func check(_ holds: Bool, _ sentence: @autoclosure () -> String) { if !holds { broken.append(sentence()) } }

        check(members.allSatisfy { $0.key == $0.value.id }, "a member is filed under another id")
        check(leader.map { members[$0] != nil } ?? true, "the leader \(leader ?? "") is no member")
        check(members.isEmpty || leader != nil, "members without a leader")
        check(
            awaitingJoin == members.values.count { $0.joinWaiter != nil },
            "\(awaitingJoin) joins counted, \(members.values.count { $0.joinWaiter != nil }) waiting")
        var support: [String: Int] = [:]
        for member in members.values {
            for name in Set(member.protocols.map(\.name)) { support[name, default: 0] += 1 }
        }
        check(support == protocolSupport, "protocols are miscounted")
        let statics = members.values.compactMap { member in member.instanceID.map { ($0, member.id) } }
        check(
            statics.count == staticMembers.count && statics.allSatisfy { staticMembers[$0.0] == $0.1 },
            "static members are misfiled")
        check(pendingMembers.keys.allSatisfy { members[$0] == nil }, "a pending member is a member")
        check(pendingSync.allSatisfy { members[$0] != nil }, "a stranger is expected to sync")
        check((joinPhase != nil) == (state == .preparingRebalance), "a join phase in state \(state)")
        check((state == .empty || state == .dead) ? members.isEmpty : true, "members in state \(state)")
        check(state == .stable || state == .completingRebalance ? !members.isEmpty : true, "nobody in state \(state)")
        check(
            members.values.allSatisfy { $0.deadline != nil || $0.waits },
            "a member that does not wait can never expire")
        check(
            state == .completingRebalance || members.values.allSatisfy { $0.syncWaiter == nil },
            "a sync waits in state \(state)")
        if state == .stable || state == .completingRebalance {
            check(protocolName != nil, "no protocol in state \(state)")
            check(
                members.values.allSatisfy { member in member.protocols.contains { $0.name == protocolName } },
                "a member does not know the chosen protocol")
        }
        if state == .completingRebalance || state == .stable {
            check(pendingSync.isEmpty || syncDeadline != nil, "nobody waits for the missing syncs")
        }
        let deadlines =
            members.values.compactMap(\.deadline) + pendingMembers.values
            + [joinPhase?.deadline, syncDeadline].compactMap { $0 }
        check(
            deadlines.allSatisfy { (wakeAt ?? .max) <= $0 }, "a deadline before the next wake-up")
        return broken
    }
}
