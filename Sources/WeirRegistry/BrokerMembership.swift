public import WeirModel
public import WeirSystem

/// A broker's place among those that are there: registered, and kept so by a lease.
///
/// When the lease was lost (the process or its machine stood still for longer than its time) it registers again by itself,
/// with the next broker epoch, so that a pause never leaves a broker running that nobody sees.
public final class BrokerMembership: Sendable {
    private struct State {
        var session: any RegistrySession
        var registration: BrokerRegistration
        var timer: (any TimerHandle)?
        var hasLeft = false
    }

    private let store: ClusterStore
    private let timers: any Timers
    private let sessionTimeoutMs: Int64
    private let heartbeatMs: Int64
    private let state: Locked<State>
    private let onProblem: @Sendable (RegistryError) -> Void

    private init(
        _ store: ClusterStore, _ timers: any Timers, _ sessionTimeoutMs: Int64, _ heartbeatMs: Int64, _ state: State,
        _ onProblem: @escaping @Sendable (RegistryError) -> Void
    ) {
        self.store = store
        self.timers = timers
        self.sessionTimeoutMs = sessionTimeoutMs
        self.heartbeatMs = heartbeatMs
        self.state = Locked(state)
        self.onProblem = onProblem
    }

    /// Registers a broker and keeps it registered.
    ///
    /// - Parameters:
    ///   - incarnation: A new id for each start of the process.
    ///   - directories: The directory ids of its `meta.properties`.
    ///   - onProblem: Hears of every heartbeat that failed, for the log; on any thread.
    public static func join(
        _ store: ClusterStore, endpoints: [BrokerEndpoint], rack: String? = nil, incarnation: UniqueID,
        directories: [UniqueID], sessionTimeoutMs: Int64, heartbeatMs: Int64, timers: any Timers,
        onProblem: @escaping @Sendable (RegistryError) -> Void
    ) async throws(RegistryError) -> Result<BrokerMembership, Refusal> {
        let session = try await store.registry.session(ttlMilliseconds: sessionTimeoutMs)
        let registered = try await store.registerBroker(
            store.nodeID, endpoints: endpoints, rack: rack, incarnation: incarnation, directories: directories,
            session: session.id)
        switch registered {
        case .failure(let refusal):
            try await session.close()
            return .failure(refusal)
        case .success(let registration):
            let membership = BrokerMembership(
                store, timers, sessionTimeoutMs, heartbeatMs, State(session: session, registration: registration),
                onProblem)
            membership.scheduleHeartbeat()
            return .success(membership)
        }
    }

    /// The registration as it is now; its epoch grows when the lease was lost.
    public var registration: BrokerRegistration { state.withLock { $0.registration } }

    /// Takes the broker away, for a clean stop.
    public func leave() async throws(RegistryError) {
        let (session, timer) = state.withLock { state in
            state.hasLeft = true
            return (state.session, state.timer)
        }
        timer?.cancel()
        try await session.close()
        try await store.refresh()
    }

    private func scheduleHeartbeat() {
        state.withLock { state in
            if state.hasLeft { return }
            state.timer = timers.schedule(afterMilliseconds: heartbeatMs) { [weak self] in
                guard let self else { return }
                Task {
                    await self.beat()
                    self.scheduleHeartbeat()
                }
            }
        }
    }

    private func beat() async {
        let (session, hasLeft) = state.withLock { ($0.session, $0.hasLeft) }
        if hasLeft { return }
        do throws(RegistryError) {
            try await session.keepAlive()
        } catch {
            onProblem(error)
            guard error.code == .sessionExpired else { return }
            do throws(RegistryError) { try await rejoin() } catch { onProblem(error) }
        }
    }

    private func rejoin() async throws(RegistryError) {
        let before = registration
        let session = try await store.registry.session(ttlMilliseconds: sessionTimeoutMs)
        let result = try await store.registerBroker(
            before.id, endpoints: before.endpoints, rack: before.rack, incarnation: before.incarnation,
            directories: before.directories, session: session.id)
        switch result {
        case .success(let registration):
            let hasLeft = state.withLock { state in
                state.session = session
                state.registration = registration
                return state.hasLeft
            }
            if hasLeft { try await session.close() }
        case .failure(let refusal):
            try await session.close()
            throw RegistryError(.unavailable, refusal.message)
        }
    }
}
