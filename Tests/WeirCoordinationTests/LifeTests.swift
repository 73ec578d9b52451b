import Testing
import WeirCoordination
import WeirModel

@Suite("Expiry, leaving, syncing, committing")
struct LifeTests {
    @Test("a silent member is expired; its heartbeats would have kept it")
    func expiry() {
        var scene = Scene.twoStable()
        _ = scene.pass(9_000)
        #expect(scene.heartbeat("a", generation: 2) == .none)
        _ = scene.pass(999)
        #expect(scene.group.hasMember("b"))
        _ = scene.pass(1)
        #expect(!scene.group.hasMember("b") && scene.group.hasMember("a"))
        #expect(scene.group.state == .preparingRebalance)
        #expect(scene.heartbeat("a", generation: 2) == .rebalanceInProgress)
    }

    @Test("all members silent: the group empties and its generation grows")
    func allExpire() {
        var scene = Scene.twoStable()
        let actions = scene.pass(10_000)
        #expect(scene.group.state == .empty && scene.group.generation == 3 && scene.group.leader == nil)
        guard case .store(_, let snapshot)? = actions.last else {
            Issue.record("expected a store, not \(actions)")
            return
        }
        #expect(snapshot.members == [] && snapshot.generation == 3 && snapshot.protocolName == nil)
        #expect(snapshot.stateTimestamp == Scene.wallStart + 10_000)
        #expect(scene.group.wakeAt == nil)
    }

    @Test("the leader dies during a rebalance: another member leads")
    func leaderDies() {
        var scene = Scene.twoStable()
        _ = scene.join(9, fresh: "c")
        #expect(scene.join(10, "b") == [])
        let actions = scene.pass(10_000)
        #expect(!scene.group.hasMember("a"))
        #expect(
            actions == [
                .answerJoin(WaiterID(10), joined("b", 3, leader: "b", members: [member("b"), member("c")])),
                .answerJoin(WaiterID(9), joined("c", 3, leader: "b")),
            ])
    }

    @Test("the leader dies before it has assigned: the waiting sync starts over")
    func leaderDiesCompleting() {
        var scene = Scene()
        _ = scene.join(1, fresh: "a")
        _ = scene.join(2, fresh: "b")
        _ = scene.join(3, "a")
        _ = scene.sync(4, "b", generation: 2)
        #expect(scene.pass(10_000) == [.answerSync(WaiterID(4), .refused(.rebalanceInProgress))])
        #expect(scene.group.state == .preparingRebalance && scene.group.leader == "b")
        #expect(
            scene.join(5, "b") == [.answerJoin(WaiterID(5), joined("b", 3, leader: "b", members: [member("b")]))])
    }

    @Test("members that join but never sync are out after the rebalance timeout, though they heartbeat")
    func neverSyncs() {
        var scene = Scene()
        _ = scene.join(1, fresh: "a", rebalance: 15_000)
        _ = scene.join(2, fresh: "b", rebalance: 15_000)
        _ = scene.join(3, "a", rebalance: 15_000)
        _ = scene.written(scene.sync(4, "a", generation: 2))
        for _ in 0..<3 {
            _ = scene.pass(4_900)
            _ = scene.heartbeat("a", generation: 2)
            _ = scene.heartbeat("b", generation: 2)
        }
        #expect(scene.group.hasMember("b"))
        _ = scene.pass(300)
        #expect(!scene.group.hasMember("b") && scene.group.state == .preparingRebalance)
    }

    @Test("a new member whose client gave up is dropped after five minutes")
    func defunctNewMember() {
        var scene = Scene(delay: 0)
        _ = scene.join(1, fresh: "a", session: 1_000_000, rebalance: 1_000_000)
        _ = scene.written(scene.sync(2, "a", generation: 1))
        _ = scene.join(3, fresh: "b")
        for _ in 0..<299 {
            _ = scene.pass(1_000)
            _ = scene.heartbeat("a", generation: 1)
        }
        #expect(scene.group.hasMember("b"))
        #expect(scene.pass(1_000) == [.answerJoin(WaiterID(3), .refused(.unknownMemberID, memberID: ""))])
        #expect(!scene.group.hasMember("b"))
    }

    @Test("a member that waits for others is not expired")
    func waitingIsAlive() {
        var scene = Scene.twoStable()
        _ = scene.join(9, "a")
        for _ in 0..<10 {
            _ = scene.pass(5_000)
            _ = scene.heartbeat("b", generation: 2)
        }
        #expect(scene.group.hasMember("a"))
        // Until the rebalance timeout, when b is out.
        #expect(
            scene.pass(10_000) == [.answerJoin(WaiterID(9), joined("a", 3, leader: "a", members: [member("a")]))])
    }

    @Test("a sync of a member that is removed meanwhile is answered")
    func syncOfDeadMember() {
        var scene = Scene()
        _ = scene.join(1, fresh: "a")
        _ = scene.join(2, fresh: "b")
        _ = scene.join(3, "a")
        _ = scene.sync(4, "b", generation: 2)
        let (outcomes, actions) = scene.leave(LeavingMember(memberID: "b"))
        #expect(outcomes == [.none])
        #expect(actions == [.answerSync(WaiterID(4), .refused(.unknownMemberID))])
        #expect(scene.sync(5, "b", generation: 2) == [.answerSync(WaiterID(5), .refused(.unknownMemberID))])
    }

    @Test("what a sync must match")
    func syncChecks() {
        var scene = Scene.twoStable()
        func refused(_ code: ErrorCode) -> [GroupAction] { [.answerSync(WaiterID(9), .refused(code))] }
        #expect(scene.sync(9, "x", generation: 2) == refused(.unknownMemberID))
        #expect(scene.sync(9, "a", generation: 1) == refused(.illegalGeneration))
        #expect(scene.sync(9, "a", generation: 2, type: "connect") == refused(.inconsistentGroupProtocol))
        #expect(scene.sync(9, "a", generation: 2, type: "consumer", name: "own") == refused(.inconsistentGroupProtocol))
        #expect(
            scene.sync(9, "a", generation: 2, type: "consumer", name: "range")
                == [.answerSync(WaiterID(9), assigned([0xA]))])
        _ = scene.join(10, "a")
        #expect(scene.sync(9, "b", generation: 2) == refused(.rebalanceInProgress))
    }

    @Test("an assignment that cannot be stored is nobody's")
    func storeFails() {
        var scene = Scene()
        _ = scene.join(1, fresh: "a")
        let actions = scene.sync(2, "a", generation: 1, assignments: ["a": [1]])
        #expect(
            scene.written(actions, .coordinatorNotAvailable)
                == [.answerSync(WaiterID(2), .refused(.coordinatorNotAvailable))])
        #expect(scene.group.state == .preparingRebalance)
        #expect(scene.group.summary.members.map(\.assignment) == [[]])
    }

    @Test("an assignment that is stored too late is not put in force")
    func storeTooLate() {
        var scene = Scene()
        _ = scene.join(1, fresh: "a")
        let stored = scene.sync(2, "a", generation: 1, assignments: ["a": [1]])
        #expect(scene.join(3, fresh: "b") == [.answerSync(WaiterID(2), .refused(.rebalanceInProgress))])
        _ = scene.join(4, "a")
        #expect(scene.group.generation == 2)
        #expect(scene.written(stored) == [])
        #expect(scene.group.state == .completingRebalance)
    }

    @Test("leaving ends the wait of the others; the last to leave empties the group")
    func leaving() {
        var scene = Scene.twoStable()
        _ = scene.join(9, "a")
        let (outcomes, actions) = scene.leave(LeavingMember(memberID: "b"))
        #expect(outcomes == [.none])
        #expect(
            actions == [.answerJoin(WaiterID(9), joined("a", 3, leader: "a", members: [member("a")]))])
        _ = scene.leave(LeavingMember(memberID: "a"))
        #expect(scene.group.state == .empty)
    }

    @Test("a pending member may leave, and no rebalance waits for it any more")
    func pendingLeaves() {
        var scene = Scene.twoStable()
        _ = scene.join(8, fresh: "p", version: 4)
        _ = scene.join(9, "a")
        #expect(scene.join(10, "b") == [])
        let (outcomes, actions) = scene.leave(LeavingMember(memberID: "p"))
        #expect(outcomes == [.none])
        #expect(actions.count == 2 && scene.group.generation == 3)
    }

    @Test("who may commit")
    func commits() {
        var scene = Scene()
        #expect(scene.commit("", generation: -1) == .none)
        #expect(scene.commit("a", generation: 0) == .unknownMemberID)
        _ = scene.join(1, fresh: "a")
        #expect(scene.commit("a", generation: 1) == .rebalanceInProgress)
        _ = scene.written(scene.sync(2, "a", generation: 1))
        #expect(scene.commit("a", generation: 1) == .none)
        #expect(scene.commit("a", generation: 0) == .illegalGeneration)
        #expect(scene.commit("b", generation: 1) == .unknownMemberID)
        #expect(scene.commit("", generation: -1) == .unknownMemberID)
        _ = scene.join(3, fresh: "b")
        #expect(scene.commit("a", generation: 1) == .none)
    }

    @Test("a commit counts as a heartbeat")
    func commitExtends() {
        var scene = Scene.twoStable()
        _ = scene.pass(9_000)
        #expect(scene.commit("a", generation: 2) == .none)
        _ = scene.pass(9_000)
        #expect(scene.group.memberIDs == ["a"])
    }

    @Test("a dead group answers whoever waits, and nothing else is possible")
    func death() {
        var scene = Scene.twoStable()
        _ = scene.join(9, "a")
        #expect(
            scene.group.die(.notCoordinator, now: scene.now) == [
                .answerJoin(WaiterID(9), .refused(.notCoordinator, memberID: "a"))
            ])
        #expect(scene.heartbeat("b", generation: 2) == .coordinatorNotAvailable)
        #expect(scene.commit("", generation: -1) == .coordinatorNotAvailable)
        #expect(
            scene.join(10, fresh: "c") == [.answerJoin(WaiterID(10), .refused(.coordinatorNotAvailable, memberID: ""))])
        #expect(scene.leave(LeavingMember(memberID: "b")).outcomes == [.coordinatorNotAvailable])
    }

    @Test("restored from what was stored, members go on with ids, generation and assignments")
    func restore() {
        let scene = Scene.twoStable(instances: ("i1", nil))
        let snapshot = scene.group.snapshot()
        var restored = Scene()
        restored.nowMs = 5_000
        restored.group = ClassicGroup(id: "g", restoring: snapshot, limits: scene.group.limits, now: restored.now)
        #expect(restored.group.resume(restored.now) == [])
        #expect(restored.group.snapshot() == snapshot)
        #expect(restored.group.brokenInvariants == [])
        #expect(restored.heartbeat("b", generation: 2) == .none)
        #expect(restored.sync(1, "a", generation: 2, instance: "i1") == [.answerSync(WaiterID(1), assigned([0xA]))])
        _ = restored.pass(10_000)
        #expect(restored.group.state == .empty)
    }

    @Test("a restored group that is too large now rebalances and turns the last away")
    func restoreTooLarge() {
        let snapshot = Scene.twoStable().group.snapshot()
        var scene = Scene(maxSize: 1)
        scene.group = ClassicGroup(id: "g", restoring: snapshot, limits: scene.group.limits, now: scene.now)
        #expect(scene.group.resume(scene.now) == [])
        #expect(scene.group.state == .preparingRebalance)
        #expect(scene.join(1, "b") == [])
        #expect(
            scene.join(2, "a") == [
                .answerJoin(WaiterID(2), .refused(.groupMaxSizeReached, memberID: "")),
                .answerJoin(WaiterID(1), joined("b", 3, leader: "b", members: [member("b")])),
            ])
    }

    @Test("subscriptions are read from the members' metadata")
    func subscriptions() {
        var scene = Scene()
        let orders: [UInt8] = [0, 1, 0, 0, 0, 1, 0, 6] + Array("orders".utf8) + [0, 0, 0, 0]
        _ = scene.join(1, fresh: "a", protocols: [("range", orders)])
        #expect(scene.group.isSubscribed(to: "orders"))
        #expect(!scene.group.isSubscribed(to: "other"))
        for cut in 0..<(orders.count - 4) {
            #expect(ConsumerSubscription.topics(in: Array(orders.prefix(cut))) == nil, "\(cut) bytes")
        }
        #expect(ConsumerSubscription.topics(in: [0, 0, 0xFF, 0xFF, 0xFF, 0xFF]) == nil)
        #expect(Scene.twoStable().group.isSubscribed(to: "anything"))
    }
}
