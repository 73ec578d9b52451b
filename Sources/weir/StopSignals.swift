import WeirSystem

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Lets a command that follows a topic end properly on Ctrl-C or SIGTERM: the first calls back, a second ends the process.
final class StopSignals: Sendable {
    nonisolated(unsafe) private static var pipeEnd: CInt = -1
    private let descriptor: CInt
    private let stop: @Sendable () -> Void

    private init(descriptor: CInt, stop: @escaping @Sendable () -> Void) {
        self.descriptor = descriptor
        self.stop = stop
    }

    static func install(_ stop: @escaping @Sendable () -> Void) -> StopSignals? {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        pipeEnd = ends[1]
        let signals = StopSignals(descriptor: ends[0], stop: stop)
        let thread = ThreadPool(threads: 1, name: "weir-signals")
        thread.submit { signals.wait() }
        for number in [SIGINT, SIGTERM] {
            signal(number) { number in
                // Only what a signal handler may do.
                var byte: UInt8 = 1
                _ = write(StopSignals.pipeEnd, &byte, 1)
                signal(number, SIG_DFL)
            }
        }
        return signals
    }

    private func wait() {
        var byte: UInt8 = 0
        while read(descriptor, &byte, 1) < 0, errno == EINTR {}
        stop()
    }
}
