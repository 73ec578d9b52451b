import Testing
import WeirModel

@testable import WeirConnection

@Suite("A group member's life")
struct GroupMachineTests {
    private func partitions(_ indices: Int32...) -> [TopicPartition] {
        indices.map { TopicPartition("t", PartitionIndex($0)) }
    }

    private func machine(_ assignors: [Assignor] = [.range], instanceID: String? = nil) -> GroupMachine {
        var configuration = GroupMachine.Configuration(groupID: "g")
        configuration.assignors = assignors
        configuration.instanceID = instanceID
        configuration.heartbeatMs = 100
        configuration.sessionTimeoutMs = 1_000
        configuration.backoff = Backoff(initialMs: 10, maximumMs: 10)
        return GroupMachine(configuration: configuration, topics: ["t"])
    }

    private let random = FixedRandom(value: 2)

    /// Takes a member to where it has been given `owned`, as a follower.
    private func settle(_ machine: inout GroupMachine, _ owned: [TopicPartition], at now: Int64 = 0) {
        #expect(machine.poll(now: at(now)) == .findCoordinator)
        machine.found(coordinator: BrokerID(1))
        _ = machine.poll(now: at(now))
        join(&machine, owned, generation: 1, at: now)
        if !owned.isEmpty { #expect(machine.poll(now: at(now)) == .start(owned)) }
        #expect(machine.isStable && machine.owned == owned)
    }

    private func join(
        _ machine: inout GroupMachine, _ assignment: [TopicPartition], generation: Int32, at now: Int64,
        name: String = "range"
    ) {
        machine.joined(
            GroupMachine.Joined(
                error: .none, memberID: "me", generation: generation, protocolName: name, leader: "other"),
            now: at(now), random: random)
        #expect(
            machine.poll(now: at(now))
                == .sync(
                    GroupMachine.SyncPlan(memberID: "me", generation: generation, protocolName: name, assignments: [:]))
        )
        machine.synced(.none, assignment: assignment, now: at(now), random: random)
    }

    @Test("joins with the id it is given, leads, shares out, reads, heartbeats, leaves")
    func leader() {
        var machine = machine()
        #expect(machine.poll(now: at(0)) == .findCoordinator)
        #expect(machine.poll(now: at(0)) == nil)
        machine.found(coordinator: BrokerID(4))
        #expect(
            machine.poll(now: at(0))
                == .join(GroupMachine.JoinPlan(memberID: "", topics: ["t"], owned: [], generation: -1)))
        machine.joined(
            GroupMachine.Joined(error: .memberIDRequired, memberID: "me"), now: at(0), random: random)
        #expect(
            machine.poll(now: at(0))
                == .join(GroupMachine.JoinPlan(memberID: "me", topics: ["t"], owned: [], generation: -1)))
        machine.joined(
            GroupMachine.Joined(
                error: .none, memberID: "me", generation: 1, protocolName: "range", leader: "me",
                members: [
                    MemberSubscription(memberID: "me", topics: ["t"]),
                    MemberSubscription(memberID: "you", topics: ["t", "u"]),
                ]), now: at(0), random: random)
        #expect(machine.poll(now: at(0)) == .share(topics: ["t", "u"]))
        machine.counted(["t": 3, "u": 1, "other": 9])
        #expect(
            machine.poll(now: at(0))
                == .sync(
                    GroupMachine.SyncPlan(
                        memberID: "me", generation: 1, protocolName: "range",
                        assignments: [
                            "me": partitions(0, 1),
                            "you": partitions(2) + [TopicPartition("u", PartitionIndex(0))],
                        ])))
        machine.synced(.none, assignment: partitions(0, 1), now: at(0), random: random)
        #expect(machine.poll(now: at(0)) == .start(partitions(0, 1)))
        #expect(machine.poll(now: at(99)) == nil && machine.wakeAt == at(100))
        #expect(machine.poll(now: at(100)) == .heartbeat(memberID: "me", generation: 1))
        machine.heartbeatAnswered(.none, now: at(101), random: random)
        machine.metadataChanged(["t": 3, "u": 1])
        #expect(machine.poll(now: at(102)) == nil)
        machine.leave()
        #expect(machine.poll(now: at(103)) == .leave(memberID: "me"))
        machine.leftGroup()
        #expect(machine.poll(now: at(104)) == .done && machine.poll(now: at(105)) == nil)
    }

    @Test("eager: gives everything up before it joins again")
    func eager() {
        var machine = machine()
        settle(&machine, partitions(0, 1))
        _ = machine.poll(now: at(100))
        machine.heartbeatAnswered(.rebalanceInProgress, now: at(100), random: random)
        #expect(machine.poll(now: at(100)) == .revoke(partitions(0, 1)))
        // Heartbeats go on while the reader takes its time.
        #expect(machine.poll(now: at(200)) == .heartbeat(memberID: "me", generation: 1))
        machine.heartbeatAnswered(.rebalanceInProgress, now: at(200), random: random)
        machine.revoked()
        #expect(
            machine.poll(now: at(201))
                == .join(GroupMachine.JoinPlan(memberID: "me", topics: ["t"], owned: [], generation: 1)))
        join(&machine, partitions(1), generation: 2, at: 202)
        #expect(machine.poll(now: at(202)) == .start(partitions(1)))
    }

    @Test("cooperative: keeps reading what stays, gives up the rest, and joins again")
    func cooperative() {
        var machine = machine([.cooperativeSticky])
        settle(&machine, partitions(0, 1, 2))
        _ = machine.poll(now: at(100))
        machine.heartbeatAnswered(.rebalanceInProgress, now: at(100), random: random)
        #expect(
            machine.poll(now: at(100))
                == .join(
                    GroupMachine.JoinPlan(memberID: "me", topics: ["t"], owned: partitions(0, 1, 2), generation: 1)))
        join(&machine, partitions(0, 3), generation: 2, at: 101, name: "cooperative-sticky")
        #expect(machine.poll(now: at(101)) == .start(partitions(3)))
        #expect(machine.poll(now: at(101)) == .revoke(partitions(1, 2)))
        machine.revoked()
        #expect(machine.owned == partitions(0, 3))
        #expect(
            machine.poll(now: at(102))
                == .join(GroupMachine.JoinPlan(memberID: "me", topics: ["t"], owned: partitions(0, 3), generation: 2)))
    }

    @Test("a member that the coordinator forgot loses its partitions and starts over")
    func forgotten() {
        var machine = machine()
        settle(&machine, partitions(0))
        _ = machine.poll(now: at(100))
        machine.heartbeatAnswered(.unknownMemberID, now: at(100), random: random)
        #expect(machine.poll(now: at(100)) == .lose(partitions(0)))
        #expect(
            machine.poll(now: at(100))
                == .join(GroupMachine.JoinPlan(memberID: "", topics: ["t"], owned: [], generation: -1)))
    }

    @Test("without answers for a session it takes itself for lost, not before")
    func sessionTimeout() {
        var machine = machine()
        settle(&machine, partitions(0))
        #expect(machine.poll(now: at(100)) == .heartbeat(memberID: "me", generation: 1))
        machine.connectionLost(now: at(150), random: random)
        #expect(machine.coordinatorLost && machine.isStable)
        machine.refound(coordinator: BrokerID(2))
        #expect(!machine.coordinatorLost && machine.owned == partitions(0))
        #expect(machine.poll(now: at(999)) == .heartbeat(memberID: "me", generation: 1))
        machine.connectionLost(now: at(999), random: random)
        #expect(machine.poll(now: at(1_000)) == .lose(partitions(0)))
        #expect(machine.poll(now: at(1_000)) == .findCoordinator)
    }

    @Test("a static member leaves without a word, so that it can come back")
    func staticMember() {
        var machine = machine(instanceID: "i")
        settle(&machine, partitions(0))
        machine.leave()
        #expect(machine.poll(now: at(1)) == .done)
    }

    @Test("a fenced member is told, and does not come back by itself")
    func fenced() {
        var machine = machine(instanceID: "i")
        settle(&machine, partitions(0))
        _ = machine.poll(now: at(100))
        machine.heartbeatAnswered(.fencedInstanceID, now: at(100), random: random)
        #expect(machine.poll(now: at(100)) == .lose(partitions(0)))
        #expect(machine.poll(now: at(100)) == .fail(.fencedInstanceID))
        #expect(machine.poll(now: at(10_000)) == nil)
    }

    @Test("a coordinator that is loading or has moved is tried again")
    func coordinatorTrouble() {
        var machine = machine()
        #expect(machine.poll(now: at(0)) == .findCoordinator)
        machine.coordinatorNotFound(.coordinatorNotAvailable, now: at(0), random: random)
        #expect(machine.poll(now: at(1)) == nil)
        #expect(machine.poll(now: at(20)) == .findCoordinator)
        machine.found(coordinator: BrokerID(1))
        _ = machine.poll(now: at(20))
        machine.joined(
            GroupMachine.Joined(error: .coordinatorLoadInProgress, memberID: ""), now: at(20), random: random)
        guard case .join = machine.poll(now: at(40)) else {
            Issue.record("it does not join the same coordinator again")
            return
        }
        machine.joined(GroupMachine.Joined(error: .notCoordinator, memberID: ""), now: at(40), random: random)
        #expect(machine.poll(now: at(60)) == .findCoordinator)
    }

    @Test("a leader asks for a rebalance when its topics grow; a follower leaves that to it")
    func growth() {
        var follower = machine()
        settle(&follower, partitions(0))
        follower.metadataChanged(["t": 99])
        #expect(follower.poll(now: at(1)) == nil)
        var leader = machine()
        _ = leader.poll(now: at(0))
        leader.found(coordinator: BrokerID(1))
        _ = leader.poll(now: at(0))
        leader.joined(
            GroupMachine.Joined(
                error: .none, memberID: "me", generation: 1, protocolName: "range", leader: "me",
                members: [MemberSubscription(memberID: "me", topics: ["t"])]), now: at(0), random: random)
        _ = leader.poll(now: at(0))
        leader.counted(["t": 1])
        _ = leader.poll(now: at(0))
        leader.synced(.none, assignment: partitions(0), now: at(0), random: random)
        _ = leader.poll(now: at(0))
        leader.metadataChanged(["t": 2])
        #expect(leader.poll(now: at(1)) == .revoke(partitions(0)))
    }

    @Test("leaving does not wait for a join that waits for others")
    func leaveWhileJoining() {
        var machine = machine()
        _ = machine.poll(now: at(0))
        machine.found(coordinator: BrokerID(1))
        _ = machine.poll(now: at(0))
        machine.joined(GroupMachine.Joined(error: .memberIDRequired, memberID: "me"), now: at(0), random: random)
        guard case .join = machine.poll(now: at(0)) else {
            Issue.record("it does not join")
            return
        }
        machine.leave()
        #expect(machine.poll(now: at(1)) == .leave(memberID: "me"))
    }
}
