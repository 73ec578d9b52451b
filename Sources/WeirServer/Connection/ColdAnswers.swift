import CWeirLinux
import Glibc
import NIOCore
import WeirBroker
import WeirModel
import WeirProtocol
import WeirStorage
import WeirSystem

/// Keeps event loops from waiting for the disk: records that the page cache does not hold are read on another thread
/// before the answer with them is sent.
final class ColdAnswers: Sendable {
    /// How much is read at a time.
    static let stepBytes = 256 * 1024

    private let workers: any WorkerPool

    init(workers: any WorkerPool) { self.workers = workers }

    /// What to do before the reply can be sent without waiting; nil when nothing. The function returns at once and calls
    /// back when all is in memory, or cannot be read: sending tells that better.
    func warming(_ reply: Reply) -> ((_ done: @escaping @Sendable () -> Void) -> Void)? {
        guard case .frame(let frame) = reply, frame.parts.count > 1 else { return nil }
        var cold: [FileSlice] = []
        for part in frame.parts {
            guard case .deferred(let bytes) = part, let slice = bytes as? FileSlice else { continue }
            if Self.isCold(slice) { cold.append(slice) }
        }
        if cold.isEmpty { return nil }
        return { [workers, cold] done in
            workers.submit {
                for slice in cold { Self.read(slice) }
                done()
            }
        }
    }

    /// A probe of the first and the last byte: what is read or written as a whole is cached as a whole, mostly.
    private static func isCold(_ slice: FileSlice) -> Bool {
        guard let descriptor = slice.file.descriptor, slice.count > 0 else { return false }
        var byte: UInt8 = 0
        let end = slice.offset &+ Int64(slice.count) &- 1
        // An error other than "would wait" (a file system that cannot say) counts as warm.
        return weir_read_cached(descriptor, &byte, 1, end) == -Int64(EAGAIN)
            || weir_read_cached(descriptor, &byte, 1, slice.offset) == -Int64(EAGAIN)
    }

    private static func read(_ slice: FileSlice) {
        withUnsafeTemporaryAllocation(byteCount: stepBytes, alignment: 4096) { scratch in
            var done = 0
            while done < slice.count {
                let step = UnsafeMutableRawBufferPointer(rebasing: scratch[..<min(stepBytes, slice.count - done)])
                guard let count = try? slice.file.read(into: step, at: slice.offset &+ Int64(done)), count > 0 else {
                    return
                }
                done += count
            }
        }
    }
}
