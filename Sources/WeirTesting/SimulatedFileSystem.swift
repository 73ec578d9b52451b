public import SystemPackage
public import WeirSystem

/// A disk in memory that can lose power.
///
/// What is written is seen at once, and survives a crash for certain only once it was synced: file contents by `sync`,
/// names by `syncDirectory`. Of the rest a crash keeps what the seed says: any 512-byte sectors of a file in any order, any
/// of the lengths it had since, and of each directory's changes a beginning.
public final class SimulatedFileSystem: FileSystem {
    /// A kind of call, for counting and for faults.
    public enum Operation: String, Sendable, CaseIterable {
        case open, list, mkdir, rename, remove, syncDirectory, syncAll, write, read, truncate, allocate, sync, map
    }

    static let sectorBytes = 512

    let state: Locked<State>

    struct State {
        /// By path, as text: `FilePath` is slow to take apart in debug builds.
        var tree: [String: Node] = [:]
        var durableTree: [String: Node] = [:]
        /// Changes of names that are not durable, in order.
        var changes: [NameChange] = []
        var locks: Set<FilePath> = []
        var capacity = Int64.max / 4
        var openFiles = 0
        var openFilesMost = 0
        var operations = 0
        var fault: (@Sendable (Operation, FilePath) -> Errno?)?
        var crashPoint: (at: Int, body: @Sendable () -> Void)?

        var usedBytes: Int64 {
            tree.values.reduce(0) { sum, node in
                if case .file(let inode) = node { sum + Int64(inode.content.count) } else { sum }
            }
        }
    }

    enum Node {
        case directory
        case file(Inode)
    }

    /// A file's content; touched under the file system's lock only.
    final class Inode: @unchecked Sendable {
        var content: [UInt8] = []
        var durable: [UInt8] = []
        /// Lengths that the file had since the last sync.
        var lengths: [Int] = []
        var isDirty = false
    }

    enum NameChange {
        case make(String, Node)
        case remove(String)
        case rename(String, String)

        var directories: [String] {
            switch self {
            case .make(let path, _), .remove(let path): [parent(of: path)]
            case .rename(let from, let to): [parent(of: from), parent(of: to)]
            }
        }
    }

    public init() { state = Locked(State()) }

    private init(_ state: State) { self.state = Locked(state) }

    // MARK: Control

    /// Calls that were made so far.
    public var operationCount: Int { state.withLock { $0.operations } }

    /// How many files are open now, and how many were at most.
    public var openFileCounts: (now: Int, most: Int) { state.withLock { ($0.openFiles, $0.openFilesMost) } }

    /// Bytes that all files may have together.
    public func setCapacity(_ bytes: Int64) { state.withLock { $0.capacity = bytes } }

    /// Makes calls fail for which the closure has an error number.
    public func setFault(_ fault: (@Sendable (Operation, FilePath) -> Errno?)?) { state.withLock { $0.fault = fault } }

    /// Calls the body once, just before the call after that many more: the place to take a `crashed` image of.
    public func atOperation(_ count: Int, _ body: @escaping @Sendable () -> Void) {
        state.withLock { $0.crashPoint = ($0.operations + count, body) }
    }

    /// The disk as a power cut at this moment leaves it. This one goes on unharmed.
    public func crashed(seed: UInt64) -> SimulatedFileSystem {
        state.withLock { state in
            var random = SeededGenerator(seed: seed)
            var tree = state.durableTree
            let directories = Set(state.changes.flatMap(\.directories)).sorted()
            var kept: [String: Int] = [:]
            for directory in directories {
                let count = state.changes.count { $0.directories.contains(directory) }
                kept[directory] = Int.random(in: 0...count, using: &random)
            }
            for change in state.changes {
                var survives = false
                for directory in change.directories {
                    if let left = kept[directory], left > 0 {
                        kept[directory] = left - 1
                        survives = true
                    }
                }
                if survives { Self.apply(change, to: &tree) }
            }
            var copies: [ObjectIdentifier: Inode] = [:]
            var result: [String: Node] = [:]
            for (path, node) in tree.sorted(by: { $0.key < $1.key })
            where Self.isReachable(path, in: tree) {
                guard case .file(let inode) = node else {
                    result[path] = node
                    continue
                }
                let copy = copies[ObjectIdentifier(inode)] ?? Self.survivor(of: inode, &random)
                copies[ObjectIdentifier(inode)] = copy
                result[path] = .file(copy)
            }
            return SimulatedFileSystem(State(tree: result, durableTree: result))
        }
    }

    /// The disk after only the process died: everything that was written is there.
    public func killed() -> SimulatedFileSystem {
        state.withLock { state in
            var copies: [ObjectIdentifier: Inode] = [:]
            func copy(_ tree: [String: Node]) -> [String: Node] {
                tree.mapValues { node in
                    guard case .file(let inode) = node else { return node }
                    let copy = copies[ObjectIdentifier(inode)] ?? Inode()
                    copy.content = inode.content
                    copy.durable = inode.durable
                    copy.lengths = inode.lengths
                    copy.isDirty = inode.isDirty
                    copies[ObjectIdentifier(inode)] = copy
                    return .file(copy)
                }
            }
            var next = State(tree: copy(state.tree), durableTree: copy(state.durableTree))
            next.changes = state.changes.map { change in
                guard case .make(let path, .file(let inode)) = change, let made = copies[ObjectIdentifier(inode)] else {
                    return change
                }
                return .make(path, .file(made))
            }
            return SimulatedFileSystem(next)
        }
    }

    /// All files and what is in them.
    public var contents: [(path: FilePath, bytes: [UInt8])] {
        state.withLock { state in
            state.tree.compactMap { path, node in
                if case .file(let inode) = node { (FilePath(path), inode.content) } else { nil }
            }.sorted { $0.0.string < $1.0.string }
        }
    }

    /// Puts bytes in a file, durably, as a fault of the disk would.
    public func overwrite(_ path: FilePath, with bytes: [UInt8]) {
        state.withLock { state in
            let inode: Inode
            if case .file(let present)? = state.tree[path.string] { inode = present } else { inode = Inode() }
            inode.content = bytes
            inode.durable = bytes
            inode.isDirty = false
            inode.lengths = []
            state.tree[path.string] = .file(inode)
            state.durableTree[path.string] = .file(inode)
        }
    }

    private static func survivor(of inode: Inode, _ random: inout SeededGenerator) -> Inode {
        let copy = Inode()
        defer { copy.durable = copy.content }
        guard inode.isDirty else {
            copy.content = inode.durable
            return copy
        }
        let lengths = [inode.durable.count] + inode.lengths
        let length = lengths[Int.random(in: 0..<lengths.count, using: &random)]
        // All, nothing, a beginning, or any sectors: each kind of loss often enough.
        let manner = Int.random(in: 0..<5, using: &random)
        let sectors = (length + sectorBytes - 1) / sectorBytes
        let prefix = Int.random(in: 0...sectors, using: &random)
        copy.content = [UInt8](repeating: 0, count: length)
        for sector in 0..<sectors {
            let isKept =
                switch manner {
                case 0: true
                case 1: false
                case 2: sector < prefix
                default: Bool.random(using: &random)
                }
            let source = isKept ? inode.content : inode.durable
            let start = sector * sectorBytes
            let end = min(start + sectorBytes, length, source.count)
            if start < end { copy.content.replaceSubrange(start..<end, with: source[start..<end]) }
        }
        return copy
    }

    private static func isReachable(_ path: String, in tree: [String: Node]) -> Bool {
        var parent = parent(of: path)
        while !parent.isEmpty, parent != "/" {
            guard case .directory? = tree[parent] else { return false }
            parent = Self.parent(of: parent)
        }
        return true
    }

    /// The directory of an absolute path.
    static func parent(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "" }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    static func apply(_ change: NameChange, to tree: inout [String: Node]) {
        switch change {
        case .make(let path, let node): tree[path] = node
        case .remove(let path): tree[path] = nil
        case .rename(let from, let to):
            guard let node = tree.removeValue(forKey: from) else { return }
            tree[to] = node
            let prefix = from + "/"
            for (path, node) in tree where path.hasPrefix(prefix) {
                tree[path] = nil
                tree[to + "/" + path.dropFirst(prefix.count)] = node
            }
        }
    }

    /// Counts a call, gives a planned crash its moment, and throws a planned fault.
    func enter(_ operation: Operation, _ path: FilePath) throws(FileError) {
        let (crash, fault) = state.withLock { state in
            state.operations += 1
            var crash: (@Sendable () -> Void)?
            if let point = state.crashPoint, state.operations >= point.at {
                crash = point.body
                state.crashPoint = nil
            }
            return (crash, state.fault)
        }
        crash?()
        if let error = fault?(operation, path) { throw FileError(operation.rawValue, path, error) }
    }
}
