public import NIOCore
public import WeirModel
import WeirProtocol

/// What one member of a group tells the leader.
public struct MemberSubscription: Sendable, Equatable {
    public let memberID: String
    public let instanceID: String?
    public let topics: [String]
    /// What it read before this rebalance.
    public let owned: [TopicPartition]
    /// The generation in which it owned that; -1 when it does not say.
    public let generation: Int32

    public init(
        memberID: String, instanceID: String? = nil, topics: [String], owned: [TopicPartition] = [],
        generation: Int32 = -1
    ) {
        self.memberID = memberID
        self.instanceID = instanceID
        self.topics = topics
        self.owned = owned
        self.generation = generation
    }

    /// Kafka's order of members: those with an instance id first, by it; the others by member id.
    static func precedes(_ left: MemberSubscription, _ right: MemberSubscription) -> Bool {
        switch (left.instanceID, right.instanceID) {
        case (let first?, let second?): first < second
        case (.some, nil): true
        case (nil, .some): false
        case (nil, nil): left.memberID < right.memberID
        }
    }
}

/// How a group's leader shares partitions out. The names are Kafka's, and mixed groups agree on one that all know.
public enum Assignor: String, Sendable, Hashable, CaseIterable {
    /// Each topic by itself, in even ranges.
    case range
    /// All partitions in turn.
    case roundRobin = "roundrobin"
    /// Even, and what members have stays with them; all stop during a rebalance.
    case sticky
    /// The same, and members keep reading what stays with them (KIP-429).
    case cooperativeSticky = "cooperative-sticky"

    public var isCooperative: Bool { self == .cooperativeSticky }

    /// - Parameter partitionCounts: of every topic that exists.
    /// - Returns: for every member, what it shall read, in order.
    public func assign(
        _ members: [MemberSubscription], partitionCounts: [String: Int]
    ) -> [String: [TopicPartition]] {
        let ordered = members.sorted(by: MemberSubscription.precedes)
        var result: [String: [TopicPartition]]
        switch self {
        case .range: result = Self.range(ordered, partitionCounts)
        case .roundRobin: result = Self.roundRobin(ordered, partitionCounts)
        case .sticky: result = StickyAssignment(ordered, partitionCounts).assignment()
        case .cooperativeSticky:
            let sticky = StickyAssignment(ordered, partitionCounts)
            result = sticky.withholdMoves(sticky.assignment())
        }
        for member in members { result[member.memberID, default: []].sort() }
        return result
    }

    private static func range(
        _ members: [MemberSubscription], _ counts: [String: Int]
    ) -> [String: [TopicPartition]] {
        var result: [String: [TopicPartition]] = [:]
        for topic in Set(members.flatMap(\.topics)).sorted() {
            guard let count = counts[topic], count > 0 else { continue }
            let readers = members.filter { $0.topics.contains(topic) }
            let (each, extra) = count.quotientAndRemainder(dividingBy: readers.count)
            var next = 0
            for (index, reader) in readers.enumerated() {
                let share = each + (index < extra ? 1 : 0)
                for partition in next..<next + share {
                    result[reader.memberID, default: []].append(
                        TopicPartition(topic, PartitionIndex(Int32(clamping: partition))))
                }
                next += share
            }
        }
        return result
    }

    private static func roundRobin(
        _ members: [MemberSubscription], _ counts: [String: Int]
    ) -> [String: [TopicPartition]] {
        var result: [String: [TopicPartition]] = [:]
        var turn = 0
        for topic in Set(members.flatMap(\.topics)).sorted() {
            for partition in 0..<max(0, counts[topic] ?? 0) {
                // Somebody wants the topic, so this ends.
                while !members[turn % members.count].topics.contains(topic) { turn += 1 }
                result[members[turn % members.count].memberID, default: []].append(
                    TopicPartition(topic, PartitionIndex(Int32(clamping: partition))))
                turn += 1
            }
        }
        return result
    }
}

/// Shares partitions out evenly while moving as few as possible.
struct StickyAssignment {
    private let members: [MemberSubscription]
    private let partitions: [TopicPartition]
    private let topics: [Set<String>]
    /// Who rightly owned a partition before: an index into `members`.
    private let owners: [TopicPartition: Int]

    init(_ members: [MemberSubscription], _ counts: [String: Int]) {
        self.members = members
        topics = members.map { Set($0.topics) }
        var all: [TopicPartition] = []
        for topic in Set(members.flatMap(\.topics)).sorted() {
            for partition in 0..<max(0, counts[topic] ?? 0) {
                all.append(TopicPartition(topic, PartitionIndex(Int32(clamping: partition))))
            }
        }
        partitions = all
        let existing = Set(all)
        var owners: [TopicPartition: Int] = [:]
        for (index, member) in members.enumerated() {
            for partition in member.owned where existing.contains(partition) && topics[index].contains(partition.topic)
            {
                // Two claims: the younger generation is right; of one generation, nobody is.
                if let rival = owners[partition] {
                    if members[rival].generation == member.generation {
                        owners[partition] = Int.min
                    } else if rival == Int.min || members[rival].generation < member.generation {
                        owners[partition] = index
                    }
                } else {
                    owners[partition] = index
                }
            }
        }
        self.owners = owners.filter { $0.value >= 0 }
    }

    func assignment() -> [String: [TopicPartition]] {
        guard !members.isEmpty else { return [:] }
        var shares = [[TopicPartition]](repeating: [], count: members.count)
        var free: [TopicPartition] = []
        for partition in partitions {
            if let owner = owners[partition] { shares[owner].append(partition) } else { free.append(partition) }
        }
        // Owners give up what is above their share when everybody wants the same topics.
        let isUniform = topics.allSatisfy { $0 == topics[0] }
        if isUniform { free.append(contentsOf: trim(&shares)) }
        for partition in free.sorted() {
            var best: Int?
            for index in members.indices where topics[index].contains(partition.topic) {
                if best.map({ shares[index].count < shares[$0].count }) ?? true { best = index }
            }
            if let best { shares[best].append(partition) }
        }
        if !isUniform { balance(&shares) }
        var result: [String: [TopicPartition]] = [:]
        for (index, member) in members.enumerated() { result[member.memberID] = shares[index] }
        return result
    }

    /// Cuts every share to the even one; as many members as there is remainder may have one more.
    private func trim(_ shares: inout [[TopicPartition]]) -> [TopicPartition] {
        let (each, extra) = partitions.count.quotientAndRemainder(dividingBy: members.count)
        var extraLeft = extra
        var cut: [TopicPartition] = []
        for index in shares.indices {
            var most = each
            if shares[index].count > each, extraLeft > 0 {
                most += 1
                extraLeft -= 1
            }
            while shares[index].count > most, let last = shares[index].popLast() { cut.append(last) }
        }
        return cut
    }

    /// Moves single partitions from the fullest to the emptiest member that may have them, while that evens out.
    private func balance(_ shares: inout [[TopicPartition]]) {
        // Every move lessens the sum of squares, so this ends; the bound guards against mistakes only.
        for _ in 0..<max(1, partitions.count * members.count) {
            var moved = false
            let fullest = shares.indices.sorted { shares[$0].count > shares[$1].count }
            search: for source in fullest {
                for (position, partition) in shares[source].enumerated().reversed() {
                    let target = shares.indices.filter { topics[$0].contains(partition.topic) }
                        .min { shares[$0].count < shares[$1].count }
                    guard let target, shares[target].count + 1 < shares[source].count else { continue }
                    shares[target].append(shares[source].remove(at: position))
                    moved = true
                    break search
                }
            }
            if !moved { return }
        }
    }

    /// A partition that changes hands is withheld until its owner has given it up: the owner sees that it lost it, and the
    /// next rebalance gives it to the new one.
    func withholdMoves(_ assignment: [String: [TopicPartition]]) -> [String: [TopicPartition]] {
        var result = assignment
        for (index, member) in members.enumerated() {
            result[member.memberID]?.removeAll { partition in
                guard let owner = claimant(of: partition) else { return false }
                return owner != index
            }
        }
        return result
    }

    /// Who still reads a partition, rightly or not.
    private func claimant(of partition: TopicPartition) -> Int? {
        if let owner = owners[partition] { return owner }
        return members.firstIndex { $0.owned.contains(partition) }
    }
}

/// What travels in `userData` beside a subscription.
enum StickyUserData {
    /// Java's `sticky`: the previous assignment (topic, partitions) and its generation, without a version.
    struct Previous: WireStruct {
        var topics: [ConsumerProtocolSubscription.TopicPartition] = []
        var generation: Int32 = -1

        init() {}

        mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
            try c.array(&topics)
            try c.int32(&generation)
        }
    }

    static func read(_ bytes: ByteBuffer) -> Previous? {
        var rest = bytes
        return try? WireReader.readPrefix(Previous.self, from: &rest, version: 0, flexible: false)
    }

    static func write(owned: [TopicPartition], generation: Int32) -> ByteBuffer? {
        var previous = Previous()
        previous.topics = ConsumerProtocolSubscription.grouped(owned)
        previous.generation = generation
        return try? WireWriter.bytes(previous, version: 0, flexible: false)
    }
}

extension ConsumerProtocolSubscription {
    /// Partitions by topic, both in order.
    static func grouped(_ partitions: [WeirModel.TopicPartition]) -> [TopicPartition] {
        Dictionary(grouping: partitions, by: \.topic).sorted { $0.key < $1.key }.map { topic, partitions in
            var wire = TopicPartition()
            wire.topic = topic
            wire.partitions = partitions.map(\.partition.rawValue).sorted()
            return wire
        }
    }
}

extension MemberSubscription {
    /// What a member of a JoinGroup answer says; nil when it cannot be read.
    public init?(memberID: String, instanceID: String?, metadata: ByteBuffer) {
        guard let wire = try? ConsumerProtocolSubscription.decode(metadata) else { return nil }
        var owned = wire.ownedPartitions.flatMap { topic in
            topic.partitions.map { TopicPartition(topic.topic, PartitionIndex($0)) }
        }
        var generation = wire.generationID
        if let bytes = wire.userData, bytes.readableBytes > 0 {
            if owned.isEmpty, let previous = StickyUserData.read(bytes) {
                owned = previous.topics.flatMap { topic in
                    topic.partitions.map { TopicPartition(topic.topic, PartitionIndex($0)) }
                }
                if generation < 0 { generation = previous.generation }
            } else if generation < 0, bytes.readableBytes == 4 {
                // Java's cooperative-sticky: the generation alone.
                generation = bytes.getInteger(at: bytes.readerIndex, as: Int32.self) ?? -1
            }
        }
        self.init(
            memberID: memberID, instanceID: instanceID, topics: wire.topics, owned: owned, generation: generation)
    }

    /// The metadata of a protocol in JoinGroup.
    public static func metadata(
        topics: [String], owned: [TopicPartition], generation: Int32, rack: String?, for assignor: Assignor
    ) -> ByteBuffer {
        var wire = ConsumerProtocolSubscription()
        wire.topics = topics.sorted()
        wire.ownedPartitions = ConsumerProtocolSubscription.grouped(owned)
        wire.generationID = generation
        wire.rackID = rack
        switch assignor {
        case .sticky: wire.userData = StickyUserData.write(owned: owned, generation: generation)
        case .cooperativeSticky:
            var bytes = ByteBuffer()
            bytes.writeInteger(generation)
            wire.userData = bytes
        case .range, .roundRobin: break
        }
        // It can only fail for names longer than the protocol allows, which no topic has.
        return (try? wire.encode()) ?? ByteBuffer()
    }

    /// What a member reads, as SyncGroup carries it.
    public static func encode(assignment: [TopicPartition]) -> ByteBuffer {
        var wire = ConsumerProtocolAssignment()
        wire.assignedPartitions = ConsumerProtocolSubscription.grouped(assignment)
        return (try? wire.encode()) ?? ByteBuffer()
    }

    /// Nil when the bytes are no assignment; empty bytes are an empty one.
    public static func decode(assignment bytes: ByteBuffer) -> [TopicPartition]? {
        if bytes.readableBytes == 0 { return [] }
        guard let wire = try? ConsumerProtocolAssignment.decode(bytes) else { return nil }
        return wire.assignedPartitions.flatMap { topic in
            topic.partitions.map { TopicPartition(topic.topic, PartitionIndex($0)) }
        }.sorted()
    }
}
