public import WeirModel
public import WeirSystem

/// The operations on a cluster's metadata, over any registry.
///
/// It keeps the folded state at hand. An operation decides on that state, commits with guards on what it read, and on a
/// conflict reads again and decides anew. When it returns, `state` and the observers have its result. Operations of one
/// store run one after the other.
public final class ClusterStore: Sendable {
    /// Called with every new state, in order and one at a time, on whichever thread learnt of it. It must be short, and may
    /// not wait for an operation of the store.
    public typealias Observer = @Sendable (ClusterState) -> Void

    private struct Audience {
        var published = Revision(-1)
        var observers: [Observer] = []
    }

    let registry: any Registry
    let nodeID: BrokerID
    let random: any RandomSource
    private let current: Locked<ClusterState>
    private let audience = Locked(Audience())
    private let operations = AsyncLock()
    private let watching = Locked<Task<Void, Never>?>(nil)

    /// How often an operation that conflicts is tried.
    static let attemptsMax = 32

    private init(_ registry: any Registry, nodeID: BrokerID, random: any RandomSource, state: ClusterState) {
        self.registry = registry
        self.nodeID = nodeID
        self.random = random
        self.current = Locked(state)
    }

    /// Reads the registry, founds the cluster in an empty one, and begins to watch.
    ///
    /// - Parameters:
    ///   - nodeID: This broker, whose last operation the registry remembers.
    ///   - random: Where topic ids and the cluster's id come from.
    public static func open(
        _ registry: any Registry, nodeID: BrokerID, random: any RandomSource
    ) async throws(RegistryError) -> ClusterStore {
        let store = ClusterStore(registry, nodeID: nodeID, random: random, state: ClusterState())
        try await store.refresh()
        if store.state.schemaVersion == 0 { try await store.found() }
        let version = store.state.schemaVersion
        guard version <= RegistrySchema.version else {
            throw RegistryError(
                .newerSchema,
                "the registry was written by a newer Weir (schema \(version), this one knows \(RegistrySchema.version)); "
                    + "start that version, or a newer one")
        }
        store.startWatching()
        return store
    }

    /// The metadata as it is known here.
    public var state: ClusterState { current.withLock { $0 } }

    /// Adds an observer, which at once gets the state as it is.
    public func observe(_ observer: @escaping Observer) {
        audience.withLock { audience in
            audience.observers.append(observer)
            observer(state)
        }
    }

    /// Stops watching; the registry stays open.
    public func close() {
        watching.withLock { task in
            task?.cancel()
            task = nil
        }
    }

    /// Reads everything again, which repairs whatever the watch missed.
    public func refresh() async throws(RegistryError) {
        let snapshot = try await registry.snapshot()
        if snapshot.revision == state.revision, snapshot.revision != .zero { return }
        let fresh = try ClusterState(snapshot)
        current.withLock { state in
            if fresh.revision > state.revision { state = fresh }
        }
        publish()
    }

    private func found() async throws(RegistryError) {
        _ = try await transact { state throws(RegistryError) in
            if state.schemaVersion != 0 { return .done(()) }
            let id = self.newID()
            return .commit(
                guards: [.absent(RegistryKey.schemaVersion)],
                writes: [
                    .put(
                        RegistryKey.schemaVersion,
                        RegistryJSON.encode(StoredSchemaVersion(version: RegistrySchema.version))),
                    .put(RegistryKey.clusterID, RegistryJSON.encode(StoredClusterID(id: id.description))),
                ], result: ())
        }
    }

    private func startWatching() {
        let registry = registry
        watching.withLock { task in
            task = Task { [weak self] in
                while !Task.isCancelled {
                    guard let start = self?.state.revision else { return }
                    for await event in registry.watch(after: start) {
                        guard let self, !Task.isCancelled else { return }
                        if await !self.hear(event) { break }
                    }
                    // The stream ended or a snapshot failed: the registry is closed or away.
                    guard let self else { return }
                    do throws(RegistryError) { try await self.refresh() } catch {
                        if error.code == .closed { return }
                    }
                    if Task.isCancelled { return }
                    await Task.yield()
                }
            }
        }
    }

    /// Folds what the watch says; false when the state may have fallen behind.
    private func hear(_ event: RegistryEvent) async -> Bool {
        switch event {
        case .lost:
            return await (try? refresh()) != nil
        case .changed(let revision, let writes):
            switch fold(writes, revision: revision) {
            case .folded:
                publish()
                return true
            case .known: return true
            case .gap: return await (try? refresh()) != nil
            }
        }
    }

    private enum Folding {
        case folded
        case known
        case gap
    }

    private func fold(_ writes: [RegistryWrite], revision: Revision) -> Folding {
        current.withLock { state in
            if revision <= state.revision { return .known }
            guard revision == state.revision.next else { return .gap }
            do throws(RegistryError) {
                // On a copy, so that an entry that cannot be read leaves the state whole.
                var next = state
                try next.apply(writes, revision: revision)
                state = next
                return .folded
            } catch {
                return .gap
            }
        }
    }

    private func publish() {
        audience.withLock { audience in
            let newest = state
            guard newest.revision > audience.published else { return }
            audience.published = newest.revision
            for observer in audience.observers { observer(newest) }
        }
    }
}

/// What an operation decided to do.
enum Plan<Result> {
    case done(Result)
    case commit(guards: [RegistryGuard], writes: [RegistryWrite], result: Result)
}

extension ClusterStore {
    /// Runs an operation: decides on the state, commits, and decides again on a conflict.
    ///
    /// An outcome that nobody knows is settled by reading back this broker's last operation, which every commit writes.
    func transact<Result, Failure: Error>(
        _ decide: (ClusterState) throws(Failure) -> Plan<Result>
    ) async throws(RegistryError) -> Swift.Result<Result, Failure> {
        try await operations.withLock { () async throws(RegistryError) -> Swift.Result<Result, Failure> in
            for _ in 0..<Self.attemptsMax {
                let plan: Plan<Result>
                do throws(Failure) { plan = try decide(state) } catch { return .failure(error) }
                switch plan {
                case .done(let result): return .success(result)
                case .commit(let guards, let writes, let result):
                    if try await commit(guards, writes) { return .success(result) }
                }
            }
            throw RegistryError(
                .contended, "the registry changed under \(Self.attemptsMax) attempts of the same operation; try again")
        }
    }

    /// Commits with this broker's operation beside; false when the state had changed, which is then read again.
    private func commit(_ guards: [RegistryGuard], _ writes: [RegistryWrite]) async throws(RegistryError) -> Bool {
        let operation = newID().description
        let all =
            writes + [.put(RegistryKey.operation(nodeID), RegistryJSON.encode(StoredOperation(id: operation)))]
        let outcome: CommitOutcome
        do throws(RegistryError) {
            outcome = try await registry.commit(guards: guards, writes: all)
        } catch {
            guard error.code == .unknownOutcome else { throw error }
            try await refresh()
            return state.lastOperations[nodeID] == operation
        }
        switch outcome {
        case .conflict:
            try await refresh()
            return false
        case .committed(let revision):
            switch fold(all, revision: revision) {
            case .folded: publish()
            case .known: break
            case .gap: try await refresh()
            }
            return true
        }
    }

    /// A random id that is not zero and whose text does not begin with a dash, which command lines take for an option.
    func newID() -> UniqueID {
        while true {
            let id = UniqueID.random(high: random.next(), low: random.next())
            if !id.description.hasPrefix("-") { return id }
        }
    }
}
