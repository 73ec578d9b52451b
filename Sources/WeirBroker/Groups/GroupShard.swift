import DequeModule
import HeapModule
import Logging
import NIOCore
import WeirCoordination
import WeirModel
import WeirProtocol
import WeirSystem

/// The groups of one partition of `__consumer_offsets`, behind one lock.
///
/// Events are decided under the lock and acted on after it. Records go through an outbox: they are queued under the lock, so
/// in the order of the decisions, and one thread at a time hands them to the log, so the log has them in that order too. What
/// a record changes comes into force when it is written, again in that order, whichever thread reports it first: the state
/// is always the one that a replay of the log so far would give. That is why a committed offset never goes back.
final class GroupShard: Sendable {
    /// A group with what the machine does not know of: its offsets and when it wants to be woken.
    /// A class, so that the machine is changed in place; only touched under the shard's lock. Its identity tells it from a
    /// group of the same name that was deleted.
    final class Entry {
        var group: ClassicGroup
        var offsets = GroupOffsets()
        /// The wake-up that stands in the heap.
        var scheduledAt: Int64?

        init(_ group: ClassicGroup) { self.group = group }
    }

    enum Phase { case unloaded, loading, active }

    enum Waiter {
        case join(@Sendable (JoinOutcome) -> Void)
        case sync(@Sendable (SyncOutcome) -> Void)
    }

    /// Records to be written together, and what follows.
    struct Outgoing {
        enum Purpose {
            case metadata(Entry, StoreTicket)
            case offsets(Entry, [(partition: TopicPartition, offset: CommittedOffset?)])
            /// With the group as it was.
            case deletion(Entry, ClassicGroup)
        }

        var records: [OffsetsRecord]
        var purpose: Purpose
        /// Told what became of the write; called without the lock.
        var completion: (@Sendable (ErrorCode) -> Void)?
        /// Set when the records could not even be encoded.
        var failure: ErrorCode?
    }

    /// One append, from its start until all before it have ended.
    struct Append {
        let number: UInt64
        var entries: [Outgoing]
        var outcome: ErrorCode?
    }

    struct Wakeup: Comparable {
        let at: Int64
        let entry: Entry
        static func == (left: Self, right: Self) -> Bool { left.at == right.at && left.entry === right.entry }
        static func < (left: Self, right: Self) -> Bool { left.at < right.at }
    }

    struct State {
        var phase = Phase.unloaded
        var groups: [String: Entry] = [:]
        var waiters: [UInt64: Waiter] = [:]
        var nextWaiter: UInt64 = 1
        var outbox: Deque<Outgoing> = []
        var isDraining = false
        var appends: Deque<Append> = []
        var nextAppend: UInt64 = 1
        var wakeups = Heap<Wakeup>()
        /// When the earliest timer fires.
        var timerAt: Int64?
    }

    /// What is left to do when the lock is released, in order.
    struct Effects {
        var calls: [() -> Void] = []
    }

    /// More than this is not appended as one batch unless a single write needs it.
    static let batchBytesMax = 256 * 1024

    let partition: PartitionIndex
    let coordinator: GroupCoordinatorParts
    private let state = Locked(State())

    init(partition: PartitionIndex, parts: GroupCoordinatorParts) {
        self.partition = partition
        self.coordinator = parts
    }

    // MARK: Events

    /// Runs an event under the lock, then what follows from it.
    @discardableResult
    func run<Result>(_ event: (inout State, Moment, inout Effects) -> Result) -> Result {
        let now = coordinator.now
        var effects = Effects()
        var timerAt: Int64?
        let result = state.withLock { state in
            let result = event(&state, now, &effects)
            timerAt = Self.timerToArm(&state)
            return result
        }
        for call in effects.calls { call() }
        drain()
        if let timerAt { arm(timerAt, now) }
        return result
    }

    /// Nil when the shard can serve, else why not.
    static func problem(_ state: borrowing State) -> ErrorCode? {
        switch state.phase {
        case .active: nil
        case .loading: .coordinatorLoadInProgress
        case .unloaded: .notCoordinator
        }
    }

    /// Runs an event on a group's machine and files what it asks for.
    @discardableResult
    func onGroup<Result>(
        _ entry: Entry, _ state: inout State, _ effects: inout Effects,
        _ event: (inout ClassicGroup) -> (result: Result, actions: [GroupAction])
    ) -> Result {
        let outcome = event(&entry.group)
        file(outcome.actions, of: entry, &state, &effects)
        schedule(entry, &state)
        return outcome.result
    }

    /// The group, made empty if there is none.
    func obtainGroup(_ id: String, _ state: inout State, _ now: Moment) -> Entry {
        if let entry = state.groups[id] { return entry }
        let entry = Entry(ClassicGroup(id: id, limits: coordinator.limits, now: now))
        state.groups[id] = entry
        return entry
    }

    private func file(
        _ actions: [GroupAction], of entry: Entry, _ state: inout State, _ effects: inout Effects
    ) {
        for action in actions {
            switch action {
            case .answerJoin(let waiter, let outcome):
                guard case .join(let answer) = state.waiters.removeValue(forKey: waiter.rawValue) else { continue }
                effects.calls.append { answer(outcome) }
            case .answerSync(let waiter, let outcome):
                guard case .sync(let answer) = state.waiters.removeValue(forKey: waiter.rawValue) else { continue }
                effects.calls.append { answer(outcome) }
            case .store(let ticket, let snapshot):
                post(.metadata(entry, ticket), &state) { () throws(WireError) in
                    [try GroupRecords.metadata(of: entry.group.id, snapshot)]
                }
            }
        }
    }

    /// Queues records for the log.
    func post(
        _ purpose: Outgoing.Purpose, _ state: inout State, completion: (@Sendable (ErrorCode) -> Void)? = nil,
        _ records: () throws(WireError) -> [OffsetsRecord]
    ) {
        do throws(WireError) {
            state.outbox.append(Outgoing(records: try records(), purpose: purpose, completion: completion))
        } catch {
            coordinator.logger.error("a group record cannot be encoded", metadata: ["problem": "\(error)"])
            state.outbox.append(
                Outgoing(records: [], purpose: purpose, completion: completion, failure: .unknownServerError))
        }
    }

    func addWaiter(_ waiter: Waiter, _ state: inout State) -> WaiterID {
        let number = state.nextWaiter
        state.nextWaiter += 1
        state.waiters[number] = waiter
        return WaiterID(number)
    }

    // MARK: Writing

    /// Hands queued records to the log. One thread at a time does so; what others queue meanwhile it takes along.
    private func drain() {
        while let (number, records, failure) = nextAppend() {
            if let failure {
                appended(number, failure)
            } else {
                coordinator.host.append(to: partition, records) { [self] outcome in appended(number, outcome) }
            }
            state.withLock { $0.isDraining = false }
        }
    }

    private func nextAppend() -> (number: UInt64, records: [OffsetsRecord], failure: ErrorCode?)? {
        state.withLock { state in
            guard !state.isDraining, let first = state.outbox.popFirst() else { return nil }
            state.isDraining = true
            var append = Append(number: state.nextAppend, entries: [first])
            state.nextAppend += 1
            var records = first.records
            var bytes = records.reduce(0) { $0 + $1.byteCount }
            while first.failure == nil, let next = state.outbox.first, next.failure == nil {
                bytes += next.records.reduce(0) { $0 + $1.byteCount }
                guard bytes <= Self.batchBytesMax else { break }
                state.outbox.removeFirst()
                records += next.records
                append.entries.append(next)
            }
            state.appends.append(append)
            return (append.number, records, first.failure)
        }
    }

    /// An append has ended. It takes effect once all before it have.
    private func appended(_ number: UInt64, _ outcome: ErrorCode) {
        run { state, now, effects in
            guard let index = state.appends.firstIndex(where: { $0.number == number && $0.outcome == nil }) else {
                return
            }
            state.appends[index].outcome = outcome
            while let outcome = state.appends.first?.outcome {
                for entry in state.appends.removeFirst().entries {
                    finish(entry, outcome, &state, now, &effects)
                }
            }
        }
    }

    private func finish(
        _ entry: Outgoing, _ outcome: ErrorCode, _ state: inout State, _ now: Moment, _ effects: inout Effects
    ) {
        let error: ErrorCode
        switch entry.purpose {
        case .metadata(let entry, let ticket):
            error = Self.clientError(outcome, tooLarge: .unknownServerError)
            onGroup(entry, &state, &effects) { group in ((), group.stored(ticket, error: error, now: now)) }
        case .offsets(let entry, let writes):
            error = Self.clientError(outcome, tooLarge: .invalidCommitOffsetSize)
            for write in writes {
                if error == .none {
                    entry.offsets.ended(write.partition, writing: write.offset)
                } else {
                    entry.offsets.failed(write.partition)
                }
            }
        case .deletion(let entry, let before):
            error = Self.clientError(outcome, tooLarge: .unknownServerError)
            if error != .none { undoDeletion(of: entry, before, &state, now) }
        }
        if error != .none {
            coordinator.logger.warning(
                "group records could not be written",
                metadata: ["partition": "\(partition)", "error": "\(outcome)"])
        }
        if let completion = entry.completion { effects.calls.append { completion(error) } }
    }

    /// The log still has the group: so it is back, with the offsets that nobody has committed anew meanwhile.
    private func undoDeletion(of entry: Entry, _ before: ClassicGroup, _ state: inout State, _ now: Moment) {
        guard state.phase == .active else { return }
        let restored = state.groups[before.id] ?? Entry(before)
        state.groups[before.id] = restored
        for (partition, offset) in entry.offsets.committed where !restored.offsets.knows(partition) {
            restored.offsets.replay(partition, offset)
        }
    }

    /// What Kafka tells a client about an append that failed.
    static func clientError(_ outcome: ErrorCode, tooLarge: ErrorCode) -> ErrorCode {
        switch outcome {
        case .unknownTopicOrPartition, .notEnoughReplicas, .notEnoughReplicasAfterAppend, .requestTimedOut:
            .coordinatorNotAvailable
        case .notLeaderOrFollower, .kafkaStorageError:
            .notCoordinator
        case .messageTooLarge, .recordListTooLarge, .invalidFetchSize:
            tooLarge
        default:
            outcome
        }
    }

    // MARK: Time

    private func schedule(_ entry: Entry, _ state: inout State) {
        guard let wakeAt = entry.group.wakeAt, wakeAt < entry.scheduledAt ?? .max else { return }
        entry.scheduledAt = wakeAt
        state.wakeups.insert(Wakeup(at: wakeAt, entry: entry))
    }

    private static func timerToArm(_ state: inout State) -> Int64? {
        guard let next = state.wakeups.min?.at, next < state.timerAt ?? .max else { return nil }
        state.timerAt = next
        return next
    }

    /// Timers are not cancelled: one that has nothing to do any more costs a look at the heap.
    private func arm(_ at: Int64, _ now: Moment) {
        coordinator.timers.schedule(afterMilliseconds: max(at &- now.monotonic, 0)) { [weak self] in
            self?.wake(at)
        }
    }

    private func wake(_ at: Int64) {
        run { state, now, effects in
            if state.timerAt == at { state.timerAt = nil }
            while let next = state.wakeups.min, next.at <= now.monotonic {
                state.wakeups.removeMin()
                guard next.entry.scheduledAt == next.at else { continue }
                next.entry.scheduledAt = nil
                onGroup(next.entry, &state, &effects) { group in ((), group.tick(now)) }
            }
        }
    }

    // MARK: Coming and going

    /// Takes the groups over as the log has them.
    func load() throws {
        run { state, _, _ in state.phase = .loading }
        var replay = GroupReplay()
        try coordinator.host.replay(partition) { key, value, offset in replay.take(key: key, value: value, at: offset) }
        for (offset, problem) in replay.problems {
            coordinator.logger.warning(
                "a group record is skipped",
                metadata: ["partition": "\(partition)", "offset": "\(offset)", "problem": "\(problem)"])
        }
        run { state, now, effects in
            guard state.phase == .loading else { return }
            for (id, snapshot) in replay.groups.sorted(by: { $0.key < $1.key }) {
                let group = ClassicGroup(id: id, restoring: snapshot, limits: coordinator.limits, now: now)
                state.groups[id] = Entry(group)
            }
            for (id, offsets) in replay.offsets { obtainGroup(id, &state, now).offsets = offsets }
            state.phase = .active
            for entry in state.groups.values { onGroup(entry, &state, &effects) { group in ((), group.resume(now)) } }
        }
    }

    /// Serves no more: whoever waits is told that the coordinator moved.
    func unload() {
        run { state, now, effects in
            for entry in state.groups.values {
                onGroup(entry, &state, &effects) { group in ((), group.die(.notCoordinator, now: now)) }
            }
            state.groups = [:]
            state.wakeups = []
            state.phase = .unloaded
        }
    }
}
