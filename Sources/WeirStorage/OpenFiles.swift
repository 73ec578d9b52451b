internal import DequeModule
internal import SystemPackage
internal import WeirSystem

/// Bounds how many segment and index files are open, dropping those that were not used for the longest time, about
/// (the clock algorithm: a file that was used since the hand passed gets a second round).
///
/// Dropping only lets go of a reference: whoever still reads or sends from a file keeps it open.
final class OpenFiles: Sendable {
    let fileSystem: any FileSystem
    private let limit: Int
    private let ring: Locked<Deque<FileHandle>>

    init(fileSystem: any FileSystem, limit: Int) {
        self.fileSystem = fileSystem
        self.limit = max(16, limit)
        ring = Locked(Deque())
    }

    /// How many files are held open now.
    var count: Int { ring.withLock { $0.count(where: \.isOpen) } }

    fileprivate func opened(_ handle: FileHandle) {
        ring.withLock { ring in
            ring.append(handle)
            // Each round either drops a handle or takes its mark away; twice around meets every one unmarked.
            var rounds = ring.count * 2
            while ring.count > limit, rounds > 0, let candidate = ring.popFirst() {
                rounds -= 1
                if !candidate.release() { ring.append(candidate) }
            }
        }
    }
}

/// A segment's file by its name, opened when needed.
final class FileHandle: Sendable {
    let path: FilePath
    private let pool: OpenFiles
    private let state = Locked(State())

    private struct State {
        var file: (any File)?
        var mapping: (any FileMapping)?
        var wasUsed = false
        /// While above zero the file stays open: it has writes that are not synced, and a write error would be lost
        /// with the descriptor.
        var pins = 0
        /// Whether the name may be another file's by now.
        var isRetired = false
    }

    init(path: FilePath, pool: OpenFiles) {
        self.path = path
        self.pool = pool
    }

    var isOpen: Bool { state.withLock { $0.file != nil } }

    /// The open file.
    func file(create: Bool = false) throws(FileError) -> any File {
        let held = state.withLock { state -> (any File)? in
            state.wasUsed = true
            return state.file
        }
        if let held { return held }
        if state.withLock({ $0.isRetired }) { throw FileError("open", path, .noSuchFileOrDirectory) }
        let opened = try pool.fileSystem.open(path, create: create)
        let (file, isNew) = state.withLock { state -> ((any File)?, Bool) in
            // What was just opened may be the file that took the name.
            if state.isRetired { return (nil, false) }
            if let other = state.file { return (other, false) }
            state.file = opened
            return (opened, true)
        }
        guard let file else { throw FileError("open", path, .noSuchFileOrDirectory) }
        if isNew { pool.opened(self) }
        return file
    }

    /// A mapping of at least the first `length` bytes, which must have been written.
    func mapping(length: Int) throws(FileError) -> any FileMapping {
        if let held = state.withLock({ state in state.mapping }), held.bytes.count >= length { return held }
        let mapping = try file().map(length: length)
        state.withLock { state in
            if state.file != nil { state.mapping = mapping }
        }
        return mapping
    }

    func pin() { state.withLock { $0.pins += 1 } }
    func unpin() { state.withLock { $0.pins -= 1 } }

    /// Lets go of file and mapping; the next use opens them again.
    func drop() {
        state.withLock { state in
            state.file = nil
            state.mapping = nil
        }
    }

    /// Lets go of file and mapping for good: the name is about to be another file's. Whoever still reads from the file or
    /// sends from it keeps it; any later use fails as if the file were missing.
    func retire() {
        state.withLock { state in
            state.isRetired = true
            state.pins = 0
            state.file = nil
            state.mapping = nil
        }
    }

    /// Lets go if nothing keeps it: true when the handle holds no file any more.
    fileprivate func release() -> Bool {
        state.withLock { state in
            if state.file == nil { return true }
            if state.pins > 0 { return false }
            if state.wasUsed {
                state.wasUsed = false
                return false
            }
            state.file = nil
            state.mapping = nil
            return true
        }
    }
}
