public import WeirModel
public import WeirSystem

/// A consumer's life in a classic group: finding the coordinator, joining, sharing out, heartbeats, giving partitions up,
/// leaving. Eager and cooperative rebalances, dynamic and static members.
///
/// After every event the driver calls `poll` until it gives nothing; at most one group request is in flight.
public struct GroupMachine: Sendable {
    public struct Configuration: Sendable, Equatable {
        public var groupID: String
        /// Static membership: a member that comes back under the same id within the session timeout causes no rebalance.
        public var instanceID: String?
        /// The assignors that this member knows, best first. Rebalances are cooperative when all of them are.
        public var assignors: [Assignor] = [.range, .cooperativeSticky]
        public var sessionTimeoutMs: Int32 = 45_000
        public var heartbeatMs: Int64 = 3_000
        /// How long members may take to give up partitions and join again.
        public var rebalanceTimeoutMs: Int32 = 300_000
        public var rack: String?
        public var backoff = Backoff(initialMs: 50, maximumMs: 1_000)

        public init(groupID: String) { self.groupID = groupID }

        public var isCooperative: Bool { !assignors.isEmpty && assignors.allSatisfy(\.isCooperative) }
    }

    enum Phase: Sendable, Equatable {
        /// Can transition to: findingCoordinator.
        case idle
        /// Can transition to: mustJoin, waiting.
        case findingCoordinator
        /// The coordinator is known and the group is to be joined. Can transition to: revoking, joining.
        case mustJoin
        /// Partitions are being given up before joining; `revoked()` ends it. Can transition to: joining.
        case revokingToJoin
        /// Can transition to: syncing, mustJoin, findingCoordinator.
        case joining
        /// This member leads and must share out. Can transition to: syncing.
        case assigning(leaderOf: [MemberSubscription], assignor: Assignor)
        /// Can transition to: stable, revokingAfterSync, mustJoin, findingCoordinator.
        case syncing
        /// A cooperative rebalance took partitions away; when they are given up the group is joined again.
        /// Can transition to: mustJoin.
        case revokingAfterSync
        /// Can transition to: mustJoin, findingCoordinator, leaving.
        case stable
        /// Can transition to: findingCoordinator, mustJoin.
        case waiting(until: MonotonicTime, needsCoordinator: Bool)
        /// Can transition to: left.
        case leaving
        case left
        case failed(ErrorCode)
    }

    public let configuration: Configuration
    private(set) var phase = Phase.idle
    public private(set) var memberID = ""
    public private(set) var generation: Int32 = -1
    public private(set) var coordinator: BrokerID?
    /// What this member reads, or is giving up.
    public private(set) var owned: [TopicPartition] = []
    public private(set) var isLeader = false
    private var protocolName = ""
    private var topics: [String]
    /// The partition counts that the leader last shared out.
    private var sharedCounts: [String: Int] = [:]
    private var failures = 0
    private var requestInFlight = false
    private var lastHeartbeat: MonotonicTime?
    private var lastAnswer: MonotonicTime?
    private var rejoinWanted = false
    private var leaveWanted = false
    /// Tells the driver once.
    private var pending: [Action] = []

    public init(configuration: Configuration, topics: [String]) {
        self.configuration = configuration
        self.topics = topics.sorted()
    }

    public struct JoinPlan: Sendable, Equatable {
        public let memberID: String
        public let topics: [String]
        public let owned: [TopicPartition]
        public let generation: Int32
    }

    public struct SyncPlan: Sendable, Equatable {
        public let memberID: String
        public let generation: Int32
        public let protocolName: String
        /// Empty unless this member leads.
        public let assignments: [String: [TopicPartition]]
    }

    public enum Action: Sendable, Equatable {
        case findCoordinator
        case join(JoinPlan)
        /// Compute the assignment with the counts of these topics' partitions, then call `assigned`.
        case share(topics: [String])
        case sync(SyncPlan)
        case heartbeat(memberID: String, generation: Int32)
        case leave(memberID: String)
        /// Stop reading these, commit, then call `revoked`.
        case revoke([TopicPartition])
        /// These are gone without a chance to commit: stop reading them.
        case lose([TopicPartition])
        /// Start to read these.
        case start([TopicPartition])
        /// Membership is over.
        case fail(ErrorCode)
        case done
    }

    public var isStable: Bool { phase == .stable }
    /// Whether a commit may carry this membership.
    public var isMember: Bool { !memberID.isEmpty && generation >= 0 }

    // MARK: Poll

    /// What to do now; nil when nothing is to be done before `wakeAt`.
    public mutating func poll(now: MonotonicTime) -> Action? {
        if !pending.isEmpty { return pending.removeFirst() }
        if requestInFlight { return nil }
        if leaveWanted { return leaveNow() }
        switch phase {
        case .idle:
            phase = .findingCoordinator
            requestInFlight = true
            return .findCoordinator
        case .waiting(let until, let needsCoordinator):
            guard now >= until else { return nil }
            phase = needsCoordinator ? .idle : .mustJoin
            return poll(now: now)
        case .mustJoin:
            return prepareToJoin(now: now)
        case .assigning(let members, _):
            requestInFlight = true
            return .share(topics: Set(members.flatMap(\.topics)).sorted())
        case .stable, .revokingAfterSync, .revokingToJoin:
            return beat(now: now)
        case .findingCoordinator, .joining, .syncing, .leaving, .left, .failed:
            return nil
        }
    }

    private mutating func prepareToJoin(now: MonotonicTime) -> Action? {
        rejoinWanted = false
        if !configuration.isCooperative, !owned.isEmpty {
            phase = .revokingToJoin
            return .revoke(owned)
        }
        phase = .joining
        requestInFlight = true
        return .join(JoinPlan(memberID: memberID, topics: topics, owned: owned, generation: generation))
    }

    private mutating func beat(now: MonotonicTime) -> Action? {
        if let lastAnswer, now >= lastAnswer.advanced(milliseconds: Int64(configuration.sessionTimeoutMs)) {
            // The coordinator has forgotten this member by now.
            abandon(now: now, keepsIdentity: true)
            return poll(now: now)
        }
        if phase == .stable, rejoinWanted {
            phase = .mustJoin
            return poll(now: now)
        }
        if let last = lastHeartbeat, now < last.advanced(milliseconds: configuration.heartbeatMs) { return nil }
        lastHeartbeat = now
        requestInFlight = true
        return .heartbeat(memberID: memberID, generation: generation)
    }

    private mutating func leaveNow() -> Action? {
        switch phase {
        case .leaving, .left, .failed: return nil
        default: break
        }
        // Static members stay in the group: they come back.
        if memberID.isEmpty || coordinator == nil || configuration.instanceID != nil {
            phase = .left
            return .done
        }
        phase = .leaving
        requestInFlight = true
        return .leave(memberID: memberID)
    }

    /// Poll again then at the latest; nil while an answer is on its way.
    public var wakeAt: MonotonicTime? {
        switch phase {
        case .waiting(let until, _): until
        case .stable, .revokingAfterSync, .revokingToJoin:
            requestInFlight
                ? nil
                : (lastHeartbeat ?? MonotonicTime(nanoseconds: 0)).advanced(milliseconds: configuration.heartbeatMs)
        default: nil
        }
    }

    // MARK: Coordinator

    public mutating func found(coordinator id: BrokerID) {
        guard phase == .findingCoordinator else { return }
        requestInFlight = false
        coordinator = id
        phase = .mustJoin
    }

    public mutating func coordinatorNotFound(_ code: ErrorCode?, now: MonotonicTime, random: any RandomSource) {
        guard phase == .findingCoordinator else { return }
        requestInFlight = false
        if let code, !code.isRetriable { return fail(code) }
        back(off: now, random, needsCoordinator: true)
    }

    private mutating func back(off now: MonotonicTime, _ random: any RandomSource, needsCoordinator: Bool) {
        failures += 1
        let delay = configuration.backoff.delayMs(failures: failures, random: random)
        phase = .waiting(until: now.advanced(milliseconds: delay), needsCoordinator: needsCoordinator)
        if needsCoordinator { coordinator = nil }
    }

    private mutating func fail(_ code: ErrorCode) {
        phase = .failed(code)
        if !owned.isEmpty { pending.append(.lose(owned)) }
        owned = []
        pending.append(.fail(code))
    }

    /// The membership is lost: what is owned may be another's already.
    private mutating func abandon(now: MonotonicTime, keepsIdentity: Bool) {
        if !owned.isEmpty { pending.append(.lose(owned)) }
        owned = []
        generation = -1
        if !keepsIdentity { memberID = "" }
        lastAnswer = nil
        phase = .idle
    }

    // MARK: Joining

    public struct Joined: Sendable, Equatable {
        public var error: ErrorCode
        public var memberID: String
        public var generation: Int32
        public var protocolName: String
        public var leader: String
        public var skipsAssignment: Bool
        /// Only the leader gets them.
        public var members: [MemberSubscription]

        public init(
            error: ErrorCode, memberID: String, generation: Int32 = -1, protocolName: String = "", leader: String = "",
            skipsAssignment: Bool = false, members: [MemberSubscription] = []
        ) {
            self.error = error
            self.memberID = memberID
            self.generation = generation
            self.protocolName = protocolName
            self.leader = leader
            self.skipsAssignment = skipsAssignment
            self.members = members
        }
    }

    public mutating func joined(_ answer: Joined, now: MonotonicTime, random: any RandomSource) {
        guard phase == .joining else { return }
        requestInFlight = false
        switch answer.error {
        case .none:
            failures = 0
            memberID = answer.memberID
            generation = answer.generation
            protocolName = answer.protocolName
            isLeader = answer.leader == answer.memberID
            lastHeartbeat = now
            lastAnswer = now
            if isLeader, !answer.skipsAssignment, let assignor = Assignor(rawValue: answer.protocolName) {
                phase = .assigning(leaderOf: answer.members, assignor: assignor)
            } else {
                phase = .syncing
                requestInFlight = true
                pending.append(sync([:]))
            }
        case .memberIDRequired:
            memberID = answer.memberID
            phase = .mustJoin
        case .unknownMemberID:
            abandon(now: now, keepsIdentity: false)
            phase = .mustJoin
        case .illegalGeneration:
            abandon(now: now, keepsIdentity: true)
            phase = .mustJoin
        case .rebalanceInProgress:
            back(off: now, random, needsCoordinator: false)
        default:
            refused(answer.error, now: now, random: random)
        }
    }

    /// An error that every group request may get.
    private mutating func refused(_ code: ErrorCode, now: MonotonicTime, random: any RandomSource) {
        switch code {
        case .notCoordinator, .coordinatorNotAvailable:
            back(off: now, random, needsCoordinator: true)
        case .coordinatorLoadInProgress:
            back(off: now, random, needsCoordinator: false)
        case let code where code.isRetriable:
            back(off: now, random, needsCoordinator: true)
        default:
            fail(code)
        }
    }

    /// A request got no answer: the coordinator may have moved.
    public mutating func connectionLost(now: MonotonicTime, random: any RandomSource) {
        requestInFlight = false
        switch phase {
        case .leaving:
            phase = .left
            pending.append(.done)
        case .stable, .revokingAfterSync, .revokingToJoin:
            // The membership lives until the session times out; only the coordinator is looked for.
            lastHeartbeat = now
            coordinatorLost = true
        case .joining, .syncing, .assigning, .findingCoordinator, .mustJoin:
            back(off: now, random, needsCoordinator: true)
        case .idle, .waiting, .left, .failed:
            break
        }
    }

    /// A member that is otherwise well must look for its coordinator before the next heartbeat.
    public private(set) var coordinatorLost = false

    /// The driver found the coordinator for a member that goes on.
    public mutating func refound(coordinator id: BrokerID) {
        coordinator = id
        coordinatorLost = false
        lastHeartbeat = nil
    }

    // MARK: Sharing out

    /// The leader's metadata is there.
    public mutating func counted(_ counts: [String: Int]) {
        guard case .assigning(let members, let assignor) = phase else { return }
        let wanted = Set(members.flatMap(\.topics))
        sharedCounts = counts.filter { wanted.contains($0.key) }
        let assignments = assignor.assign(members, partitionCounts: counts)
        phase = .syncing
        requestInFlight = true
        pending.append(sync(assignments))
    }

    private func sync(_ assignments: [String: [TopicPartition]]) -> Action {
        .sync(
            SyncPlan(
                memberID: memberID, generation: generation, protocolName: protocolName, assignments: assignments))
    }

    /// The metadata changed: a leader whose topics have grown, shrunk or vanished asks for a rebalance.
    public mutating func metadataChanged(_ counts: [String: Int]) {
        guard phase == .stable, isLeader else { return }
        let now = counts.filter { sharedCounts.keys.contains($0.key) || topics.contains($0.key) }
        if now != sharedCounts { rejoinWanted = true }
    }

    /// Reads other topics from now on.
    public mutating func subscribe(_ topics: [String]) {
        guard self.topics != topics.sorted() else { return }
        self.topics = topics.sorted()
        rejoinWanted = true
    }

    /// Nil for an assignment that cannot be read.
    public mutating func synced(
        _ code: ErrorCode, assignment: [TopicPartition]?, now: MonotonicTime, random: any RandomSource
    ) {
        guard phase == .syncing else { return }
        requestInFlight = false
        switch code {
        case .none:
            guard let assignment else { return fail(.inconsistentGroupProtocol) }
            lastHeartbeat = now
            lastAnswer = now
            adopt(assignment)
        case .rebalanceInProgress:
            phase = .mustJoin
        case .unknownMemberID:
            abandon(now: now, keepsIdentity: false)
            phase = .mustJoin
        case .illegalGeneration:
            abandon(now: now, keepsIdentity: true)
            phase = .mustJoin
        default:
            refused(code, now: now, random: random)
        }
    }

    private mutating func adopt(_ assignment: [TopicPartition]) {
        let before = Set(owned)
        let after = Set(assignment)
        let added = after.subtracting(before).sorted()
        let taken = before.subtracting(after).sorted()
        phase = .stable
        if !added.isEmpty { pending.append(.start(added)) }
        if taken.isEmpty {
            owned = assignment.sorted()
        } else {
            // Give up, then join again so that the leader can hand them on.
            owned = after.union(taken).sorted()
            phase = .revokingAfterSync
            pending.append(.revoke(taken))
            takenAway = Set(taken)
        }
    }

    private var takenAway: Set<TopicPartition> = []

    /// What `revoke` named has been stopped and committed.
    public mutating func revoked() {
        switch phase {
        case .revokingToJoin:
            owned = []
            phase = .joining
            requestInFlight = true
            pending.append(
                .join(JoinPlan(memberID: memberID, topics: topics, owned: [], generation: generation)))
        case .revokingAfterSync:
            owned.removeAll { takenAway.contains($0) }
            takenAway = []
            phase = .mustJoin
        default:
            break
        }
    }

    // MARK: Heartbeats and commits

    public mutating func heartbeatAnswered(_ code: ErrorCode, now: MonotonicTime, random: any RandomSource) {
        requestInFlight = false
        switch phase {
        case .stable, .revokingAfterSync, .revokingToJoin: break
        default: return
        }
        switch code {
        case .none:
            lastAnswer = now
        case .rebalanceInProgress:
            lastAnswer = now
            if phase == .stable { phase = .mustJoin }
        default:
            membershipRefused(code, now: now, random: random)
        }
    }

    /// A commit was refused because of who this member is.
    public mutating func commitRefused(_ code: ErrorCode, now: MonotonicTime, random: any RandomSource) {
        guard phase == .stable else { return }
        switch code {
        case .rebalanceInProgress: rejoinWanted = true
        case .unknownMemberID, .illegalGeneration, .fencedInstanceID:
            membershipRefused(code, now: now, random: random)
        case .notCoordinator, .coordinatorNotAvailable: coordinatorLost = true
        default: break
        }
    }

    private mutating func membershipRefused(_ code: ErrorCode, now: MonotonicTime, random: any RandomSource) {
        switch code {
        case .unknownMemberID:
            abandon(now: now, keepsIdentity: false)
            phase = .mustJoin
        case .illegalGeneration:
            abandon(now: now, keepsIdentity: true)
            phase = .mustJoin
        case .notCoordinator, .coordinatorNotAvailable, .coordinatorLoadInProgress:
            coordinatorLost = true
        case let code where code.isRetriable:
            coordinatorLost = true
        default:
            fail(code)
        }
    }

    // MARK: Leaving

    /// Leaves the group; call after the last commit. `done` follows.
    public mutating func leave() {
        leaveWanted = true
        // A join that waits for others would hold the leaving up.
        if requestInFlight, phase == .joining || phase == .syncing || phase == .findingCoordinator {
            requestInFlight = false
        }
    }

    public mutating func leftGroup() {
        guard phase == .leaving else { return }
        requestInFlight = false
        phase = .left
        pending.append(.done)
    }
}
