public import NIOCore
public import WeirModel
public import WeirSystem

/// Record batches where they lie in a segment file. The file stays open as long as the slice lives, also when the
/// segment is deleted meanwhile.
public struct FileSlice: DeferredBytes {
    public let file: any File
    /// Where in the file it starts, in bytes.
    public let offset: Int64
    public let count: Int

    public init(file: any File, offset: Int64, count: Int) {
        self.file = file
        self.offset = offset
        self.count = count
    }

    /// Reads the whole slice into memory; fewer bytes only when the file was cut below it (`truncate(to:)`).
    public func readAll() throws(FileError) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        try read(into: &buffer)
        return buffer
    }

    /// Reads the whole slice if that takes no waiting for the disk; nil when it would.
    public func readCached() throws(FileError) -> ByteBuffer? {
        var outcome: Result<Bool, FileError> = .success(false)
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
            do throws(FileError) {
                outcome = .success(
                    try file.readCached(into: UnsafeMutableRawBufferPointer(rebasing: space[..<count]), at: offset))
            } catch {
                outcome = .failure(error)
            }
            return count
        }
        return try outcome.get() ? buffer : nil
    }

    /// Appends the whole slice to a buffer.
    public func read(into buffer: inout ByteBuffer) throws(FileError) {
        var failure: FileError?
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
            do throws(FileError) {
                return try file.read(into: UnsafeMutableRawBufferPointer(rebasing: space[..<count]), at: offset)
            } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
    }
}
