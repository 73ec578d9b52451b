import Testing
import WeirCoordination
import WeirModel

@Suite("Static members")
struct StaticMemberTests {
    @Test("a restart takes the place over without a rebalance, once the new id is stored; the old id is fenced")
    func restart() {
        var scene = Scene.twoStable(instances: ("i1", "i2"))
        let actions = scene.join(9, fresh: "b2", instance: "i2", version: 5)
        guard case .store(_, let snapshot)? = actions.last else {
            Issue.record("expected a store, not \(actions)")
            return
        }
        #expect(Set(snapshot.members.map(\.memberID)) == ["a", "b2"])
        #expect(scene.group.state == .stable)
        #expect(scene.written(actions) == [.answerJoin(WaiterID(9), joined("b2", 2, leader: "a"))])
        #expect(scene.heartbeat("b", generation: 2, instance: "i2") == .fencedInstanceID)
        #expect(scene.heartbeat("b2", generation: 2, instance: "i2") == .none)
        #expect(scene.commit("b", generation: 2, instance: "i2") == .fencedInstanceID)
        #expect(scene.sync(10, "b2", generation: 2, instance: "i2") == [.answerSync(WaiterID(10), assigned([0xB]))])
    }

    @Test("a leader before v9 must not learn that it leads: it would assign")
    func leaderBefore9() {
        var scene = Scene.twoStable(instances: ("i1", "i2"))
        let actions = scene.join(9, fresh: "a2", instance: "i1", version: 8)
        #expect(scene.written(actions) == [.answerJoin(WaiterID(9), joined("a2", 2, leader: "a"))])
        #expect(scene.group.leader == "a2")
    }

    @Test("a leader from v9 on gets the members and skips the assignment")
    func leader9() {
        var scene = Scene.twoStable(instances: ("i1", "i2"))
        let actions = scene.join(9, fresh: "a2", instance: "i1", version: 9)
        #expect(
            scene.written(actions) == [
                .answerJoin(
                    WaiterID(9),
                    joined(
                        "a2", 2, leader: "a2",
                        members: [member("b", instance: "i2"), member("a2", instance: "i1")], skip: true))
            ])
    }

    @Test("when the new id cannot be stored, the old one stays")
    func storeFails() {
        var scene = Scene.twoStable(instances: ("i1", "i2"))
        let actions = scene.join(9, fresh: "b2", instance: "i2", version: 5)
        #expect(
            scene.written(actions, .coordinatorNotAvailable)
                == [.answerJoin(WaiterID(9), .refused(.coordinatorNotAvailable, memberID: ""))])
        #expect(scene.heartbeat("b", generation: 2, instance: "i2") == .none)
        #expect(!scene.group.hasMember("b2"))
    }

    @Test("two restarts at once: the first is fenced, the second answered")
    func twice() {
        var scene = Scene.twoStable(instances: ("i1", "i2"))
        let first = scene.join(9, fresh: "b2", instance: "i2", version: 5)
        let second = scene.join(10, fresh: "b3", instance: "i2", version: 5)
        #expect(second.first == .answerJoin(WaiterID(9), .refused(.fencedInstanceID, memberID: "b2")))
        #expect(scene.written(first) == [])
        #expect(scene.written(second) == [.answerJoin(WaiterID(10), joined("b3", 2, leader: "a"))])
    }

    @Test("a rebalance that begins before the new id is stored answers the member at its end")
    func rebalanceMeanwhile() {
        var scene = Scene.twoStable(instances: ("i1", "i2"))
        let stored = scene.join(9, fresh: "b2", instance: "i2", version: 5)
        #expect(scene.join(10, "a", instance: "i1").count == 2)
        #expect(scene.group.generation == 3)
        #expect(scene.written(stored) == [])
    }

    @Test("other protocols mean a rebalance")
    func otherProtocols() {
        var scene = Scene()
        _ = scene.join(1, fresh: "a", instance: "i", protocols: [("range", [1]), ("sticky", [1])])
        _ = scene.written(scene.sync(2, "a", generation: 1, instance: "i"))
        let answer = scene.join(
            3, fresh: "a2", instance: "i", protocols: [("sticky", [1]), ("range", [1])], version: 5)
        #expect(
            answer == [
                .answerJoin(
                    WaiterID(3), joined("a2", 2, leader: "a2", members: [member("a2", instance: "i")], name: "sticky"))
            ])
    }

    @Test("restarting before the assignment starts over, and fences a sync that waits")
    func whileCompleting() {
        var scene = Scene()
        _ = scene.join(1, fresh: "a", instance: "i1")
        _ = scene.join(2, fresh: "b", instance: "i2")
        _ = scene.join(3, "a", instance: "i1")
        _ = scene.sync(4, "b", generation: 2, instance: "i2")
        let actions = scene.join(5, fresh: "b2", instance: "i2")
        #expect(actions == [.answerSync(WaiterID(4), .refused(.fencedInstanceID))])
        #expect(scene.group.state == .preparingRebalance)
    }

    @Test("an instance id that is another's, and one that nobody has")
    func wrongInstance() {
        var scene = Scene.twoStable(instances: ("i1", "i2"))
        #expect(scene.heartbeat("a", generation: 2, instance: "i2") == .fencedInstanceID)
        #expect(scene.heartbeat("a", generation: 2, instance: "none") == .unknownMemberID)
        #expect(
            scene.join(9, "a", instance: "i2")
                == [.answerJoin(WaiterID(9), .refused(.fencedInstanceID, memberID: "a"))])
    }

    @Test("static members that are away stay in the group until their session ends")
    func awayDuringRebalance() {
        var scene = Scene.twoStable(instances: ("i1", "i2"))
        _ = scene.join(9, "a", instance: "i1", session: 100_000, rebalance: 5_000)
        let done = scene.pass(9_999)
        #expect(scene.group.memberIDs.contains("b"))
        #expect(done == [])
        // The rebalance timeout of b (60 s) is longer than its session: the session decides.
        let expired = scene.pass(1)
        #expect(
            expired == [
                .answerJoin(WaiterID(9), joined("a", 3, leader: "a", members: [member("a", instance: "i1")]))
            ])
        #expect(!scene.group.hasMember("b"))
    }

    @Test("an administrator removes a static member by its instance id alone")
    func removeByInstance() {
        var scene = Scene.twoStable(instances: ("i1", "i2"))
        let (outcomes, _) = scene.leave(
            LeavingMember(memberID: "", instanceID: "i2"), LeavingMember(memberID: "", instanceID: "none"),
            LeavingMember(memberID: "x", instanceID: "i1"), LeavingMember(memberID: ""))
        #expect(outcomes == [.none, .unknownMemberID, .fencedInstanceID, .unknownMemberID])
        #expect(scene.group.memberIDs == ["a"])
    }
}
