import Logging
import NIOCore
import Testing
import WeirCoordination
import WeirModel
import WeirProtocol
import WeirSystem

@testable import WeirBroker

/// A group coordinator on virtual time over a log in memory, with its APIs behind a real dispatcher.
final class GroupsTestBed: Sendable {
    let time: VirtualTime
    let host: FakeGroupHost
    let groups: GroupCoordinator
    private let dispatcher: Dispatcher
    private let sink = CollectingSink()

    /// A restart keeps the host, whose log survives, and the time.
    init(
        _ settings: [String: String] = [:], host: FakeGroupHost = FakeGroupHost(), time: VirtualTime = VirtualTime(),
        authorizer: any Authorizer = AllowAll(), isLoaded: Bool = true
    ) throws {
        self.host = host
        self.time = time
        let settings = try BrokerSettings(values: settings.map { ($0.key, $0.value, .commandLine) })
        var logger = Logger(label: "groups")
        logger.logLevel = .critical
        groups = GroupCoordinator(
            host: host, settings: settings, clock: time, timers: time, random: CountingRandom(), logger: logger)
        var table = HandlerTable()
        GroupHandlers.register(in: &table, groups: groups, authorizer: authorizer)
        dispatcher = Dispatcher(handlers: table)
        if isLoaded { try loadAll() }
        groups.start()
    }

    func loadAll() throws {
        for partition in 0..<host.offsetsPartitionCount { try groups.load(PartitionIndex(partition)) }
    }

    /// Sends a request as a client would, over the wire format.
    func send<Request: WireRequest>(_ request: Request, version: Int16) throws -> Answer<Request.Response> {
        var header = RequestHeader()
        header.apiKey = Request.key.rawValue
        header.apiVersion = version
        header.correlationID = 7
        header.clientID = "tester"
        let isFlexible = Request.isFlexible(version)
        var frame = try WireWriter.bytes(header, version: version, flexible: isFlexible)
        frame.writeImmutableBuffer(try WireWriter.bytes(request, version: version, flexible: isFlexible))
        let slot = sink.nextSlot()
        let connection = ConnectionInfo(id: ConnectionID(1), listener: "PLAINTEXT", clientAddress: "127.0.0.1")
        _ = dispatcher.dispatch(frame, slot: slot, connection: connection, sink: sink)
        return Answer(version: version, slot: slot, sink: sink)
    }

    /// For requests that are answered at once.
    func ask<Request: WireRequest>(
        _ request: Request, version: Int16, at: SourceLocation = #_sourceLocation
    ) throws -> Request.Response {
        try #require(try send(request, version: version).response, "no answer", sourceLocation: at)
    }

    // MARK: Short ways

    func join(
        _ group: String, _ memberID: String = "", version: Int16 = 3, instance: String? = nil, metadata: [UInt8] = [1],
        session: Int32 = 10_000
    ) throws -> Answer<JoinGroupResponse> {
        var request = JoinGroupRequest()
        request.groupID = group
        request.memberID = memberID
        request.groupInstanceID = instance
        request.sessionTimeoutMs = session
        request.rebalanceTimeoutMs = 60_000
        request.protocolType = "consumer"
        var offered = JoinGroupRequest.JoinGroupRequestProtocol()
        offered.name = "range"
        offered.metadata = ByteBuffer(bytes: metadata)
        request.protocols = [offered]
        return try send(request, version: version)
    }

    func sync(
        _ group: String, _ memberID: String, _ generation: Int32, _ assignments: [String: [UInt8]] = [:],
        version: Int16 = 3
    ) throws -> Answer<SyncGroupResponse> {
        var request = SyncGroupRequest()
        request.groupID = group
        request.memberID = memberID
        request.generationID = generation
        request.assignments = assignments.map { memberID, bytes in
            var assignment = SyncGroupRequest.SyncGroupRequestAssignment()
            assignment.memberID = memberID
            assignment.assignment = ByteBuffer(bytes: bytes)
            return assignment
        }
        return try send(request, version: version)
    }

    /// One member, stable in generation 1. Its id is the answer.
    func stableMember(_ group: String, metadata: [UInt8] = [1]) throws -> String {
        let joined = try #require(try join(group, metadata: metadata).response)
        let synced = try sync(group, joined.memberID, 1, [joined.memberID: [0xAA]])
        #expect(synced.response?.errorCode == 0)
        return joined.memberID
    }

    func heartbeat(_ group: String, _ memberID: String, _ generation: Int32) throws -> ErrorCode {
        var request = HeartbeatRequest()
        request.groupID = group
        request.memberID = memberID
        request.generationID = generation
        return ErrorCode(rawValue: try ask(request, version: 4).errorCode)
    }

    func leave(_ group: String, _ memberID: String) throws -> ErrorCode {
        var request = LeaveGroupRequest()
        request.groupID = group
        request.memberID = memberID
        return ErrorCode(rawValue: try ask(request, version: 2).errorCode)
    }

    func commit(
        _ group: String, _ topic: String, _ partition: Int32, _ offset: Int64, memberID: String = "",
        generation: Int32 = -1, metadata: String? = nil, version: Int16 = 6, retentionMs: Int64 = -1
    ) throws -> Answer<OffsetCommitResponse> {
        var request = OffsetCommitRequest()
        request.groupID = group
        request.memberID = memberID
        request.generationIDOrMemberEpoch = generation
        request.retentionTimeMs = retentionMs
        var asked = OffsetCommitRequest.OffsetCommitRequestTopic()
        asked.name = topic
        if version >= 10 { asked.topicID = host.topicID(of: topic) ?? .zero }
        var commit = OffsetCommitRequest.OffsetCommitRequestPartition()
        commit.partitionIndex = partition
        commit.committedOffset = offset
        if version >= 6 { commit.committedLeaderEpoch = 3 }
        commit.committedMetadata = metadata
        asked.partitions = [commit]
        request.topics = [asked]
        return try send(request, version: version)
    }

    /// The committed offset; -1 when there is none.
    func fetch(_ group: String, _ topic: String, _ partition: Int32) throws -> Int64 {
        var request = OffsetFetchRequest()
        request.groupID = group
        var asked = OffsetFetchRequest.OffsetFetchRequestTopic()
        asked.name = topic
        asked.partitionIndexes = [partition]
        request.topics = [asked]
        let answer = try ask(request, version: 5)
        try #require(answer.errorCode == 0)
        return try #require(answer.topics.first?.partitions.first).committedOffset
    }

    func describe(_ group: String, version: Int16 = 5) throws -> DescribeGroupsResponse.DescribedGroup {
        var request = DescribeGroupsRequest()
        request.groups = [group]
        return try #require(try ask(request, version: version).groups.first)
    }
}

/// An answer that has come or will come.
struct Answer<Response: WireMessage> {
    let version: Int16
    let slot: UInt64
    let sink: CollectingSink

    /// Nil until it has come, and when the connection was closed instead.
    var response: Response? {
        guard case .frame(let frame)? = sink.reply(to: slot) else { return nil }
        var bytes = ByteBuffer()
        for case .bytes(let part) in frame.parts { bytes.writeImmutableBuffer(part) }
        bytes.moveReaderIndex(forwardBy: 4)
        do {
            let header = try WireReader.readPrefix(
                ResponseHeader.self, from: &bytes, version: version, flexible: Response.isFlexible(version))
            #expect(header.correlationID == 7)
            return try WireReader.read(Response.self, from: bytes, version: version)
        } catch {
            Issue.record("an answer of \(Response.key) that cannot be read: \(error)")
            return nil
        }
    }
}

final class CollectingSink: ReplySink {
    private let state = Locked<(next: UInt64, replies: [UInt64: Reply])>((1, [:]))

    func nextSlot() -> UInt64 {
        state.withLock { state in
            defer { state.next += 1 }
            return state.next
        }
    }

    func reply(_ slot: UInt64, _ reply: Reply) {
        let isFirst = state.withLock { state in state.replies.updateValue(reply, forKey: slot) == nil }
        if !isFirst { Issue.record("request \(slot) was answered twice") }
    }

    func reply(to slot: UInt64) -> Reply? { state.withLock { $0.replies[slot] } }
}

/// Clock and timers that stand still until told.
final class VirtualTime: WeirClock, Timers {
    private struct Timer {
        let at: Int64
        let number: Int
        let body: @Sendable () -> Void
    }
    private let state = Locked<(now: Int64, next: Int, timers: [Timer])>((0, 0, []))

    static let wallStart: Int64 = 1_700_000_000_000

    var monotonic: MonotonicTime { MonotonicTime(nanoseconds: state.withLock { $0.now } * 1_000_000) }
    var wallMilliseconds: Int64 { Self.wallStart + state.withLock { $0.now } }

    func schedule(afterMilliseconds delay: Int64, _ body: @escaping @Sendable () -> Void) -> any TimerHandle {
        state.withLock { state in
            state.next += 1
            state.timers.append(Timer(at: state.now + max(delay, 0), number: state.next, body: body))
            return Handle(number: state.next, time: self)
        }
    }

    struct Handle: TimerHandle {
        let number: Int
        let time: VirtualTime
        func cancel() { time.state.withLock { $0.timers.removeAll { $0.number == number } } }
    }

    /// Lets time pass and runs what is due, in its order.
    func pass(_ milliseconds: Int64) {
        let end = state.withLock { $0.now } + milliseconds
        while true {
            let due: Timer? = state.withLock { state in
                let first = state.timers.enumerated().filter { $0.element.at <= end }
                    .min { ($0.element.at, $0.element.number) < ($1.element.at, $1.element.number) }
                guard let first else { return nil }
                state.now = max(state.now, first.element.at)
                return state.timers.remove(at: first.offset)
            }
            guard let due else { break }
            due.body()
        }
        state.withLock { $0.now = end }
    }
}

/// 1, 2, 3, …: member ids that can be told apart and are the same in every run.
final class CountingRandom: RandomSource {
    private let state = Locked<UInt64>(0)
    func next() -> UInt64 {
        state.withLock { state in
            state += 1
            return state
        }
    }
}

/// `__consumer_offsets` in memory. Appends complete at once, or when the test says.
final class FakeGroupHost: GroupCoordinatorHost {
    private struct State {
        var logs: [PartitionIndex: [OffsetsRecord]] = [:]
        var isHolding = false
        var held: [@Sendable (ErrorCode) -> Void] = []
        var refusal: ErrorCode?
        var topics: [String: (id: UniqueID, partitions: Int32)] = [
            "orders": (UniqueID(high: 1, low: 1), 4), "other": (UniqueID(high: 1, low: 2), 1),
        ]
        var duringReplay: (@Sendable () -> Void)?
        var preparations = 0
    }
    private let state = Locked(State())
    let offsetsPartitionCount: Int32

    init(partitions: Int32 = 5) { offsetsPartitionCount = partitions }

    // MARK: For tests

    /// From now on appends complete only by `complete`.
    func hold() { state.withLock { $0.isHolding = true } }
    var heldCount: Int { state.withLock { $0.held.count } }
    /// Completes a held append; the rest move up.
    func complete(_ index: Int = 0, _ outcome: ErrorCode = .none) {
        let completion = state.withLock { $0.held.remove(at: index) }
        completion(outcome)
    }
    func release() {
        state.withLock { $0.isHolding = false }
        while heldCount > 0 { complete() }
    }
    /// Appends fail with this, and write nothing.
    func refuse(_ code: ErrorCode?) { state.withLock { $0.refusal = code } }
    func records(_ partition: PartitionIndex) -> [OffsetsRecord] { state.withLock { $0.logs[partition] ?? [] } }
    func put(_ partition: PartitionIndex, _ record: OffsetsRecord) {
        state.withLock { $0.logs[partition, default: []].append(record) }
    }
    func duringReplay(_ body: (@Sendable () -> Void)?) { state.withLock { $0.duringReplay = body } }
    var preparations: Int { state.withLock { $0.preparations } }
    func remove(topic: String) { state.withLock { $0.topics[topic] = nil } }

    // MARK: GroupCoordinatorHost

    func append(
        to partition: PartitionIndex, _ records: [OffsetsRecord],
        completion: @escaping @Sendable (ErrorCode) -> Void
    ) {
        let outcome: ErrorCode? = state.withLock { state in
            if let refusal = state.refusal { return refusal }
            state.logs[partition, default: []] += records
            guard state.isHolding else { return ErrorCode.none }
            state.held.append(completion)
            return nil
        }
        if let outcome { completion(outcome) }
    }

    func replay(
        _ partition: PartitionIndex, _ each: (_ key: ByteBuffer, _ value: ByteBuffer?, _ offset: Offset) -> Void
    ) throws {
        let (records, during) = state.withLock { ($0.logs[partition] ?? [], $0.duringReplay) }
        during?()
        for (index, record) in records.enumerated() { each(record.key, record.value, Offset(Int64(index))) }
    }

    func prepareOffsetsTopic(completion: @escaping @Sendable (ErrorCode) -> Void) {
        state.withLock { $0.preparations += 1 }
        completion(.none)
    }

    func coordinator(of partition: PartitionIndex, listener: String) -> WeirBroker.BrokerEndpoint? {
        WeirBroker.BrokerEndpoint(nodeID: BrokerID(1), host: "127.0.0.1", port: 9092)
    }

    func exists(_ partition: TopicPartition) -> Bool {
        let count = state.withLock { $0.topics[partition.topic]?.partitions } ?? 0
        return (0..<count).contains(partition.partition.rawValue)
    }

    func topicName(of topicID: UniqueID) -> String? {
        state.withLock { state in state.topics.first { $0.value.id == topicID }?.key }
    }

    func topicID(of topic: String) -> UniqueID? { state.withLock { $0.topics[topic]?.id } }
}
