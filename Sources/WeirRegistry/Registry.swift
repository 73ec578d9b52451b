// WeirRegistry: the cluster's metadata: what a registry must do, the keys and values kept in it, the state folded from
// them, the operations on it, and the simulated backend. The real backends stand in rooms of their own.
// No sockets, no files, no records, and no time or randomness but through the seams. FoundationEssentials only for JSON.

/// A number that grows by one with every commit to a registry. 0 is the registry before its first commit.
public struct Revision: RawRepresentable, Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    public let rawValue: Int64
    public init(rawValue: Int64) { self.rawValue = rawValue }
    public init(_ rawValue: Int64) { self.rawValue = rawValue }
    public static let zero = Revision(0)
    public var next: Revision { Revision(rawValue &+ 1) }
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    public var description: String { String(rawValue) }
}

/// A key and what is kept under it.
public struct RegistryEntry: Sendable, Hashable {
    public let key: String
    public let value: [UInt8]
    /// The commit that wrote it.
    public let revision: Revision

    public init(key: String, value: [UInt8], revision: Revision) {
        self.key = key
        self.value = value
        self.revision = revision
    }
}

/// Everything in a registry after one commit.
public struct RegistrySnapshot: Sendable, Hashable {
    public let revision: Revision
    /// Sorted by key.
    public let entries: [RegistryEntry]

    public init(revision: Revision, entries: [RegistryEntry]) {
        self.revision = revision
        self.entries = entries
    }
}

/// What must hold for a commit to happen.
public enum RegistryGuard: Sendable, Hashable {
    /// The key is not there.
    case absent(String)
    /// The key is there, written by that commit.
    case unchanged(String, since: Revision)

    public var key: String {
        switch self {
        case .absent(let key), .unchanged(let key, _): key
        }
    }
}

/// One change of a commit.
public enum RegistryWrite: Sendable, Hashable {
    /// Puts a value, replacing what was there; with a session it goes away when the session ends.
    case put(String, [UInt8], session: SessionID? = nil)
    /// Removes a key; a missing one is fine.
    case delete(String)

    public var key: String {
        switch self {
        case .put(let key, _, _), .delete(let key): key
        }
    }
}

/// What became of a commit.
public enum CommitOutcome: Sendable, Hashable {
    /// Durable, with this revision.
    case committed(Revision)
    /// The guard on this key did not hold; nothing was written.
    case conflict(String)
}

/// What a watcher hears.
public enum RegistryEvent: Sendable, Hashable {
    /// A commit, and what it changed.
    case changed(Revision, [RegistryWrite])
    /// Commits that the watcher will not hear of: take a snapshot.
    case lost
}

/// A lease's number.
public struct SessionID: RawRepresentable, Hashable, Sendable, Codable, CustomStringConvertible {
    public let rawValue: Int64
    public init(rawValue: Int64) { self.rawValue = rawValue }
    public init(_ rawValue: Int64) { self.rawValue = rawValue }
    public var description: String { String(rawValue) }
}

/// A lease: keys put with it go away when it is closed or not kept alive for its time. It gives liveness only; safety comes
/// from epochs and guarded commits.
public protocol RegistrySession: Sendable {
    var id: SessionID { get }
    /// Prolongs it; throws `.sessionExpired` when it is over.
    func keepAlive() async throws(RegistryError)
    /// Ends it, removing its keys; one that is over is fine.
    func close() async throws(RegistryError)
}

/// Where a cluster's metadata is kept.
///
/// Commits are atomic and totally ordered; one that was answered `committed` is durable and in every later snapshot. Watch
/// events are hints: they may be late, repeated or missing, so a watcher compares revisions and takes a snapshot on a gap.
public protocol Registry: Sendable {
    /// How many writes one commit may have.
    var writesMax: Int { get }
    /// Everything, linearisable.
    func snapshot() async throws(RegistryError) -> RegistrySnapshot
    /// The commits after a revision, in order; ends when the registry closes.
    func watch(after revision: Revision) -> AsyncStream<RegistryEvent>
    /// Writes all or nothing, if every guard holds. Throws `.unknownOutcome` when nobody knows whether it did.
    func commit(guards: [RegistryGuard], writes: [RegistryWrite]) async throws(RegistryError) -> CommitOutcome
    /// A new lease.
    func session(ttlMilliseconds: Int64) async throws(RegistryError) -> any RegistrySession
    /// Lets go of files and connections; later calls throw `.closed`.
    func close() async
}

/// Why a registry did not do something.
public struct RegistryError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: String, Sendable, Hashable {
        /// It cannot be reached or used; trying again may help.
        case unavailable
        /// A commit may or may not have happened.
        case unknownOutcome
        /// What is stored is damaged.
        case corrupt
        /// What is stored was written by a newer Weir.
        case newerSchema
        /// Another process holds it.
        case held
        /// The session is over.
        case sessionExpired
        /// Too many writes in one commit.
        case tooLarge
        /// Others changed the same keys too often for a change to get through.
        case contended
        case closed
    }

    public let code: Code
    /// A sentence that says what happened and, where there is something, what to do.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
