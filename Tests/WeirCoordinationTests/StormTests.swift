import Testing
import WeirCoordination
import WeirModel

/// 200 members that join, sync, heartbeat, leave, fall silent and come back as they like, over a log that sometimes fails.
///
/// After every event the invariants hold; every request gets exactly one answer; a generation has one leader, one protocol
/// and one assignment for each member, and never comes back.
@Suite("Storm")
struct StormTests {
    @Test("200 members at random", arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
    func storm(seed: UInt64) {
        var storm = Storm(seed: seed)
        for step in 0..<2_000 {
            storm.step()
            if !storm.problems.isEmpty {
                Issue.record("seed \(seed), step \(step): \(storm.problems)")
                return
            }
        }
        storm.calm()
        #expect(storm.problems == [], "seed \(seed)")
        #expect(storm.waiting.isEmpty, "seed \(seed): requests without an answer")
        #expect(storm.group.state == .empty, "seed \(seed)")
        #expect(storm.stableGenerations > 3, "seed \(seed): the storm was too calm to mean anything")
    }

    @Test("what was stored gives the same group back", arguments: [11, 12, 13] as [UInt64])
    func restore(seed: UInt64) {
        var storm = Storm(seed: seed)
        var compared = 0
        for _ in 0..<1_500 {
            storm.step()
            guard storm.group.state == .stable, storm.stores.isEmpty, let stored = storm.lastStored else { continue }
            let restored = ClassicGroup(id: "g", restoring: stored, limits: storm.group.limits, now: storm.now)
            #expect(restored.summary.members.map(\.memberID).sorted() == storm.group.memberIDs.sorted(), "seed \(seed)")
            #expect(restored.generation == storm.group.generation, "seed \(seed)")
            #expect(restored.leader == storm.group.leader, "seed \(seed)")
            #expect(restored.brokenInvariants == [], "seed \(seed)")
            compared += 1
        }
        #expect(compared > 0, "seed \(seed)")
    }
}

private struct Storm {
    struct Client {
        var instanceID: String?
        var memberID = ""
        var generation: Int32 = -1
        var isLeader = false
        var waiter: UInt64?
        var mustSync = false
        var silentUntil: Int64 = 0
    }

    var random: SplitMix
    var group: ClassicGroup
    var nowMs: Int64 = 0
    var steps = 0
    var clients: [Client]
    /// Waiter to client.
    var waiting: [UInt64: Int] = [:]
    var nextWaiter: UInt64 = 1
    var nextID = 1
    var stores: [(ticket: StoreTicket, snapshot: GroupSnapshot)] = []
    var lastStored: GroupSnapshot?
    var problems: [String] = []
    var leaders: [Int32: String] = [:]
    var lastGeneration: Int32 = 0
    var stableGenerations = 0

    var now: Moment { Moment(monotonic: nowMs, wall: nowMs) }

    init(seed: UInt64) {
        random = SplitMix(state: seed)
        group = ClassicGroup(
            id: "g", limits: GroupLimits(maxSize: 150, initialRebalanceDelayMs: 50), now: Moment(monotonic: 0, wall: 0))
        clients = (0..<200).map { Client(instanceID: $0 % 4 == 0 ? "instance-\($0)" : nil) }
    }

    /// Storms of 250 steps in turn with lulls of 50, in which everyone does its duty and the group comes to rest.
    mutating func step() {
        steps += 1
        if steps % 300 >= 250 { lull() } else { storm() }
        check()
    }

    mutating func storm() {
        nowMs += Int64(random.below(30))
        take(group.tick(now))
        if random.below(10) == 0 { writeOldest() } else { act(random.below(clients.count)) }
    }

    mutating func lull() {
        nowMs += 500
        take(group.tick(now))
        for index in clients.indices where clients[index].waiter == nil && nowMs >= clients[index].silentUntil {
            if clients[index].mustSync {
                sync(index)
            } else if !clients[index].memberID.isEmpty {
                heartbeat(index)
            }
        }
        while !stores.isEmpty { writeOldest() }
    }

    mutating func act(_ index: Int) {
        guard nowMs >= clients[index].silentUntil else { return }
        if clients[index].waiter != nil {
            // A client that loses patience tries again on another connection.
            if random.below(50) == 0 { join(index) }
            return
        }
        switch random.below(40) {
        case 0: clients[index].silentUntil = nowMs + 20_000
        case 1:
            let leaving = LeavingMember(memberID: clients[index].memberID, instanceID: clients[index].instanceID)
            let (outcomes, actions) = group.leave([leaving], now: now)
            if outcomes.count != 1 { problems.append("\(outcomes.count) outcomes for one") }
            take(actions)
            forget(index)
        case 2: forget(index)  // a restart
        case 3 where !clients[index].memberID.isEmpty: join(index)
        default:
            if clients[index].memberID.isEmpty {
                join(index)
            } else if clients[index].mustSync {
                sync(index)
            } else {
                heartbeat(index)
            }
        }
    }

    mutating func join(_ index: Int) {
        let client = clients[index]
        let waiter = wait(index)
        nextID += 1
        let event = JoinEvent(
            memberID: client.memberID, instanceID: client.instanceID, freshMemberID: "m\(nextID)", clientID: "c",
            clientHost: "/h", sessionTimeoutMs: 6_000 + Int32(random.below(4_000)),
            rebalanceTimeoutMs: 1_000 + Int32(random.below(5_000)), protocolType: "consumer",
            protocols: [
                GroupProtocol(name: "range", metadata: [UInt8(random.below(2))]),
                GroupProtocol(name: "sticky", metadata: [1]),
            ], requiresKnownMemberID: index % 2 == 0, supportsSkippingAssignment: index % 3 == 0)
        take(group.join(event, waiter: WaiterID(waiter), now: now))
    }

    mutating func sync(_ index: Int) {
        let client = clients[index]
        clients[index].mustSync = false
        let waiter = wait(index)
        var assignments: [String: [UInt8]] = [:]
        if client.isLeader {
            for id in group.memberIDs { assignments[id] = Self.assignment(id, client.generation) }
        }
        let event = SyncEvent(
            memberID: client.memberID, instanceID: client.instanceID, generation: client.generation,
            assignments: assignments)
        take(group.sync(event, waiter: WaiterID(waiter), now: now))
    }

    mutating func heartbeat(_ index: Int) {
        let client = clients[index]
        let code = group.heartbeat(
            memberID: client.memberID, instanceID: client.instanceID, generation: client.generation, now: now)
        switch code {
        case .none: break
        case .rebalanceInProgress: join(index)
        case .unknownMemberID, .illegalGeneration, .fencedInstanceID: forget(index)
        default: problems.append("a heartbeat got \(code)")
        }
    }

    mutating func writeOldest() {
        guard !stores.isEmpty else { return }
        let (ticket, snapshot) = stores.removeFirst()
        let error: ErrorCode = random.below(10) == 0 ? .coordinatorNotAvailable : .none
        if error == .none { lastStored = snapshot }
        take(group.stored(ticket, error: error, now: now))
    }

    mutating func wait(_ index: Int) -> UInt64 {
        let waiter = nextWaiter
        nextWaiter += 1
        waiting[waiter] = index
        clients[index].waiter = waiter
        return waiter
    }

    mutating func forget(_ index: Int) {
        clients[index] = Client(instanceID: clients[index].instanceID, waiter: clients[index].waiter)
    }

    static func assignment(_ memberID: String, _ generation: Int32) -> [UInt8] {
        Array("\(memberID)/\(generation)".utf8)
    }

    mutating func take(_ actions: [GroupAction]) {
        for action in actions {
            switch action {
            case .store(let ticket, let snapshot): stores.append((ticket, snapshot))
            case .answerJoin(let waiter, let outcome): joined(waiter.rawValue, outcome)
            case .answerSync(let waiter, let outcome): synced(waiter.rawValue, outcome)
            }
        }
    }

    /// The client that waits for the answer with its newest request; nil when it had given the request up.
    mutating func answered(_ waiter: UInt64) -> Int? {
        guard let index = waiting.removeValue(forKey: waiter) else {
            problems.append("request \(waiter) got a second answer")
            return nil
        }
        guard clients[index].waiter == waiter else { return nil }
        clients[index].waiter = nil
        return index
    }

    mutating func joined(_ waiter: UInt64, _ outcome: JoinOutcome) {
        guard let index = answered(waiter) else { return }
        switch outcome {
        case .joined(let answer):
            clients[index].memberID = answer.memberID
            clients[index].generation = answer.generation
            clients[index].isLeader = answer.leader == answer.memberID
            clients[index].mustSync = true
            if answer.generation < lastGeneration { problems.append("generation \(answer.generation) came back") }
            lastGeneration = max(lastGeneration, answer.generation)
            if !answer.members.isEmpty {
                if answer.leader != answer.memberID { problems.append("a follower got the members") }
                if Set(answer.members.map(\.memberID)).count != answer.members.count {
                    problems.append("a member twice")
                }
            }
        case .refused(.memberIDRequired, let memberID):
            clients[index].memberID = memberID
            clients[index].generation = -1
            join(index)
        case .refused(.rebalanceInProgress, _): break
        case .refused(let code, _):
            let expected: [ErrorCode] = [
                .unknownMemberID, .groupMaxSizeReached, .fencedInstanceID, .coordinatorNotAvailable,
            ]
            if !expected.contains(code) { problems.append("a join got \(code)") }
            forget(index)
        }
    }

    mutating func synced(_ waiter: UInt64, _ outcome: SyncOutcome) {
        guard let index = answered(waiter) else { return }
        switch outcome {
        case .assigned(let bytes, _, _):
            let client = clients[index]
            // Before a static member came back its assignment was its old id's.
            if client.instanceID == nil, !bytes.isEmpty, bytes != Self.assignment(client.memberID, client.generation) {
                problems.append("\(client.memberID) got \(String(decoding: bytes, as: UTF8.self))")
            }
        case .refused(.rebalanceInProgress), .refused(.coordinatorNotAvailable):
            clients[index].mustSync = false
        case .refused(let code):
            if ![.unknownMemberID, .illegalGeneration, .fencedInstanceID].contains(code) {
                problems.append("a sync got \(code)")
            }
            forget(index)
        }
    }

    mutating func check() {
        problems += group.brokenInvariants
        if group.state == .stable, leaders[group.generation] == nil, let leader = group.leader {
            leaders[group.generation] = leader
            stableGenerations += 1
        }
    }

    /// Nobody does anything any more: in the end the group is empty and every request answered.
    mutating func calm() {
        while !stores.isEmpty { writeOldest() }
        for _ in 0..<1_000 where group.wakeAt != nil {
            nowMs = max(nowMs, group.wakeAt ?? nowMs)
            for index in clients.indices where clients[index].waiter == nil { clients[index].silentUntil = .max }
            take(group.tick(now))
            while !stores.isEmpty { writeOldest() }
            check()
        }
    }
}

/// Steele, Lea and Flood's SplitMix64: the same numbers for the same seed, everywhere.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}
