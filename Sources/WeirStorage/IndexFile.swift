internal import SystemPackage
internal import WeirSystem

/// One entry of an index file, fixed in size and big-endian as Kafka writes it.
protocol IndexEntry: Sendable {
    static var byteCount: Int { get }
    init(at bytes: UnsafeRawPointer)
    func store(to bytes: UnsafeMutableRawPointer)
    /// Whether all bytes are zero, which no written entry but the very first can be.
    var isZero: Bool { get }
}

/// `.index`: the last offset of a batch less the segment's base, and where the batch starts. 8 bytes.
struct OffsetEntry: IndexEntry, Equatable {
    let relativeOffset: UInt32
    let position: UInt32

    static var byteCount: Int { 8 }

    init(relativeOffset: UInt32, position: UInt32) {
        self.relativeOffset = relativeOffset
        self.position = position
    }

    init(at bytes: UnsafeRawPointer) {
        relativeOffset = UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))
        position = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    }

    func store(to bytes: UnsafeMutableRawPointer) {
        bytes.storeBytes(of: relativeOffset.bigEndian, as: UInt32.self)
        bytes.storeBytes(of: position.bigEndian, toByteOffset: 4, as: UInt32.self)
    }

    var isZero: Bool { relativeOffset == 0 && position == 0 }
}

/// `.timeindex`: the largest timestamp so far, and the last offset of the batch that has it, less the base. 12 bytes.
struct TimeEntry: IndexEntry, Equatable {
    let timestamp: Int64
    let relativeOffset: UInt32

    static var byteCount: Int { 12 }

    init(timestamp: Int64, relativeOffset: UInt32) {
        self.timestamp = timestamp
        self.relativeOffset = relativeOffset
    }

    init(at bytes: UnsafeRawPointer) {
        timestamp = Int64(bigEndian: bytes.loadUnaligned(as: Int64.self))
        relativeOffset = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
    }

    func store(to bytes: UnsafeMutableRawPointer) {
        bytes.storeBytes(of: timestamp.bigEndian, as: Int64.self)
        bytes.storeBytes(of: relativeOffset.bigEndian, toByteOffset: 8, as: UInt32.self)
    }

    var isZero: Bool { timestamp == 0 && relativeOffset == 0 }
}

/// An index: the older entries in the file, mapped when they are looked at, the newer ones in memory until they are worth a
/// write. A value: a copy made under the log's lock may be searched outside it.
///
/// The mapping covers written entries only, and the file never shrinks below them while it may be mapped: `truncate`
/// leaves stale entries beyond the count, which `finish` removes by writing a new file.
struct IndexFile<Entry: IndexEntry>: Sendable {
    let handle: FileHandle
    /// How many entries the file has that are valid.
    private(set) var written: Int
    /// Entries from number `tailStart` on, also those of them that are written.
    private(set) var tail: [Entry] = []
    private var tailStart: Int
    /// The file's length, its unwritten part included; nil when the file may not exist.
    private var allocated: Int64?
    /// Whether the file has entries beyond `written` that a mapping may cover.
    private var hasStaleEntries = false
    /// Whether the file has writes that are not synced.
    var isUnsynced = false

    /// Written entries that stay in memory at most.
    private static var tailMax: Int { 1024 }
    /// Entries that wait for one write.
    private static var batch: Int { 64 }
    private static var allocationStart: Int64 { 4096 }
    private static var allocationStepMax: Int64 { 1 << 20 }

    /// An index with that many valid entries in its file.
    init(handle: FileHandle, entries: Int, fileBytes: Int64?) {
        self.handle = handle
        written = entries
        tailStart = entries
        allocated = fileBytes
        hasStaleEntries = (fileBytes ?? 0) > Int64(entries) * Int64(Entry.byteCount)
    }

    var count: Int { tailStart + tail.count }

    func entry(at index: Int) throws(FileError) -> Entry {
        if index >= tailStart { return tail[index - tailStart] }
        let mapping = try handle.mapping(length: tailStart * Entry.byteCount)
        return withExtendedLifetime(mapping) { Self.entry(mapping, index) }
    }

    func last() throws(FileError) -> Entry? {
        count == 0 ? nil : try entry(at: count - 1)
    }

    /// The number of leading entries for which the test holds; it must hold for a prefix only.
    func countOfPrefix(where test: (Entry) -> Bool) throws(FileError) -> Int {
        if let first = tail.first, test(first) {
            return tailStart + Self.search(tail.count) { test(tail[$0]) }
        }
        if tailStart == 0 { return 0 }
        let mapping = try handle.mapping(length: tailStart * Entry.byteCount)
        return withExtendedLifetime(mapping) {
            Self.search(tailStart) { test(Self.entry(mapping, $0)) }
        }
    }

    /// The last entry of the prefix for which the test holds.
    func lastOfPrefix(where test: (Entry) -> Bool) throws(FileError) -> Entry? {
        let count = try countOfPrefix(where: test)
        return count == 0 ? nil : try entry(at: count - 1)
    }

    mutating func append(_ entry: Entry) throws(FileError) {
        tail.append(entry)
        guard count - written >= Self.batch else { return }
        do throws(FileError) {
            try write()
        } catch {
            // What does not get to the file now is in memory, and is tried again with the next entry.
            if !error.isPassing { throw error }
        }
    }

    /// Writes the entries that only memory has.
    mutating func write() throws(FileError) {
        let total = count
        guard written < total else { return }
        let file = try handle.file(create: true)
        let end = Int64(total) * Int64(Entry.byteCount)
        try grow(file, to: end)
        let fresh = tail[(written - tailStart)...]
        let position = Int64(written) * Int64(Entry.byteCount)
        try Self.withBytes(of: fresh) { bytes throws(FileError) in try file.write(bytes, at: position) }
        written = total
        isUnsynced = true
        if tail.count >= Self.tailMax {
            tail.removeAll(keepingCapacity: true)
            tailStart = total
        }
    }

    /// Forgets the entries from that number on.
    mutating func truncate(toCount count: Int) throws(FileError) {
        guard count < self.count else { return }
        if count >= tailStart {
            tail.removeLast(tail.count - (count - tailStart))
        } else {
            tail.removeAll()
            tailStart = count
        }
        if count < written {
            written = count
            hasStaleEntries = true
        }
    }

    /// Writes everything and cuts the file to its entries. Creates the file when there is none.
    mutating func finish(_ fileSystem: any FileSystem) throws(FileError) {
        try write()
        let end = Int64(written) * Int64(Entry.byteCount)
        guard allocated != end else { return }
        if hasStaleEntries {
            try replace(fileSystem, length: Int(end))
        } else {
            try handle.file(create: true).truncate(to: end)
        }
        allocated = end
        isUnsynced = true
    }

    /// Writes a new file with the valid entries in place of the old one, whose mappings keep seeing the old one.
    private mutating func replace(_ fileSystem: any FileSystem, length: Int) throws(FileError) {
        var failure: FileError?
        let copy = handle.path.appendingExtension("new")
        do throws(FileError) {
            let source = try handle.file(create: true)
            let target = try fileSystem.open(copy, create: true)
            try target.truncate(to: 0)
            try withUnsafeTemporaryAllocation(byteCount: max(1, length), alignment: 1) { bytes throws(FileError) in
                let space = UnsafeMutableRawBufferPointer(rebasing: bytes[..<length])
                guard try source.read(into: space, at: 0) == length else {
                    throw FileError("pread", handle.path, .ioError)
                }
                try target.write(UnsafeRawBufferPointer(space), at: 0)
            }
            try target.sync()
            try fileSystem.rename(copy, to: handle.path)
        } catch {
            failure = error
        }
        handle.drop()
        if let failure { throw failure }
        hasStaleEntries = false
    }

    private mutating func grow(_ file: any File, to end: Int64) throws(FileError) {
        let current = allocated ?? 0
        guard end > current else { return }
        var target = max(current, Self.allocationStart)
        while target < end { target += min(target, Self.allocationStepMax) }
        do throws(FileError) {
            try file.allocate(from: current, count: target - current)
            allocated = target
        } catch {
            // A file system without preallocation, or little space, of which a part may have been taken all the same: the
            // write itself extends.
            allocated = max(end, try file.size())
        }
    }

    private static func entry(_ mapping: any FileMapping, _ index: Int) -> Entry {
        guard let base = mapping.bytes.baseAddress else { preconditionFailure("a mapping of nothing was searched") }
        return Entry(at: base + index * Entry.byteCount)
    }

    private static func search(_ count: Int, _ test: (Int) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if test(middle) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private static func withBytes(
        of entries: ArraySlice<Entry>, _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
    ) throws(FileError) {
        var failure: FileError?
        withUnsafeTemporaryAllocation(byteCount: max(1, entries.count * Entry.byteCount), alignment: 1) { bytes in
            guard let base = bytes.baseAddress else { return }
            var position = 0
            for entry in entries {
                entry.store(to: base + position)
                position += Entry.byteCount
            }
            do throws(FileError) {
                try body(UnsafeRawBufferPointer(start: base, count: position))
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }
}
