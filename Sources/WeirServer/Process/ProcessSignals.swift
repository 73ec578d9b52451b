import Glibc

/// The signals that stop a broker, and those that must not.
enum ProcessSignals {
    /// What the signal handler writes to: the only thing a handler may touch is a descriptor.
    nonisolated(unsafe) private static var pipeEnd: CInt = -1

    /// From now on SIGTERM and SIGINT do not end the process but make `stop` return, and a peer that went away is an error
    /// code instead of a SIGPIPE. Called once, before anything serves.
    static func install() -> StopSignal? {
        signal(SIGPIPE, SIG_IGN)
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        pipeEnd = ends[1]
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { number in
            let saved = errno
            var byte = UInt8(truncatingIfNeeded: number)
            _ = write(ProcessSignals.pipeEnd, &byte, 1)
            errno = saved
        }
        // A second signal while stopping ends the process at once.
        action.sa_flags = CInt(bitPattern: UInt32(SA_RESETHAND)) | SA_RESTART
        sigaction(SIGTERM, &action, nil)
        sigaction(SIGINT, &action, nil)
        return StopSignal(descriptor: ends[0])
    }
}

/// Waits for SIGTERM or SIGINT.
struct StopSignal: Sendable {
    fileprivate let descriptor: CInt

    /// The name of the signal that came.
    func wait() async -> String {
        let descriptor = descriptor
        return await withCheckedContinuation { continuation in
            var thread = pthread_t()
            let waiter = Unmanaged.passRetained(Waiter(descriptor, continuation))
            let result = pthread_create(
                &thread, nil,
                { argument in
                    if let argument { Unmanaged<Waiter>.fromOpaque(argument).takeRetainedValue().run() }
                    return nil
                }, waiter.toOpaque())
            if result == 0 {
                pthread_detach(thread)
            } else {
                waiter.takeRetainedValue().fail()
            }
        }
    }

    private final class Waiter: Sendable {
        private let descriptor: CInt
        private let continuation: CheckedContinuation<String, Never>

        init(_ descriptor: CInt, _ continuation: CheckedContinuation<String, Never>) {
            self.descriptor = descriptor
            self.continuation = continuation
        }

        func run() {
            var byte: UInt8 = 0
            while read(descriptor, &byte, 1) < 0, errno == EINTR {}
            continuation.resume(returning: CInt(byte) == SIGINT ? "SIGINT" : "SIGTERM")
        }

        func fail() { continuation.resume(returning: "no thread to wait for signals") }
    }
}
