public import WeirSystem

/// How often a simulated registry misbehaves, in thousandths.
public struct RegistryFaults: Sendable, Hashable {
    /// A commit is answered with a conflict although its guards hold.
    public var conflicts: Int
    /// A commit throws `.unknownOutcome`; half of those have happened.
    public var unknownOutcomes: Int
    /// An operation takes `delayMilliseconds` at most before it begins, and again before it answers.
    public var delays: Int
    public var delayMillisecondsMax: Int64
    /// A watch event does not arrive.
    public var lostEvents: Int
    /// A watch event arrives twice.
    public var repeatedEvents: Int

    public init(
        conflicts: Int = 0, unknownOutcomes: Int = 0, delays: Int = 0, delayMillisecondsMax: Int64 = 100,
        lostEvents: Int = 0, repeatedEvents: Int = 0
    ) {
        self.conflicts = conflicts
        self.unknownOutcomes = unknownOutcomes
        self.delays = delays
        self.delayMillisecondsMax = delayMillisecondsMax
        self.lostEvents = lostEvents
        self.repeatedEvents = repeatedEvents
    }

    public static let none = RegistryFaults()
}

/// A registry in memory that misbehaves as its faults say. The same seed and the same calls give the same faults.
///
/// Several brokers share one as they would share a real one; it survives them.
public final class SimulatedRegistry: Registry {
    private struct Entry {
        var value: [UInt8]
        var revision: Revision
        var session: SessionID?
    }

    private struct State {
        var entries: [String: Entry] = [:]
        var revision = Revision.zero
        var sessions: [SessionID: MonotonicTime] = [:]
        var lastSession: Int64 = 0
        var faults: RegistryFaults
        var random: SplitMix
        var watchers: [Int: AsyncStream<RegistryEvent>.Continuation] = [:]
        var lastWatcher = 0
        var isClosed = false

        mutating func strikes(_ thousandths: Int) -> Bool {
            thousandths > 0 && random.next() % 1000 < UInt64(thousandths)
        }
    }

    private let state: Locked<State>
    private let clock: any WeirClock
    private let timers: any Timers

    /// - Parameters:
    ///   - clock: Decides when sessions are over.
    ///   - timers: Used for delays only; on the same time as the clock.
    public init(seed: UInt64, faults: RegistryFaults = .none, clock: any WeirClock, timers: any Timers) {
        state = Locked(State(faults: faults, random: SplitMix(seed: seed)))
        self.clock = clock
        self.timers = timers
    }

    public let writesMax = 100_000

    /// Changes how it misbehaves from now on.
    public func setFaults(_ faults: RegistryFaults) { state.withLock { $0.faults = faults } }

    public func snapshot() async throws(RegistryError) -> RegistrySnapshot {
        await delay()
        let result = state.withLock { state -> Result<RegistrySnapshot, RegistryError> in
            if state.isClosed { return .failure(Self.closed) }
            expire(&state)
            let entries = state.entries.sorted { $0.key < $1.key }.map {
                RegistryEntry(key: $0.key, value: $0.value.value, revision: $0.value.revision)
            }
            return .success(RegistrySnapshot(revision: state.revision, entries: entries))
        }
        await delay()
        return try result.get()
    }

    public func watch(after revision: Revision) -> AsyncStream<RegistryEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: RegistryEvent.self, bufferingPolicy: .bufferingNewest(4096))
        let id = state.withLock { state -> Int? in
            if state.isClosed { return nil }
            state.lastWatcher += 1
            state.watchers[state.lastWatcher] = continuation
            if state.revision > revision { continuation.yield(.lost) }
            return state.lastWatcher
        }
        guard let id else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { $0.watchers[id] = nil }
        }
        return stream
    }

    public func commit(
        guards: [RegistryGuard], writes: [RegistryWrite]
    ) async throws(RegistryError) -> CommitOutcome {
        await delay()
        let result = state.withLock { state -> Result<CommitOutcome, RegistryError> in
            if state.isClosed { return .failure(Self.closed) }
            if writes.count > writesMax {
                return .failure(RegistryError(.tooLarge, "\(writes.count) writes are more than one commit takes"))
            }
            expire(&state)
            if state.strikes(state.faults.unknownOutcomes) {
                // The answer is lost, on the way there or on the way back.
                if state.random.next() % 2 == 0 { _ = apply(guards, writes, &state) }
                return .failure(RegistryError(.unknownOutcome, "the registry's answer to a commit was lost"))
            }
            if let key = guards.first?.key, state.strikes(state.faults.conflicts) { return .success(.conflict(key)) }
            return apply(guards, writes, &state)
        }
        await delay()
        return try result.get()
    }

    public func session(ttlMilliseconds: Int64) async throws(RegistryError) -> any RegistrySession {
        await delay()
        let now = clock.monotonic
        let id = state.withLock { state -> SessionID? in
            if state.isClosed { return nil }
            state.lastSession += 1
            let id = SessionID(state.lastSession)
            state.sessions[id] = now.advanced(milliseconds: ttlMilliseconds)
            return id
        }
        guard let id else { throw Self.closed }
        return SimulatedSession(id: id, ttl: ttlMilliseconds, registry: self)
    }

    public func close() async {
        let watchers = state.withLock { state in
            state.isClosed = true
            let watchers = Array(state.watchers.values)
            state.watchers = [:]
            return watchers
        }
        for watcher in watchers { watcher.finish() }
    }

    private static let closed = RegistryError(.closed, "the registry is closed")

    private func apply(
        _ guards: [RegistryGuard], _ writes: [RegistryWrite], _ state: inout State
    ) -> Result<CommitOutcome, RegistryError> {
        for condition in guards {
            switch condition {
            case .absent(let key):
                if state.entries[key] != nil { return .success(.conflict(key)) }
            case .unchanged(let key, let revision):
                if state.entries[key]?.revision != revision { return .success(.conflict(key)) }
            }
        }
        for case .put(_, _, let session?) in writes where state.sessions[session] == nil {
            return .failure(RegistryError(.sessionExpired, "session \(session) is over"))
        }
        state.revision = state.revision.next
        for write in writes {
            switch write {
            case .put(let key, let value, let session):
                state.entries[key] = Entry(value: value, revision: state.revision, session: session)
            case .delete(let key): state.entries[key] = nil
            }
        }
        announce(writes, &state)
        return .success(.committed(state.revision))
    }

    private func announce(_ writes: [RegistryWrite], _ state: inout State) {
        let event = RegistryEvent.changed(state.revision, writes)
        for (_, watcher) in state.watchers.sorted(by: { $0.key < $1.key }) {
            if state.strikes(state.faults.lostEvents) { continue }
            watcher.yield(event)
            if state.strikes(state.faults.repeatedEvents) { watcher.yield(event) }
        }
    }

    /// Ends the sessions whose time is over, in one commit each.
    private func expire(_ state: inout State) {
        let now = clock.monotonic
        for (id, deadline) in state.sessions.sorted(by: { $0.key.rawValue < $1.key.rawValue }) where deadline <= now {
            end(id, &state)
        }
    }

    private func end(_ id: SessionID, _ state: inout State) {
        guard state.sessions.removeValue(forKey: id) != nil else { return }
        let keys = state.entries.filter { $0.value.session == id }.keys.sorted()
        if keys.isEmpty { return }
        state.revision = state.revision.next
        for key in keys { state.entries[key] = nil }
        announce(keys.map { .delete($0) }, &state)
    }

    /// Ends sessions whose time is over, as a real registry does by itself; the simulation calls it as time goes on.
    public func tick() { state.withLock { expire(&$0) } }

    fileprivate func keepAlive(_ id: SessionID, ttl: Int64) async throws(RegistryError) {
        await delay()
        let now = clock.monotonic
        let lives = state.withLock { state in
            expire(&state)
            if state.isClosed || state.sessions[id] == nil { return false }
            state.sessions[id] = now.advanced(milliseconds: ttl)
            return true
        }
        if !lives { throw RegistryError(.sessionExpired, "session \(id) is over") }
    }

    fileprivate func end(_ id: SessionID) async {
        await delay()
        state.withLock { end(id, &$0) }
    }

    private func delay() async {
        let milliseconds = state.withLock { state -> Int64 in
            guard state.strikes(state.faults.delays), state.faults.delayMillisecondsMax > 0 else { return 0 }
            return Int64(state.random.next() % UInt64(state.faults.delayMillisecondsMax)) + 1
        }
        if milliseconds == 0 { return }
        await withCheckedContinuation { continuation in
            timers.schedule(afterMilliseconds: milliseconds) { continuation.resume() }
        }
    }
}

private struct SimulatedSession: RegistrySession {
    let id: SessionID
    let ttl: Int64
    let registry: SimulatedRegistry

    func keepAlive() async throws(RegistryError) { try await registry.keepAlive(id, ttl: ttl) }
    func close() async throws(RegistryError) { await registry.end(id) }
}

/// A stream of random numbers of the registry's own, so that draws elsewhere do not disturb it (Vigna's SplitMix64).
struct SplitMix: Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
