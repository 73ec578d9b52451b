public import SystemPackage
public import WeirSystem

extension SimulatedFileSystem {
    public func open(_ path: FilePath, create: Bool) throws(FileError) -> any File {
        try enter(.open, path)
        let inode = try state.withLock { state throws(FileError) -> Inode in
            switch state.tree[path.string] {
            case .file(let inode): return inode
            case .directory: throw FileError("open", path, .isDirectory)
            case nil:
                guard create else { throw FileError("open", path, .noSuchFileOrDirectory) }
                try Self.checkParent(of: path, state)
                let inode = Inode()
                Self.change(.make(path.string, .file(inode)), &state)
                return inode
            }
        }
        return SimulatedFile(path: path, inode: inode, disk: self)
    }

    public func list(_ directory: FilePath) throws(FileError) -> [String] {
        try enter(.list, directory)
        return try state.withLock { state throws(FileError) in
            guard directory.string == "/" || state.tree[directory.string] != nil else {
                throw FileError("opendir", directory, .noSuchFileOrDirectory)
            }
            let prefix = directory.string == "/" ? "/" : directory.string + "/"
            return state.tree.keys.filter { $0.hasPrefix(prefix) && Self.parent(of: $0) == directory.string }
                .map { String($0.dropFirst(prefix.count)) }.sorted()
        }
    }

    public func kind(of path: FilePath) throws(FileError) -> FileKind? {
        state.withLock { state in
            switch state.tree[path.string] {
            case .file(let inode): .file(size: Int64(inode.content.count))
            case .directory: .directory
            case nil: path.string == "/" ? .directory : nil
            }
        }
    }

    public func makeDirectory(_ path: FilePath, intermediates: Bool) throws(FileError) {
        try enter(.mkdir, path)
        try state.withLock { state throws(FileError) in try Self.make(path, intermediates, &state) }
    }

    public func rename(_ path: FilePath, to target: FilePath) throws(FileError) {
        try enter(.rename, path)
        try state.withLock { state throws(FileError) in
            guard state.tree[path.string] != nil else { throw FileError("rename", path, .noSuchFileOrDirectory) }
            try Self.checkParent(of: target, state)
            Self.change(.rename(path.string, target.string), &state)
        }
    }

    public func remove(_ path: FilePath) throws(FileError) {
        try enter(.remove, path)
        try state.withLock { state throws(FileError) in
            switch state.tree[path.string] {
            case .directory: throw FileError("unlink", path, .isDirectory)
            case .file: Self.change(.remove(path.string), &state)
            case nil: return
            }
        }
    }

    public func removeTree(_ path: FilePath) throws(FileError) {
        try enter(.remove, path)
        state.withLock { state in
            let prefix = path.string + "/"
            let inside = state.tree.keys.filter { $0.hasPrefix(prefix) }
            for path in inside.sorted(by: >) { Self.change(.remove(path), &state) }
            if state.tree[path.string] != nil { Self.change(.remove(path.string), &state) }
        }
    }

    public func syncDirectory(_ path: FilePath) throws(FileError) {
        try enter(.syncDirectory, path)
        state.withLock { state in
            var left: [NameChange] = []
            for change in state.changes {
                if change.directories.contains(path.string) {
                    Self.apply(change, to: &state.durableTree)
                } else {
                    left.append(change)
                }
            }
            state.changes = left
        }
    }

    public func syncAll(at path: FilePath) throws(FileError) {
        try enter(.syncAll, path)
        state.withLock { state in
            for change in state.changes { Self.apply(change, to: &state.durableTree) }
            state.changes = []
            for case .file(let inode) in state.tree.values { Self.sync(inode) }
        }
    }

    public func space(at path: FilePath) throws(FileError) -> (free: Int64, total: Int64) {
        state.withLock { (max(0, $0.capacity - $0.usedBytes), $0.capacity) }
    }

    public func lock(_ path: FilePath) throws(FileError) -> (any FileLock)? {
        try enter(.open, path)
        return state.withLock { state in
            guard state.locks.insert(path).inserted else { return nil }
            return SimulatedFileLock(path: path, disk: self)
        }
    }

    static func sync(_ inode: Inode) {
        inode.durable = inode.content
        inode.lengths = []
        inode.isDirty = false
    }

    private static func change(_ change: NameChange, _ state: inout State) {
        apply(change, to: &state.tree)
        state.changes.append(change)
    }

    private static func make(_ path: FilePath, _ intermediates: Bool, _ state: inout State) throws(FileError) {
        switch state.tree[path.string] {
        case .directory: return
        case .file: throw FileError("mkdir", path, .fileExists)
        case nil: break
        }
        let parent = parent(of: path.string)
        if intermediates, !parent.isEmpty, parent != "/" { try make(FilePath(parent), true, &state) }
        try checkParent(of: path, state)
        change(.make(path.string, .directory), &state)
    }

    private static func checkParent(of path: FilePath, _ state: State) throws(FileError) {
        let parent = parent(of: path.string)
        if parent == "/" || parent.isEmpty { return }
        guard case .directory? = state.tree[parent] else {
            throw FileError("open", path, .noSuchFileOrDirectory)
        }
    }
}

final class SimulatedFileLock: FileLock {
    private let path: FilePath
    private let disk: SimulatedFileSystem

    init(path: FilePath, disk: SimulatedFileSystem) {
        self.path = path
        self.disk = disk
    }

    deinit { release() }

    func release() { disk.state.withLock { _ = $0.locks.remove(path) } }
}

final class SimulatedFile: File {
    private let path: FilePath
    private let inode: SimulatedFileSystem.Inode
    private let disk: SimulatedFileSystem

    init(path: FilePath, inode: SimulatedFileSystem.Inode, disk: SimulatedFileSystem) {
        self.path = path
        self.inode = inode
        self.disk = disk
        disk.state.withLock { state in
            state.openFiles += 1
            state.openFilesMost = max(state.openFilesMost, state.openFiles)
        }
    }

    deinit { disk.state.withLock { $0.openFiles -= 1 } }

    var descriptor: CInt? { nil }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int64) throws(FileError) {
        try disk.enter(.write, path)
        try store(bytes, at: position)
    }

    func write(gathering parts: UnsafeBufferPointer<UnsafeRawBufferPointer>, at position: Int64) throws(FileError) {
        try disk.enter(.write, path)
        var position = position
        for part in parts {
            try store(part, at: position)
            position += Int64(part.count)
        }
    }

    private func store(_ bytes: UnsafeRawBufferPointer, at position: Int64) throws(FileError) {
        try disk.state.withLock { state throws(FileError) in
            let start = Int(position)
            try resize(max(inode.content.count, start + bytes.count), &state)
            inode.content.withUnsafeMutableBytes { content in
                UnsafeMutableRawBufferPointer(rebasing: content[start..<start + bytes.count]).copyMemory(from: bytes)
            }
            inode.isDirty = true
        }
    }

    private func resize(_ length: Int, _ state: inout SimulatedFileSystem.State) throws(FileError) {
        let growth = length - inode.content.count
        if growth == 0 { return }
        if growth > 0 {
            guard state.usedBytes + Int64(growth) <= state.capacity else { throw FileError("write", path, .noSpace) }
            inode.content.append(contentsOf: repeatElement(0, count: growth))
        } else {
            inode.content.removeLast(-growth)
        }
        inode.lengths.append(length)
        inode.isDirty = true
    }

    func read(into bytes: UnsafeMutableRawBufferPointer, at position: Int64) throws(FileError) -> Int {
        try disk.enter(.read, path)
        return disk.state.withLock { _ in
            let start = Int(position)
            guard start < inode.content.count else { return 0 }
            let count = min(bytes.count, inode.content.count - start)
            inode.content.withUnsafeBytes { content in
                bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: content[start..<start + count]))
            }
            return count
        }
    }

    func size() throws(FileError) -> Int64 { disk.state.withLock { _ in Int64(inode.content.count) } }

    func truncate(to length: Int64) throws(FileError) {
        try disk.enter(.truncate, path)
        try disk.state.withLock { state throws(FileError) in try resize(Int(length), &state) }
    }

    func allocate(from position: Int64, count: Int64) throws(FileError) {
        try disk.enter(.allocate, path)
        try disk.state.withLock { state throws(FileError) in
            try resize(max(inode.content.count, Int(position + count)), &state)
        }
    }

    func sync() throws(FileError) {
        try disk.enter(.sync, path)
        disk.state.withLock { _ in SimulatedFileSystem.sync(inode) }
    }

    func map(length: Int) throws(FileError) -> any FileMapping {
        try disk.enter(.map, path)
        return try disk.state.withLock { _ throws(FileError) in
            guard length <= inode.content.count else { throw FileError("mmap", path, .invalidArgument) }
            return SimulatedMapping(Array(inode.content[..<length]))
        }
    }
}

/// A copy: enough for files whose mapped part does not change, which is what mappings are for here.
final class SimulatedMapping: FileMapping, @unchecked Sendable {
    // Unchecked: the memory is written in init and freed in deinit only.
    private let memory: UnsafeMutableRawBufferPointer

    init(_ content: [UInt8]) {
        memory = .allocate(byteCount: max(1, content.count), alignment: 1)
        memory.copyBytes(from: content)
        bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory)[..<content.count])
    }

    let bytes: UnsafeRawBufferPointer

    deinit { memory.deallocate() }
}
