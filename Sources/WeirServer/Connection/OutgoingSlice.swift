import NIOCore
import WeirModel
import WeirStorage
import WeirSystem

/// How a stretch of a log file goes out: a large one by `sendfile`, a small one read into the answer.
enum OutgoingSlice {
    /// Up to here a `pread` into the answer is cheaper than a `sendfile` of its own.
    static let copiedBytesMax = 16 * 1024

    case bytes(ByteBuffer)
    case region(FileRegion, keeping: BorrowedFile)
    case failed(String)

    /// - Parameter mayCopy: Whether a small one may be read into memory.
    init(_ deferred: any DeferredBytes, mayCopy: Bool = true) {
        guard let slice = deferred as? FileSlice else {
            self = .failed("\(type(of: deferred)) is not a stretch of a file")
            return
        }
        guard slice.count > Self.copiedBytesMax || !mayCopy, let descriptor = slice.file.descriptor,
            let start = Int(exactly: slice.offset), start >= 0
        else {
            do throws(FileError) {
                let bytes = try Self.read(slice)
                self = bytes.readableBytes == slice.count ? .bytes(bytes) : .failed("the file ends within the answer")
            } catch {
                self = .failed("\(error)")
            }
            return
        }
        let borrowed = BorrowedFile(slice.file, descriptor: descriptor)
        let region = FileRegion(fileHandle: borrowed.handle, readerIndex: start, endIndex: start + slice.count)
        self = .region(region, keeping: borrowed)
    }

    private static func read(_ slice: FileSlice) throws(FileError) -> ByteBuffer {
        var outcome: Result<Int, FileError> = .success(0)
        var buffer = ByteBufferAllocator().buffer(capacity: slice.count)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: slice.count) { raw in
            let target = UnsafeMutableRawBufferPointer(rebasing: raw[..<slice.count])
            do throws(FileError) {
                let count = try slice.file.read(into: target, at: slice.offset)
                outcome = .success(count)
                return count
            } catch {
                outcome = .failure(error)
                return 0
            }
        }
        _ = try outcome.get()
        return buffer
    }
}

/// A log's file in the form that NIO sends from. The descriptor stays the log's: it is open for as long as `file` lives, and
/// is taken back from the handle instead of being closed.
struct BorrowedFile: Sendable {
    let handle: NIOFileHandle
    private let file: any File

    init(_ file: any File, descriptor: CInt) {
        self.file = file
        handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: descriptor)
    }

    /// Called once NIO is done with the handle.
    func release() {
        _ = try? handle.takeDescriptorOwnership()
        withExtendedLifetime(file) {}
    }
}
