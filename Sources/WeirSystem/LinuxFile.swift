internal import CWeirLinux
internal import Glibc
internal import SystemPackage

/// A file of the kernel's, with positional calls only. Closed when the last reference goes away.
final class LinuxFile: File {
    let path: FilePath
    private let number: CInt

    init(path: FilePath, descriptor: CInt) {
        self.path = path
        self.number = descriptor
    }

    deinit { close(number) }

    var descriptor: CInt? { number }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int64) throws(FileError) {
        guard var address = bytes.baseAddress else { return }
        var left = bytes.count
        var position = position
        while left > 0 {
            let done = pwrite(number, address, left, off_t(position))
            if done < 0 {
                if errno == EINTR { continue }
                throw failure("pwrite")
            }
            if done == 0 { throw FileError("pwrite", path, .ioError) }
            address += done
            left -= done
            position += Int64(done)
        }
    }

    func write(gathering parts: UnsafeBufferPointer<UnsafeRawBufferPointer>, at position: Int64) throws(FileError) {
        let result = withUnsafeTemporaryAllocation(of: iovec.self, capacity: parts.count) { vector -> CInt in
            var count = 0
            for part in parts {
                guard let address = part.baseAddress, !part.isEmpty else { continue }
                vector.initializeElement(
                    at: count, to: iovec(iov_base: UnsafeMutableRawPointer(mutating: address), iov_len: part.count))
                count += 1
            }
            return weir_write_all(number, vector.baseAddress, CInt(count), position)
        }
        if result < 0 { throw FileError("pwritev", path, Errno(rawValue: -result)) }
    }

    func read(into bytes: UnsafeMutableRawBufferPointer, at position: Int64) throws(FileError) -> Int {
        guard let address = bytes.baseAddress else { return 0 }
        var total = 0
        while total < bytes.count {
            let done = pread(number, address + total, bytes.count - total, off_t(position) + total)
            if done < 0 {
                if errno == EINTR { continue }
                throw failure("pread")
            }
            if done == 0 { break }
            total += done
        }
        return total
    }

    func readCached(into bytes: UnsafeMutableRawBufferPointer, at position: Int64) throws(FileError) -> Bool {
        guard let address = bytes.baseAddress else { return true }
        let done = weir_read_cached(number, address, bytes.count, position)
        if done == Int64(bytes.count) { return true }
        // Not there, or not all of it; and a file system that cannot say is read as ever.
        if done >= 0 || done == -Int64(EAGAIN) { return false }
        return try read(into: bytes, at: position) == bytes.count
    }

    func size() throws(FileError) -> Int64 {
        var status = stat()
        if fstat(number, &status) != 0 { throw failure("fstat") }
        return Int64(status.st_size)
    }

    func truncate(to length: Int64) throws(FileError) {
        while ftruncate(number, off_t(length)) != 0 {
            if errno != EINTR { throw failure("ftruncate") }
        }
    }

    func allocate(from position: Int64, count: Int64) throws(FileError) {
        let result = weir_fallocate(number, position, count)
        if result < 0 { throw FileError("fallocate", path, Errno(rawValue: -result)) }
    }

    func sync() throws(FileError) {
        // No repetition: after an error the kernel drops the dirty pages, and a second call would lie.
        if fdatasync(number) != 0 { throw failure("fdatasync") }
    }

    func map(length: Int) throws(FileError) -> any FileMapping {
        guard length > 0 else { return LinuxMapping(bytes: UnsafeRawBufferPointer(start: nil, count: 0)) }
        // Touching a page past the end of the file is a SIGBUS.
        guard try size() >= Int64(length) else { throw FileError("mmap", path, .invalidArgument) }
        guard let address = mmap(nil, length, PROT_READ, MAP_SHARED, number, 0), address != MAP_FAILED else {
            throw failure("mmap")
        }
        let mapping = LinuxMapping(bytes: UnsafeRawBufferPointer(start: address, count: length))
        let result = weir_populate_read(address, length)
        if result < 0 { throw FileError("madvise", path, Errno(rawValue: -result)) }
        return mapping
    }

    private func failure(_ operation: String) -> FileError { FileError(operation, path, Errno(rawValue: errno)) }
}

/// A mapped range, unmapped when the last reference goes away.
final class LinuxMapping: FileMapping, @unchecked Sendable {
    // Unchecked: the pointer is read-only, set once, and valid until deinit.
    let bytes: UnsafeRawBufferPointer

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    deinit {
        if let address = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: address), bytes.count) }
    }
}
