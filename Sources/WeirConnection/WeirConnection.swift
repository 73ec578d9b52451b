// WeirConnection: a client's side of the Kafka protocol as machines without I/O: one connection's handshake and in-flight
// requests, reconnecting, cluster metadata, a producer's ordering, a consumer's fetching, a group member's life.
// A machine is a value: an event goes in, an action comes out. Sockets, threads, clocks, random numbers and continuations
// never enter; time and randomness arrive as arguments. WeirClient drives these machines on an event loop.

public import WeirSystem

/// How long to wait before trying again: exponential, with jitter so that many clients do not come back at once.
public struct Backoff: Sendable, Equatable {
    /// The wait after the first failure, in milliseconds.
    public var initialMs: Int64
    /// No wait is longer, jitter aside, in milliseconds.
    public var maximumMs: Int64

    public init(initialMs: Int64 = 50, maximumMs: Int64 = 1000) {
        self.initialMs = max(1, initialMs)
        self.maximumMs = max(self.initialMs, maximumMs)
    }

    /// The wait after that many failures in a row (1 is the first), with up to 20 % taken off or added.
    public func delayMs(failures: Int, random: any RandomSource) -> Int64 {
        let doublings = Int64(min(max(failures - 1, 0), 30))
        let (grown, overflow) = initialMs.multipliedReportingOverflow(by: 1 << doublings)
        let base = overflow ? maximumMs : min(grown, maximumMs)
        let spread = max(1, base * 2 / 5)
        let jitter = Int64(truncatingIfNeeded: random.next() % UInt64(spread + 1)) - spread / 2
        return max(1, base + jitter)
    }
}
