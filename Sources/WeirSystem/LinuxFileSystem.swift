internal import CWeirLinux
internal import Glibc
public import SystemPackage

/// The kernel's files.
public struct LinuxFileSystem: FileSystem {
    public init() {}

    public func open(_ path: FilePath, create: Bool) throws(FileError) -> any File {
        LinuxFile(path: path, descriptor: try Self.descriptor(path, O_RDWR | (create ? O_CREAT : 0)))
    }

    public func list(_ directory: FilePath) throws(FileError) -> [String] {
        guard let stream = directory.withPlatformString({ opendir($0) }) else {
            throw Self.failure("opendir", directory)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 { throw Self.failure("readdir", directory) }
                return names
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
    }

    public func kind(of path: FilePath) throws(FileError) -> FileKind? {
        var status = stat()
        if path.withPlatformString({ stat($0, &status) }) != 0 {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw Self.failure("stat", path)
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file(size: Int64(status.st_size))
        case S_IFDIR: return .directory
        default: return .other
        }
    }

    public func makeDirectory(_ path: FilePath, intermediates: Bool) throws(FileError) {
        if path.withPlatformString({ mkdir($0, 0o755) }) == 0 { return }
        if errno == EEXIST {
            if try kind(of: path) == .directory { return }
            throw FileError("mkdir", path, .fileExists)
        }
        let parent = path.removingLastComponent()
        guard errno == ENOENT, intermediates, !parent.isEmpty, parent != path else { throw Self.failure("mkdir", path) }
        try makeDirectory(parent, intermediates: true)
        try makeDirectory(path, intermediates: false)
    }

    public func rename(_ path: FilePath, to target: FilePath) throws(FileError) {
        let result = path.withPlatformString { from in target.withPlatformString { Glibc.rename(from, $0) } }
        if result != 0 { throw Self.failure("rename", path) }
    }

    public func remove(_ path: FilePath) throws(FileError) {
        if path.withPlatformString({ unlink($0) }) != 0, errno != ENOENT { throw Self.failure("unlink", path) }
    }

    public func removeTree(_ path: FilePath) throws(FileError) {
        var status = stat()
        if path.withPlatformString({ lstat($0, &status) }) != 0 {
            if errno == ENOENT { return }
            throw Self.failure("lstat", path)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { return try remove(path) }
        for name in try list(path) { try removeTree(path.appending(name)) }
        if path.withPlatformString({ rmdir($0) }) != 0, errno != ENOENT { throw Self.failure("rmdir", path) }
    }

    public func syncDirectory(_ path: FilePath) throws(FileError) {
        let descriptor = try Self.descriptor(path, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        if fsync(descriptor) != 0 { throw Self.failure("fsync", path) }
    }

    public func syncAll(at path: FilePath) throws(FileError) {
        let descriptor = try Self.descriptor(path, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        let result = weir_sync_all(descriptor)
        if result < 0 { throw FileError("syncfs", path, Errno(rawValue: -result)) }
    }

    public func space(at path: FilePath) throws(FileError) -> (free: Int64, total: Int64) {
        var status = statvfs()
        if path.withPlatformString({ statvfs($0, &status) }) != 0 { throw Self.failure("statvfs", path) }
        let unit = Int64(clamping: status.f_frsize)
        return (
            Int64(clamping: status.f_bavail).multipliedReportingOverflow(by: unit).partialValue,
            Int64(clamping: status.f_blocks).multipliedReportingOverflow(by: unit).partialValue
        )
    }

    public func lock(_ path: FilePath) throws(FileError) -> (any FileLock)? {
        let descriptor = try Self.descriptor(path, O_RDWR | O_CREAT)
        let result = weir_lock(descriptor)
        if result == 0 { return LinuxFileLock(descriptor: descriptor) }
        close(descriptor)
        if -result == EWOULDBLOCK { return nil }
        throw FileError("flock", path, Errno(rawValue: -result))
    }

    private static func descriptor(_ path: FilePath, _ flags: CInt) throws(FileError) -> CInt {
        while true {
            let descriptor = path.withPlatformString { Glibc.open($0, flags | O_CLOEXEC, 0o644) }
            if descriptor >= 0 { return descriptor }
            if errno != EINTR { throw failure("open", path) }
        }
    }

    private static func failure(_ operation: String, _ path: FilePath) -> FileError {
        FileError(operation, path, Errno(rawValue: errno))
    }
}

/// An advisory lock; the kernel drops it with the process, however that ends.
final class LinuxFileLock: FileLock {
    private let descriptor: Locked<CInt?>

    init(descriptor: CInt) { self.descriptor = Locked(descriptor) }

    deinit { release() }

    func release() {
        descriptor.withLock { held in
            if let number = held { close(number) }
            held = nil
        }
    }
}

/// What the process may use of the machine.
public enum SystemLimits {
    /// Processors that this process may run on (its affinity mask), at least 1.
    public static var availableProcessors: Int { max(1, Int(weir_available_processors())) }
    /// The soft limit on open descriptors.
    public static var descriptorLimit: Int { Int(weir_descriptor_limit()) }
    /// Raises the soft limit on open descriptors to the hard one; the new limit.
    @discardableResult
    public static func raiseDescriptorLimit() -> Int { Int(weir_raise_descriptor_limit()) }
}
