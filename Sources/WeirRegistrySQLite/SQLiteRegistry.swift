import Dispatch
public import SystemPackage
public import WeirRegistry
public import WeirSystem

/// The embedded registry: one SQLite database, held by one process.
///
/// All work runs on a serial queue of its own, so that no event loop ever waits for the disk. A commit is answered after the
/// write-ahead log is synced. Sessions live in this process only, since nobody else can hold one: they end when they are
/// closed, when they are not kept alive in time, and when the file is opened again.
public final class SQLiteRegistry: Registry, @unchecked Sendable {
    // Unchecked: `tables` and `deadlines` are only touched on `queue`.
    private let queue = DispatchQueue(label: "weir.registry")
    private var tables: SQLiteTables?
    private var deadlines: [SessionID: MonotonicTime] = [:]
    private let clock: any WeirClock
    private let timers: (any Timers)?
    private let audience = Locked(Audience())

    private struct Audience {
        var revision = Revision.zero
        var watchers: [Int: AsyncStream<RegistryEvent>.Continuation] = [:]
        var last = 0
        var isClosed = false
    }

    public let writesMax = 1_000_000

    /// Opens the database, making it when it is missing. Blocks for a few milliseconds.
    ///
    /// - Parameters:
    ///   - path: The file; its directory must be there. SQLite keeps `-wal` beside it.
    ///   - clock: Decides when sessions are over.
    ///   - timers: Notices so without being asked; nil leaves it to the next operation.
    public init(path: FilePath, clock: any WeirClock, timers: (any Timers)? = nil) throws(RegistryError) {
        let tables = try SQLiteTables(path: path.string)
        self.tables = tables
        self.clock = clock
        self.timers = timers
        audience.withLock { $0.revision = tables.revision }
    }

    public func snapshot() async throws(RegistryError) -> RegistrySnapshot {
        try await run { (registry, tables) throws(RegistryError) in
            try registry.expire(tables)
            return try tables.snapshot()
        }
    }

    public func watch(after revision: Revision) -> AsyncStream<RegistryEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: RegistryEvent.self, bufferingPolicy: .bufferingNewest(4096))
        let id = audience.withLock { audience -> Int? in
            if audience.isClosed { return nil }
            audience.last += 1
            audience.watchers[audience.last] = continuation
            if audience.revision > revision { continuation.yield(.lost) }
            return audience.last
        }
        guard let id else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in
            self?.audience.withLock { $0.watchers[id] = nil }
        }
        return stream
    }

    public func commit(
        guards: [RegistryGuard], writes: [RegistryWrite]
    ) async throws(RegistryError) -> CommitOutcome {
        if writes.count > writesMax {
            throw RegistryError(.tooLarge, "\(writes.count) writes are more than one commit takes")
        }
        return try await run { (registry, tables) throws(RegistryError) in
            try registry.expire(tables)
            for case .put(_, _, let session?) in writes where registry.deadlines[session] == nil {
                throw RegistryError(.sessionExpired, "session \(session) is over")
            }
            let outcome = try tables.commit(guards, writes)
            if case .committed(let revision) = outcome { registry.announce(revision, writes) }
            return outcome
        }
    }

    public func session(ttlMilliseconds: Int64) async throws(RegistryError) -> any RegistrySession {
        let id = try await run { (registry, tables) throws(RegistryError) in
            let id = try tables.addSession(ttlMilliseconds: ttlMilliseconds)
            registry.prolong(id, ttlMilliseconds)
            return id
        }
        return SQLiteSession(id: id, ttl: ttlMilliseconds, registry: self)
    }

    public func close() async {
        let watchers = audience.withLock { audience in
            audience.isClosed = true
            let watchers = Array(audience.watchers.values)
            audience.watchers = [:]
            return watchers
        }
        for watcher in watchers { watcher.finish() }
        await withCheckedContinuation { continuation in
            queue.async {
                self.tables = nil
                self.deadlines = [:]
                continuation.resume()
            }
        }
    }

    fileprivate func keepAlive(_ id: SessionID, ttl: Int64) async throws(RegistryError) {
        try await run { (registry, _) throws(RegistryError) in
            guard registry.deadlines[id] != nil else {
                throw RegistryError(.sessionExpired, "session \(id) is over")
            }
            registry.prolong(id, ttl)
        }
    }

    fileprivate func end(_ id: SessionID) async throws(RegistryError) {
        try await run { (registry, tables) throws(RegistryError) in try registry.end(id, tables) }
    }

    private func run<Value: Sendable>(
        _ body: @escaping @Sendable (SQLiteRegistry, SQLiteTables) throws(RegistryError) -> Value
    ) async throws(RegistryError) -> Value {
        let result: Result<Value, RegistryError> = await withCheckedContinuation { continuation in
            queue.async {
                guard let tables = self.tables else {
                    continuation.resume(returning: .failure(RegistryError(.closed, "the registry is closed")))
                    return
                }
                let result = Result<Value, RegistryError> { () throws(RegistryError) in try body(self, tables) }
                continuation.resume(returning: result)
            }
        }
        return try result.get()
    }

    private func announce(_ revision: Revision, _ writes: [RegistryWrite]) {
        audience.withLock { audience in
            audience.revision = revision
            for watcher in audience.watchers.values { watcher.yield(.changed(revision, writes)) }
        }
    }

    private func prolong(_ id: SessionID, _ ttl: Int64) {
        let isNew = deadlines[id] == nil
        deadlines[id] = clock.monotonic.advanced(milliseconds: ttl)
        if isNew { scheduleLook(at: id, after: ttl) }
    }

    /// Looks at a session when its time may be over, and again as long as it lives.
    private func scheduleLook(at id: SessionID, after milliseconds: Int64) {
        timers?.schedule(afterMilliseconds: max(1, milliseconds)) { [weak self] in
            guard let self else { return }
            self.queue.async {
                guard let tables = self.tables, let deadline = self.deadlines[id] else { return }
                // A registry that cannot be written now is asked again by its next operation.
                try? self.expire(tables)
                if self.deadlines[id] != nil {
                    self.scheduleLook(at: id, after: deadline.milliseconds(since: self.clock.monotonic) + 1)
                }
            }
        }
    }

    private func expire(_ tables: SQLiteTables) throws(RegistryError) {
        if deadlines.isEmpty { return }
        let now = clock.monotonic
        for (id, deadline) in deadlines where deadline <= now { try end(id, tables) }
    }

    private func end(_ id: SessionID, _ tables: SQLiteTables) throws(RegistryError) {
        guard deadlines[id] != nil else { return }
        let writes = try tables.end(id)
        deadlines[id] = nil
        if let writes { announce(tables.revision, writes) }
    }
}

private struct SQLiteSession: RegistrySession {
    let id: SessionID
    let ttl: Int64
    let registry: SQLiteRegistry

    func keepAlive() async throws(RegistryError) { try await registry.keepAlive(id, ttl: ttl) }
    func close() async throws(RegistryError) { try await registry.end(id) }
}
