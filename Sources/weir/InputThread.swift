import Synchronization
import WeirSystem

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Reads standard input on a thread of its own, one piece ahead, so that a slow writer blocks none of Swift's threads.
final class InputThread: Sendable {
    private struct State {
        var piece: [UInt8]?
        var isEnded = false
        var isWanted = true
        var waiter: CheckedContinuation<[UInt8]?, Never>?
    }

    private let state = Mutex(State())
    /// The thread reads again when a byte arrives here.
    private let wakeRead: CInt
    private let wakeWrite: CInt

    private init(wakeRead: CInt, wakeWrite: CInt) {
        self.wakeRead = wakeRead
        self.wakeWrite = wakeWrite
    }

    static func start() -> InputThread {
        var ends: [CInt] = [-1, -1]
        _ = pipe(&ends)
        let input = InputThread(wakeRead: ends[0], wakeWrite: ends[1])
        let thread = ThreadPool(threads: 1, name: "weir-input")
        thread.submit { input.readAll() }
        return input
    }

    private func readAll() {
        var buffer = [UInt8](repeating: 0, count: 256 * 1024)
        while true {
            let count = buffer.withUnsafeMutableBytes { read(STDIN_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return end() }
            let piece = Array(buffer[..<count])
            let waiter = state.withLock { state in
                if state.waiter == nil { state.piece = piece }
                defer { state.waiter = nil }
                return state.waiter
            }
            if let waiter {
                waiter.resume(returning: piece)
                continue
            }
            // Wait until the piece has been taken.
            var byte: UInt8 = 0
            while read(wakeRead, &byte, 1) < 0, errno == EINTR {}
        }
    }

    private func end() {
        let waiter = state.withLock { state in
            state.isEnded = true
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: nil)
    }

    /// The next piece; nil at the end of the input. One task at a time.
    func next() async -> [UInt8]? {
        await withCheckedContinuation { continuation in
            let answer = state.withLock { state -> [UInt8]?? in
                if let piece = state.piece {
                    state.piece = nil
                    return .some(piece)
                }
                if state.isEnded { return .some(nil) }
                state.waiter = continuation
                return nil
            }
            guard let answer else { return }
            if answer != nil {
                var byte: UInt8 = 1
                _ = write(wakeWrite, &byte, 1)
            }
            continuation.resume(returning: answer)
        }
    }

    /// Whether a piece or the end is there already, so that `next` would not wait.
    var isReady: Bool { state.withLock { $0.piece != nil || $0.isEnded } }
}
