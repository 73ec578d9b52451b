import Testing
import WeirCoordination
import WeirModel

/// A group with a clock of its own, and short ways to say what members do. Checks the invariants after every event.
struct Scene {
    var group: ClassicGroup
    var nowMs: Int64 = 0
    /// Wall time runs beside the monotonic one, from here.
    static let wallStart: Int64 = 1_700_000_000_000

    var now: Moment { Moment(monotonic: nowMs, wall: Self.wallStart + nowMs) }

    init(delay: Int64 = 0, maxSize: Int = 100) {
        group = ClassicGroup(
            id: "g", limits: GroupLimits(maxSize: maxSize, initialRebalanceDelayMs: delay),
            now: Moment(monotonic: 0, wall: Self.wallStart))
    }

    mutating func join(
        _ waiter: UInt64, _ memberID: String = "", fresh: String = "", instance: String? = nil,
        protocols: [(String, [UInt8])] = [("range", [1])], type: String = "consumer", session: Int32 = 10_000,
        rebalance: Int32 = 60_000, version: Int16 = 3, at: SourceLocation = #_sourceLocation
    ) -> [GroupAction] {
        let event = JoinEvent(
            memberID: memberID, instanceID: instance, freshMemberID: fresh, clientID: "client", clientHost: "/host",
            sessionTimeoutMs: session, rebalanceTimeoutMs: rebalance, protocolType: type,
            protocols: protocols.map { GroupProtocol(name: $0.0, metadata: $0.1) },
            requiresKnownMemberID: version >= 4, supportsSkippingAssignment: version >= 9)
        return checked(group.join(event, waiter: WaiterID(waiter), now: now), at)
    }

    mutating func sync(
        _ waiter: UInt64, _ memberID: String, generation: Int32, instance: String? = nil, type: String? = nil,
        name: String? = nil, assignments: [String: [UInt8]] = [:], at: SourceLocation = #_sourceLocation
    ) -> [GroupAction] {
        let event = SyncEvent(
            memberID: memberID, instanceID: instance, generation: generation, protocolType: type, protocolName: name,
            assignments: assignments)
        return checked(group.sync(event, waiter: WaiterID(waiter), now: now), at)
    }

    mutating func heartbeat(_ memberID: String, generation: Int32, instance: String? = nil) -> ErrorCode {
        group.heartbeat(memberID: memberID, instanceID: instance, generation: generation, now: now)
    }

    mutating func commit(_ memberID: String, generation: Int32, instance: String? = nil) -> ErrorCode {
        group.admitCommit(memberID: memberID, instanceID: instance, generation: generation, now: now)
    }

    mutating func leave(
        _ members: LeavingMember..., at: SourceLocation = #_sourceLocation
    ) -> (outcomes: [ErrorCode], actions: [GroupAction]) {
        let result = group.leave(members, now: now)
        return (result.outcomes, checked(result.actions, at))
    }

    /// Reports the stores among the actions as written, and gives what follows.
    mutating func written(
        _ actions: [GroupAction], _ error: ErrorCode = .none, at: SourceLocation = #_sourceLocation
    ) -> [GroupAction] {
        var next: [GroupAction] = []
        for case .store(let ticket, _) in actions {
            next += checked(group.stored(ticket, error: error, now: now), at)
        }
        return next
    }

    /// Lets time pass, waking the group whenever it wants to be woken.
    mutating func pass(_ milliseconds: Int64, at: SourceLocation = #_sourceLocation) -> [GroupAction] {
        let end = nowMs + milliseconds
        var actions: [GroupAction] = []
        while let due = group.wakeAt, due <= end {
            nowMs = max(nowMs, due)
            actions += checked(group.tick(now), at)
            if let next = group.wakeAt, next <= due {
                Issue.record("the group wants to be woken at \(next) again", sourceLocation: at)
                break
            }
        }
        nowMs = end
        return actions
    }

    private func checked(_ actions: [GroupAction], _ at: SourceLocation) -> [GroupAction] {
        #expect(group.brokenInvariants == [], sourceLocation: at)
        return actions
    }

    // MARK: Beginnings

    /// Two members `a` (the leader) and `b`, stable in generation 2.
    static func twoStable(instances: (String?, String?) = (nil, nil)) -> Scene {
        var scene = Scene()
        _ = scene.join(1, fresh: "a", instance: instances.0)
        _ = scene.join(2, fresh: "b", instance: instances.1)
        _ = scene.join(3, "a", instance: instances.0)
        let stored = scene.sync(4, "a", generation: 2, assignments: ["a": [0xA], "b": [0xB]])
        _ = scene.written(stored)
        _ = scene.sync(5, "b", generation: 2)
        return scene
    }
}

func joined(
    _ memberID: String, _ generation: Int32, leader: String, members: [JoinedMember] = [], skip: Bool = false,
    name: String = "range"
) -> JoinOutcome {
    .joined(
        JoinedGroup(
            memberID: memberID, generation: generation, protocolType: "consumer", protocolName: name, leader: leader,
            members: members, skipAssignment: skip))
}

func member(_ id: String, _ metadata: [UInt8] = [1], instance: String? = nil) -> JoinedMember {
    JoinedMember(memberID: id, instanceID: instance, metadata: metadata)
}

func assigned(_ bytes: [UInt8], name: String = "range") -> SyncOutcome {
    .assigned(bytes, protocolType: "consumer", protocolName: name)
}
