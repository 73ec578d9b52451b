import CSQLite
import WeirRegistry

/// The tables, and the statements on them. Belongs to the registry's queue.
///
/// `entries` has a row for each key; `counter` one row with the last revision; `sessions` the leases. They are in Kafka's
/// sense of durable: a commit returns after the write-ahead log is synced.
final class SQLiteTables {
    /// The version of this layout, in the file's `user_version`.
    static let layoutVersion: Int64 = 1
    /// `Weir` in ASCII, in the file's `application_id`.
    static let applicationID: Int64 = 0x5765_6972

    private let database: SQLiteDatabase
    private let path: String
    private let begin: SQLiteStatement
    private let commit: SQLiteStatement
    private let find: SQLiteStatement
    private let put: SQLiteStatement
    private let delete: SQLiteStatement
    private let count: SQLiteStatement
    private let all: SQLiteStatement
    private let leased: SQLiteStatement
    private let addSession: SQLiteStatement
    private let dropSession: SQLiteStatement
    private(set) var revision: Revision
    private(set) var lastSession: Int64

    /// Opens the file, making it when it is missing, and ends what sessions a process that is gone left behind.
    init(path: String) throws(RegistryError) {
        self.path = path
        do throws(SQLiteError) {
            let database = try SQLiteDatabase(path: path)
            self.database = database
            try Self.prepareFile(database)
            begin = try database.prepare("BEGIN IMMEDIATE")
            commit = try database.prepare("COMMIT")
            find = try database.prepare("SELECT revision FROM entries WHERE key = ?1")
            put = try database.prepare(
                """
                INSERT INTO entries (key, value, revision, session) VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT (key) DO UPDATE SET value = ?2, revision = ?3, session = ?4
                """)
            delete = try database.prepare("DELETE FROM entries WHERE key = ?1")
            count = try database.prepare("UPDATE counter SET revision = ?1, session = max(session, ?2)")
            all = try database.prepare("SELECT key, value, revision FROM entries ORDER BY key")
            leased = try database.prepare("SELECT key FROM entries WHERE session = ?1 ORDER BY key")
            addSession = try database.prepare("INSERT INTO sessions (id, ttl_ms) VALUES (?1, ?2)")
            dropSession = try database.prepare("DELETE FROM sessions WHERE id = ?1")
            guard let revision = try database.number("SELECT revision FROM counter"),
                let session = try database.number("SELECT session FROM counter")
            else { throw SQLiteError(code: SQLITE_CORRUPT, message: "the revision is missing") }
            self.revision = Revision(revision)
            lastSession = session
        } catch {
            throw Self.explain(error, path)
        }
        // Nobody is told of these before a later commit syncs them too; were they lost, the next start would do them again.
        try unsynced { () throws(RegistryError) in
            for session in try sessions() { _ = try end(session) }
        }
    }

    private static func prepareFile(_ database: SQLiteDatabase) throws(SQLiteError) {
        // The data directory belongs to one process; the exclusive lock says so once more, and spares the shared memory
        // file that the write-ahead log needs otherwise.
        try database.execute("PRAGMA locking_mode = EXCLUSIVE")
        let application = try database.number("PRAGMA application_id") ?? 0
        let version = try database.number("PRAGMA user_version") ?? 0
        if version > layoutVersion {
            throw SQLiteError(code: SQLITE_SCHEMA, message: "layout \(version), this one knows \(layoutVersion)")
        }
        if version == 0 {
            guard try database.number("SELECT count(*) FROM sqlite_schema") == 0 else {
                throw SQLiteError(code: SQLITE_NOTADB, message: "it is the database of another program")
            }
            try create(database)
        } else if application != applicationID {
            throw SQLiteError(code: SQLITE_NOTADB, message: "it is the database of another program")
        }
        try database.execute("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 256; PRAGMA cache_size = -512")
    }

    /// Makes the tables of a new file. Nothing in it matters before its first commit, so syncing waits for the
    /// checkpoint at the end, which syncs both files and the directory.
    private static func create(_ database: SQLiteDatabase) throws(SQLiteError) {
        try database.execute("PRAGMA synchronous = OFF")
        _ = try database.number("PRAGMA journal_mode = WAL")
        try database.execute(
            """
            BEGIN IMMEDIATE;
            CREATE TABLE entries (
                key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL, revision INTEGER NOT NULL, session INTEGER
            ) WITHOUT ROWID;
            CREATE INDEX entries_by_session ON entries (session) WHERE session IS NOT NULL;
            CREATE TABLE sessions (id INTEGER PRIMARY KEY, ttl_ms INTEGER NOT NULL);
            CREATE TABLE counter (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL,
                session INTEGER NOT NULL);
            INSERT INTO counter VALUES (1, 0, 0);
            PRAGMA application_id = \(applicationID);
            PRAGMA user_version = \(layoutVersion);
            COMMIT;
            PRAGMA synchronous = FULL;
            PRAGMA wal_checkpoint(PASSIVE);
            """)
    }

    func snapshot() throws(RegistryError) -> RegistrySnapshot {
        try explaining { () throws(SQLiteError) in
            var entries: [RegistryEntry] = []
            all.reset()
            defer { all.reset() }
            while try all.step() {
                entries.append(
                    RegistryEntry(key: all.text(0), value: all.blob(1), revision: Revision(all.integer(2))))
            }
            return RegistrySnapshot(revision: revision, entries: entries)
        }
    }

    func commit(_ guards: [RegistryGuard], _ writes: [RegistryWrite]) throws(RegistryError) -> CommitOutcome {
        try transaction { () throws(SQLiteError) -> CommitOutcome? in
            for condition in guards {
                find.reset()
                try find.bind(condition.key, 1)
                let found = try find.step() ? Revision(find.integer(0)) : nil
                find.reset()
                let holds =
                    switch condition {
                    case .absent: found == nil
                    case .unchanged(_, let since): found == since
                    }
                if !holds { return .conflict(condition.key) }
            }
            let next = revision.next
            try write(writes, next)
            return .committed(next)
        }
    }

    func addSession(ttlMilliseconds: Int64) throws(RegistryError) -> SessionID {
        let id = lastSession &+ 1
        // A session means nothing before a key is put with it, and that commit syncs this one too.
        try unsynced { () throws(RegistryError) in
            _ = try transaction { () throws(SQLiteError) -> CommitOutcome? in
                addSession.reset()
                try addSession.bind(id, 1)
                try addSession.bind(ttlMilliseconds, 2)
                try addSession.run()
                count.reset()
                try count.bind(revision.rawValue, 1)
                try count.bind(id, 2)
                try count.run()
                return .committed(revision)
            }
        }
        lastSession = id
        return SessionID(id)
    }

    /// Ends a session; the writes that this was, or nil when it held no keys.
    func end(_ session: SessionID) throws(RegistryError) -> [RegistryWrite]? {
        var writes: [RegistryWrite] = []
        _ = try transaction { () throws(SQLiteError) -> CommitOutcome? in
            leased.reset()
            try leased.bind(session.rawValue, 1)
            while try leased.step() { writes.append(.delete(leased.text(0))) }
            leased.reset()
            dropSession.reset()
            try dropSession.bind(session.rawValue, 1)
            try dropSession.run()
            if writes.isEmpty { return .committed(revision) }
            try write(writes, revision.next)
            return .committed(revision.next)
        }
        return writes.isEmpty ? nil : writes
    }

    private func sessions() throws(RegistryError) -> [SessionID] {
        try explaining { () throws(SQLiteError) in
            let statement = try database.prepare("SELECT id FROM sessions ORDER BY id")
            var ids: [SessionID] = []
            while try statement.step() { ids.append(SessionID(statement.integer(0))) }
            return ids
        }
    }

    private func write(_ writes: [RegistryWrite], _ revision: Revision) throws(SQLiteError) {
        for write in writes {
            switch write {
            case .put(let key, let value, let session):
                put.reset()
                try put.bind(key, 1)
                try put.bind(value, 2)
                try put.bind(revision.rawValue, 3)
                try put.bind(session?.rawValue, 4)
                try put.run()
            case .delete(let key):
                delete.reset()
                try delete.bind(key, 1)
                try delete.run()
            }
        }
        count.reset()
        try count.bind(revision.rawValue, 1)
        try count.bind(0, 2)
        try count.run()
    }

    /// Runs the body in a transaction, committed when the outcome is, and rolled back otherwise.
    private func transaction(
        _ body: () throws(SQLiteError) -> CommitOutcome?
    ) throws(RegistryError) -> CommitOutcome {
        begin.reset()
        try explaining { () throws(SQLiteError) in try begin.run() }
        do throws(SQLiteError) {
            guard let outcome = try body() else { throw SQLiteError(code: SQLITE_ABORT, message: "nothing to commit") }
            guard case .committed(let revision) = outcome else {
                rollBack()
                return outcome
            }
            commit.reset()
            try commit.run()
            self.revision = revision
            return outcome
        } catch {
            rollBack()
            throw Self.explain(error, path)
        }
    }

    /// Commits of the body reach the disk with the next commit outside it.
    private func unsynced(_ body: () throws(RegistryError) -> Void) throws(RegistryError) {
        try explaining { () throws(SQLiteError) in try database.execute("PRAGMA synchronous = NORMAL") }
        let result = Result { () throws(RegistryError) in try body() }
        try explaining { () throws(SQLiteError) in try database.execute("PRAGMA synchronous = FULL") }
        try result.get()
    }

    private func rollBack() {
        // When the failed statement has rolled back by itself there is no transaction left, and this fails harmlessly.
        _ = try? database.execute("ROLLBACK")
    }

    private func explaining<Result>(_ body: () throws(SQLiteError) -> Result) throws(RegistryError) -> Result {
        do throws(SQLiteError) { return try body() } catch { throw Self.explain(error, path) }
    }

    /// Says in words what SQLite says in numbers.
    static func explain(_ error: SQLiteError, _ path: String) -> RegistryError {
        switch error.primaryCode {
        case SQLITE_BUSY, SQLITE_LOCKED:
            RegistryError(.held, "the registry \(path) is in use by another process")
        case SQLITE_NOTADB, SQLITE_CORRUPT:
            RegistryError(
                .corrupt,
                "the registry \(path) is damaged or not a registry (\(error.message)); restore it from a backup, or move it "
                    + "away and take the topics over with 'weir log adopt'")
        case SQLITE_SCHEMA:
            RegistryError(
                .newerSchema,
                "the registry \(path) was written by a newer Weir (\(error.message)); start that version, or a newer one"
            )
        case SQLITE_FULL:
            RegistryError(.unavailable, "the registry \(path) cannot be written: the disk is full")
        case SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_READONLY:
            RegistryError(.unavailable, "the registry \(path) cannot be opened for writing: \(error.message)")
        default:
            RegistryError(.unavailable, "the registry \(path) failed: \(error.message) (SQLite code \(error.code))")
        }
    }
}
