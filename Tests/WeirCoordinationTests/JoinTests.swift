import Testing
import WeirCoordination
import WeirModel

@Suite("Joining")
struct JoinTests {
    @Test("one member: join, sync, heartbeat")
    func oneMember() throws {
        var scene = Scene()
        #expect(
            scene.join(1, fresh: "a") == [.answerJoin(WaiterID(1), joined("a", 1, leader: "a", members: [member("a")]))]
        )
        #expect(scene.group.state == .completingRebalance)
        let actions = scene.sync(2, "a", generation: 1, assignments: ["a": [7]])
        guard case .store(_, let snapshot) = try #require(actions.first) else {
            Issue.record("expected a store, not \(actions)")
            return
        }
        #expect(actions.count == 1)
        #expect(snapshot.members.map(\.assignment) == [[7]])
        #expect(snapshot.generation == 1 && snapshot.leader == "a" && snapshot.protocolName == "range")
        #expect(scene.written(actions) == [.answerSync(WaiterID(2), assigned([7]))])
        #expect(scene.group.state == .stable)
        #expect(scene.heartbeat("a", generation: 1) == .none)
        #expect(scene.heartbeat("a", generation: 0) == .illegalGeneration)
        #expect(scene.heartbeat("x", generation: 1) == .unknownMemberID)
    }

    @Test("v4 sends a member away to come back with its id, for as long as a session")
    func memberIDRequired() {
        var scene = Scene()
        #expect(
            scene.join(1, fresh: "a", version: 4) == [
                .answerJoin(WaiterID(1), .refused(.memberIDRequired, memberID: "a"))
            ])
        #expect(scene.group.state == .empty && scene.group.pendingMemberCount == 1)
        #expect(
            scene.join(2, "a", version: 4)
                == [.answerJoin(WaiterID(2), joined("a", 1, leader: "a", members: [member("a")]))])
        #expect(scene.group.pendingMemberCount == 0)
        _ = scene.join(3, fresh: "late", session: 6_000, version: 4)
        _ = scene.pass(6_000)
        #expect(
            scene.join(4, "late", version: 4) == [
                .answerJoin(WaiterID(4), .refused(.unknownMemberID, memberID: "late"))
            ])
    }

    @Test("a second member: the first hears of it by heartbeat, both join, only the leader gets the members")
    func secondMember() {
        var scene = Scene()
        _ = scene.join(1, fresh: "a")
        _ = scene.written(scene.sync(2, "a", generation: 1, assignments: ["a": [1]]))
        #expect(scene.join(3, fresh: "b") == [])
        #expect(scene.group.state == .preparingRebalance)
        #expect(scene.heartbeat("a", generation: 1) == .rebalanceInProgress)
        #expect(
            scene.join(4, "a") == [
                .answerJoin(WaiterID(4), joined("a", 2, leader: "a", members: [member("a"), member("b")])),
                .answerJoin(WaiterID(3), joined("b", 2, leader: "a")),
            ])
        #expect(scene.sync(5, "b", generation: 2) == [])
        let stored = scene.sync(6, "a", generation: 2, assignments: ["b": [2], "stranger": [9]])
        #expect(
            scene.written(stored)
                == [.answerSync(WaiterID(6), assigned([])), .answerSync(WaiterID(5), assigned([2]))])
    }

    @Test("the initial delay gathers members, and lasts longer while they come")
    func initialDelay() {
        var scene = Scene(delay: 3_000)
        #expect(scene.join(1, fresh: "a") == [])
        #expect(scene.pass(2_000) == [])
        #expect(scene.join(2, fresh: "b") == [])
        #expect(scene.pass(3_999) == [])
        #expect(
            scene.pass(1) == [
                .answerJoin(WaiterID(1), joined("a", 1, leader: "a", members: [member("a"), member("b")])),
                .answerJoin(WaiterID(2), joined("b", 1, leader: "a")),
            ])
    }

    @Test("the protocol that all have and most like best wins")
    func votes() {
        var scene = Scene(delay: 100)
        _ = scene.join(1, fresh: "a", protocols: [("range", [1]), ("sticky", [2]), ("own", [3])])
        _ = scene.join(2, fresh: "b", protocols: [("sticky", [4]), ("range", [5])])
        _ = scene.join(3, fresh: "c", protocols: [("sticky", [6]), ("range", [7])])
        #expect(
            scene.pass(200) == [
                .answerJoin(
                    WaiterID(1),
                    joined(
                        "a", 1, leader: "a", members: [member("a", [2]), member("b", [4]), member("c", [6])],
                        name: "sticky")),
                .answerJoin(WaiterID(2), joined("b", 1, leader: "a", name: "sticky")),
                .answerJoin(WaiterID(3), joined("c", 1, leader: "a", name: "sticky")),
            ])
    }

    @Test(
        "protocols that do not fit are refused",
        arguments: [
            ("consumer", [("own", [UInt8(1)])]), ("connect", [("range", [1])]), ("consumer", []),
        ])
    func inconsistent(type: String, protocols: [(String, [UInt8])]) {
        var scene = Scene.twoStable()
        #expect(
            scene.join(9, fresh: "c", protocols: protocols, type: type)
                == [.answerJoin(WaiterID(9), .refused(.inconsistentGroupProtocol, memberID: ""))])
        #expect(scene.group.state == .stable)
    }

    @Test("session timeouts have bounds", arguments: [0, 5_999, 1_800_001, -1, Int32.min, Int32.max])
    func sessionBounds(timeout: Int32) {
        var scene = Scene()
        #expect(
            scene.join(1, fresh: "a", session: timeout)
                == [.answerJoin(WaiterID(1), .refused(.invalidSessionTimeout, memberID: ""))])
    }

    @Test("a full group takes nobody in, and keeps its members")
    func maxSize() {
        var scene = Scene(maxSize: 1)
        _ = scene.join(1, fresh: "a")
        _ = scene.written(scene.sync(2, "a", generation: 1))
        #expect(scene.join(3, fresh: "b") == [.answerJoin(WaiterID(3), .refused(.groupMaxSizeReached, memberID: ""))])
        #expect(
            scene.join(4, "a") == [.answerJoin(WaiterID(4), joined("a", 2, leader: "a", members: [member("a")]))])
    }

    @Test("a follower that joins again unchanged gets the current generation; the leader starts a rebalance")
    func rejoin() {
        var scene = Scene.twoStable()
        #expect(scene.join(9, "b") == [.answerJoin(WaiterID(9), joined("b", 2, leader: "a"))])
        #expect(scene.group.state == .stable)
        #expect(scene.join(10, "a") == [])
        #expect(scene.group.state == .preparingRebalance)
    }

    @Test("a member that missed its answer asks again before the assignment")
    func rejoinWhileCompleting() {
        var scene = Scene()
        _ = scene.join(1, fresh: "a")
        #expect(
            scene.join(2, "a") == [.answerJoin(WaiterID(2), joined("a", 1, leader: "a", members: [member("a")]))])
        // With other metadata it is a rebalance.
        #expect(
            scene.join(3, "a", protocols: [("range", [9])])
                == [.answerJoin(WaiterID(3), joined("a", 2, leader: "a", members: [member("a", [9])]))])
    }

    @Test("the same member asks twice: the older request is answered too")
    func twoRequests() {
        var scene = Scene.twoStable()
        _ = scene.join(9, "a")
        #expect(scene.join(10, "a") == [.answerJoin(WaiterID(9), .refused(.rebalanceInProgress, memberID: "a"))])
    }

    @Test("a cooperative rebalance: two rounds, revoked then assigned")
    func cooperative() {
        var scene = Scene()
        let coop: [(String, [UInt8])] = [("cooperative-sticky", [0])]
        let name = "cooperative-sticky"
        _ = scene.join(1, fresh: "a", protocols: coop)
        _ = scene.written(scene.sync(2, "a", generation: 1, assignments: ["a": [0, 1]]))
        // b joins; a keeps consuming, commits, and is told by heartbeat.
        #expect(scene.join(3, fresh: "b", protocols: coop) == [])
        #expect(scene.heartbeat("a", generation: 1) == .rebalanceInProgress)
        #expect(scene.commit("a", generation: 1) == .none)
        let owned: [(String, [UInt8])] = [("cooperative-sticky", [0, 1])]
        _ = scene.join(4, "a", protocols: owned)
        #expect(scene.group.generation == 2)
        _ = scene.sync(5, "b", generation: 2)
        #expect(
            scene.written(scene.sync(6, "a", generation: 2, assignments: ["a": [0], "b": []])) == [
                .answerSync(WaiterID(6), assigned([0], name: name)), .answerSync(WaiterID(5), assigned([], name: name)),
            ])
        // a has given up partition 1 and joins at once for the second round.
        #expect(scene.join(7, "a", protocols: [("cooperative-sticky", [0])]) == [])
        #expect(scene.heartbeat("b", generation: 2) == .rebalanceInProgress)
        _ = scene.join(8, "b", protocols: coop)
        #expect(scene.group.generation == 3)
        _ = scene.sync(9, "b", generation: 3)
        #expect(
            scene.written(scene.sync(10, "a", generation: 3, assignments: ["a": [0], "b": [1]])) == [
                .answerSync(WaiterID(10), assigned([0], name: name)),
                .answerSync(WaiterID(9), assigned([1], name: name)),
            ])
    }
}
