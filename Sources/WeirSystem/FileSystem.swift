// WeirSystem: the seams. Whatever comes from outside the program (files, time, randomness, threads) enters through a
// protocol here, with one Linux implementation beside it; WeirTesting has the simulated twins.
// Nothing here knows records, topics or the wire.

public import SystemPackage

/// A disk, as much of it as a log needs.
///
/// Implementations are safe to use from any thread. Nothing is durable before the file's `sync()`, and no directory entry
/// (a created, renamed or removed name) before `syncDirectory`.
public protocol FileSystem: Sendable {
    /// Opens a file for reading and writing; `create` makes it when it is missing (mode 0644).
    func open(_ path: FilePath, create: Bool) throws(FileError) -> any File
    /// The names in a directory, without `.` and `..`, in no particular order.
    func list(_ directory: FilePath) throws(FileError) -> [String]
    /// What stands at a path; nil when nothing does.
    func kind(of path: FilePath) throws(FileError) -> FileKind?
    /// Makes a directory (mode 0755) and, with `intermediates`, its missing parents; an existing directory is fine.
    func makeDirectory(_ path: FilePath, intermediates: Bool) throws(FileError)
    /// Renames a file or directory, replacing a file at the target.
    func rename(_ path: FilePath, to target: FilePath) throws(FileError)
    /// Removes a file; a missing one is fine.
    func remove(_ path: FilePath) throws(FileError)
    /// Removes a directory and all in it; a missing one is fine.
    func removeTree(_ path: FilePath) throws(FileError)
    /// Makes the directory's entries durable.
    func syncDirectory(_ path: FilePath) throws(FileError)
    /// Makes everything that was written to the path's file system durable (`syncfs`): one call in place of thousands.
    func syncAll(at path: FilePath) throws(FileError)
    /// Bytes that an unprivileged process may still write, and the size of the whole file system.
    func space(at path: FilePath) throws(FileError) -> (free: Int64, total: Int64)
    /// Takes an exclusive advisory lock on the file, made when missing, for as long as the answer lives.
    /// Nil when another process holds it.
    func lock(_ path: FilePath) throws(FileError) -> (any FileLock)?
}

/// What a path names.
public enum FileKind: Sendable, Equatable {
    case file(size: Int64)
    case directory
    case other
}

/// Holds a file system's advisory lock until it is released or goes away.
public protocol FileLock: AnyObject, Sendable {
    func release()
}

/// An open file. Closed when the last reference goes away.
///
/// Positional only, so that any thread may read while one writes.
public protocol File: AnyObject, Sendable {
    /// Writes all bytes at the position, or throws; what a failed call left behind is undefined within its range.
    func write(_ bytes: UnsafeRawBufferPointer, at position: Int64) throws(FileError)
    /// Writes the parts one after another at the position, as one operation where the system can (`pwritev`).
    func write(gathering parts: UnsafeBufferPointer<UnsafeRawBufferPointer>, at position: Int64) throws(FileError)
    /// Reads up to the buffer's size; fewer only at the end of the file.
    func read(into bytes: UnsafeMutableRawBufferPointer, at position: Int64) throws(FileError) -> Int
    /// Reads the whole buffer if the system has all of it in memory; false when it would have to wait for the disk.
    func readCached(into bytes: UnsafeMutableRawBufferPointer, at position: Int64) throws(FileError) -> Bool
    /// The file's length in bytes.
    func size() throws(FileError) -> Int64
    /// Cuts or extends (with zeros) to the length.
    func truncate(to length: Int64) throws(FileError)
    /// Reserves space for the range and extends the file over it with zeros.
    func allocate(from position: Int64, count: Int64) throws(FileError)
    /// Makes the content durable (`fdatasync`). After a failure the file must not be trusted: do not retry.
    func sync() throws(FileError)
    /// Maps the first `length` bytes for reading, populated so that a bad sector is an error here and not a signal later.
    func map(length: Int) throws(FileError) -> any FileMapping
    /// The kernel's descriptor, for `sendfile`; nil where there is none (simulated files).
    var descriptor: CInt? { get }
}

extension File {
    /// For files that never wait.
    public func readCached(
        into bytes: UnsafeMutableRawBufferPointer, at position: Int64
    ) throws(FileError) -> Bool {
        try read(into: bytes, at: position) == bytes.count
    }
}

/// A read-only view of a file's first bytes; unmapped when the last reference goes away.
public protocol FileMapping: AnyObject, Sendable {
    var bytes: UnsafeRawBufferPointer { get }
}

/// What a disk operation failed with.
public struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The operation, such as `fdatasync`.
    public let operation: String
    public let path: FilePath
    /// The system's error number.
    public let errno: Errno

    public init(_ operation: String, _ path: FilePath, _ errno: Errno) {
        self.operation = operation
        self.path = path
        self.errno = errno
    }

    public var description: String { "\(operation) of \(path) failed: \(errno)" }
}
