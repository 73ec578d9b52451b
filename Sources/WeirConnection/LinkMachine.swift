public import WeirSystem

/// Keeps one logical link to a broker up: when to connect, and how long to wait after a failure.
public struct LinkMachine: Sendable, Equatable {
    enum State: Sendable, Equatable {
        /// Nobody needs the link. Can transition to: connecting.
        case idle
        /// Can transition to: up, waiting.
        case connecting
        /// Can transition to: idle.
        case up
        /// The last attempt failed. Can transition to: connecting.
        case waiting(until: MonotonicTime)
    }

    private(set) var state = State.idle
    public private(set) var failures = 0
    private let backoff: Backoff

    public init(backoff: Backoff) { self.backoff = backoff }

    public enum WantedAction: Sendable, Equatable {
        case connect
        /// Call `wanted` again then.
        case wait(until: MonotonicTime)
        /// Connecting, or up.
        case nothing
    }

    /// Somebody has a request for this broker.
    public mutating func wanted(now: MonotonicTime) -> WantedAction {
        switch state {
        case .idle:
            state = .connecting
            return .connect
        case .waiting(let until):
            guard now >= until else { return .wait(until: until) }
            state = .connecting
            return .connect
        case .connecting, .up:
            return .nothing
        }
    }

    /// Connected, and the versions are negotiated.
    public mutating func up() {
        state = .up
        failures = 0
    }

    /// The attempt failed, or a connection that was up went away; the latter may be tried again at once.
    public mutating func down(now: MonotonicTime, random: any RandomSource) {
        switch state {
        case .up:
            state = .idle
        case .idle, .connecting, .waiting:
            failures += 1
            state = .waiting(until: now.advanced(milliseconds: backoff.delayMs(failures: failures, random: random)))
        }
    }

    public var isUp: Bool { state == .up }
}
