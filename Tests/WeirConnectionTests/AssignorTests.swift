import NIOCore
import Testing
import WeirModel
import WeirTesting

@testable import WeirConnection

@Suite("Sharing partitions out")
struct AssignorTests {
    private func partitions(_ topic: String, _ indices: Int32...) -> [TopicPartition] {
        indices.map { TopicPartition(topic, PartitionIndex($0)) }
    }

    private func member(_ id: String, _ topics: [String], owned: [TopicPartition] = [], generation: Int32 = -1)
        -> MemberSubscription
    {
        MemberSubscription(memberID: id, topics: topics, owned: owned, generation: generation)
    }

    @Test("range: the examples of Java's RangeAssignor")
    func range() {
        let members = [member("C0", ["t0", "t1"]), member("C1", ["t0", "t1"])]
        let result = Assignor.range.assign(members, partitionCounts: ["t0": 3, "t1": 3])
        #expect(result["C0"] == partitions("t0", 0, 1) + partitions("t1", 0, 1))
        #expect(result["C1"] == partitions("t0", 2) + partitions("t1", 2))
    }

    @Test("range: members with an instance id come first")
    func rangeInstances() {
        let members = [
            MemberSubscription(memberID: "a", topics: ["t"]),
            MemberSubscription(memberID: "z", instanceID: "i", topics: ["t"]),
        ]
        let result = Assignor.range.assign(members, partitionCounts: ["t": 3])
        #expect(result["z"] == partitions("t", 0, 1) && result["a"] == partitions("t", 2))
    }

    @Test("round robin: the examples of Java's RoundRobinAssignor")
    func roundRobin() {
        let equal = Assignor.roundRobin.assign(
            [member("C0", ["t0", "t1"]), member("C1", ["t0", "t1"])], partitionCounts: ["t0": 3, "t1": 3])
        #expect(equal["C0"] == partitions("t0", 0, 2) + partitions("t1", 1))
        #expect(equal["C1"] == partitions("t0", 1) + partitions("t1", 0, 2))
        let different = Assignor.roundRobin.assign(
            [member("C0", ["t0"]), member("C1", ["t0", "t1"]), member("C2", ["t0", "t1", "t2"])],
            partitionCounts: ["t0": 1, "t1": 2, "t2": 3])
        #expect(different["C0"] == partitions("t0", 0))
        #expect(different["C1"] == partitions("t1", 0))
        #expect(different["C2"] == partitions("t1", 1) + partitions("t2", 0, 1, 2))
    }

    @Test("cooperative: a partition that moves is withheld until its owner has given it up")
    func cooperative() {
        let owned = partitions("t", 0, 1, 2, 3)
        let members = [member("a", ["t"], owned: owned, generation: 1), member("b", ["t"])]
        let first = Assignor.cooperativeSticky.assign(members, partitionCounts: ["t": 4])
        #expect(first["a"] == partitions("t", 0, 1) && first["b"] == [])
        let second = Assignor.cooperativeSticky.assign(
            [member("a", ["t"], owned: partitions("t", 0, 1), generation: 2), member("b", ["t"], generation: 2)],
            partitionCounts: ["t": 4])
        #expect(second["a"] == partitions("t", 0, 1) && second["b"] == partitions("t", 2, 3))
    }

    @Test("sticky: of two claims the younger generation counts")
    func claims() {
        let members = [
            member("a", ["t"], owned: partitions("t", 0, 1), generation: 4),
            member("b", ["t"], owned: partitions("t", 0, 1), generation: 5),
        ]
        let result = Assignor.sticky.assign(members, partitionCounts: ["t": 2])
        #expect(result["a"]?.count == 1 && result["b"]?.count == 1)
        let three = Assignor.sticky.assign(members, partitionCounts: ["t": 4])
        #expect(three["b"] == partitions("t", 0, 1))
    }

    @Test(
        "every partition goes to exactly one member that wants it, evenly",
        arguments: Assignor.allCases, 0..<25 as Range<UInt64>)
    func properties(assignor: Assignor, seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var counts: [String: Int] = [:]
        for topic in 0..<Int.random(in: 1...4, using: &random) {
            counts["t\(topic)"] = Int.random(in: 0...9, using: &random)
        }
        let isUniform = random.oneIn(2)
        var previous: [String: [TopicPartition]] = [:]
        for generation in 1...4 as ClosedRange<Int32> {
            let members = (0..<Int.random(in: 1...6, using: &random)).map { index in
                let wanted = counts.keys.sorted().filter { _ in isUniform || random.oneIn(2) }
                return member("m\(index)", wanted, owned: previous["m\(index)"] ?? [], generation: generation - 1)
            }
            var result = assignor.assign(members, partitionCounts: counts)
            if assignor == .cooperativeSticky { result = settle(members, result, counts, seed: seed) }
            check(result, members, counts, assignor, isUniform: isUniform, seed: seed)
            previous = result
        }
    }

    /// Goes through the rebalances that follow: what one withheld the next gives out.
    private func settle(
        _ members: [MemberSubscription], _ first: [String: [TopicPartition]], _ counts: [String: Int], seed: UInt64
    ) -> [String: [TopicPartition]] {
        var owned = Dictionary(uniqueKeysWithValues: members.map { ($0.memberID, Set($0.owned)) })
        var result = first
        for round in 0..<5 as Range<Int32> {
            for member in members {
                let given = Set(result[member.memberID] ?? [])
                let others = members.filter { $0.memberID != member.memberID }
                let isStolen = others.contains { !given.isDisjoint(with: owned[$0.memberID] ?? []) }
                #expect(!isStolen, "seed \(seed): a partition has two readers")
            }
            let isSettled = members.allSatisfy { Set(result[$0.memberID] ?? []) == owned[$0.memberID] }
            if isSettled { return result }
            for member in members { owned[member.memberID] = Set(result[member.memberID] ?? []) }
            result = Assignor.cooperativeSticky.assign(
                members.map { member in
                    self.member(
                        member.memberID, member.topics, owned: (owned[member.memberID] ?? []).sorted(),
                        generation: 100 + round)
                }, partitionCounts: counts)
        }
        Issue.record("seed \(seed): the group never settles")
        return result
    }

    private func check(
        _ result: [String: [TopicPartition]], _ members: [MemberSubscription], _ counts: [String: Int],
        _ assignor: Assignor, isUniform: Bool, seed: UInt64
    ) {
        let given = members.flatMap { result[$0.memberID] ?? [] }
        #expect(Set(given).count == given.count, "seed \(seed): a partition has two readers")
        let wanted = Set(members.flatMap(\.topics))
        let expected = wanted.reduce(0) { $0 + (counts[$1] ?? 0) }
        #expect(given.count == expected, "seed \(seed): partitions are left over")
        for member in members {
            let foreign = (result[member.memberID] ?? []).filter { !member.topics.contains($0.topic) }
            #expect(foreign.isEmpty, "seed \(seed): \(member.memberID) gets what it did not ask for")
        }
        if isUniform, assignor != .range {
            let sizes = members.map { result[$0.memberID]?.count ?? 0 }
            #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1, "seed \(seed): \(sizes)")
        }
    }

    @Test("sticky moves no more than it must when a member leaves or joins")
    func stickiness() {
        let counts = ["t": 12]
        var members = (0..<4).map { member("m\($0)", ["t"]) }
        let before = Assignor.sticky.assign(members, partitionCounts: counts)
        members = (0..<3).map { member("m\($0)", ["t"], owned: before["m\($0)"] ?? [], generation: 1) }
        let fewer = Assignor.sticky.assign(members, partitionCounts: counts)
        for index in 0..<3 { #expect(Set(fewer["m\(index)"] ?? []).isSuperset(of: before["m\(index)"] ?? [])) }
        members =
            (0..<3).map { member("m\($0)", ["t"], owned: fewer["m\($0)"] ?? [], generation: 2) } + [member("m9", ["t"])]
        let more = Assignor.sticky.assign(members, partitionCounts: counts)
        #expect(more["m9"]?.count == 3)
        for index in 0..<3 { #expect(Set(fewer["m\(index)"] ?? []).isSuperset(of: more["m\(index)"] ?? [])) }
    }

    @Test("subscriptions and assignments survive the wire", arguments: Assignor.allCases)
    func wire(assignor: Assignor) throws {
        let owned = partitions("b", 0, 3) + partitions("c", 1)
        let bytes = MemberSubscription.metadata(
            topics: ["c", "b"], owned: owned, generation: 9, rack: "r", for: assignor)
        let read = try #require(MemberSubscription(memberID: "m", instanceID: "i", metadata: bytes))
        #expect(read.topics == ["b", "c"] && read.owned == owned && read.generation == 9 && read.instanceID == "i")
        #expect(MemberSubscription.decode(assignment: MemberSubscription.encode(assignment: owned)) == owned)
        #expect(MemberSubscription.decode(assignment: ByteBuffer()) == [])
        #expect(MemberSubscription.decode(assignment: ByteBuffer(bytes: [1])) == nil)
        #expect(MemberSubscription(memberID: "m", instanceID: nil, metadata: ByteBuffer(bytes: [0, 0, 9])) == nil)
    }
}
