import WeirSystem

/// Time that stands still until a test moves it.
final class TestTime: WeirClock, Timers {
    private struct Timer {
        let id: Int
        let at: Int64
        let body: @Sendable () -> Void
    }

    private struct State {
        var milliseconds: Int64 = 1_000
        var timers: [Timer] = []
        var lastID = 0
    }

    /// Where the wall clock starts: a day in 2023.
    static let wallStart: Int64 = 1_700_000_000_000
    private let state = Locked(State())

    var monotonic: MonotonicTime { MonotonicTime(nanoseconds: state.withLock { $0.milliseconds } * 1_000_000) }
    var wallMilliseconds: Int64 { Self.wallStart + state.withLock { $0.milliseconds } }

    func schedule(afterMilliseconds delay: Int64, _ body: @escaping @Sendable () -> Void) -> any TimerHandle {
        let id = state.withLock { state in
            state.lastID += 1
            state.timers.append(Timer(id: state.lastID, at: state.milliseconds + max(0, delay), body: body))
            return state.lastID
        }
        return Handle(time: self, id: id)
    }

    /// Moves time on, running what falls due on the way, in order.
    func advance(_ milliseconds: Int64) {
        let end = state.withLock { $0.milliseconds } + milliseconds
        while true {
            let due = state.withLock { state -> Timer? in
                guard let next = state.timers.filter({ $0.at <= end }).min(by: { ($0.at, $0.id) < ($1.at, $1.id) })
                else {
                    state.milliseconds = end
                    return nil
                }
                state.timers.removeAll { $0.id == next.id }
                state.milliseconds = max(state.milliseconds, next.at)
                return next
            }
            guard let due else { return }
            due.body()
        }
    }

    private func cancel(_ id: Int) { state.withLock { $0.timers.removeAll { $0.id == id } } }

    private struct Handle: TimerHandle {
        let time: TestTime
        let id: Int
        func cancel() { time.cancel(id) }
    }
}

/// Randomness from a seed.
final class TestRandom: RandomSource {
    private let state: Locked<UInt64>
    init(seed: UInt64) { state = Locked(seed) }

    func next() -> UInt64 {
        state.withLock { state in
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    func below(_ bound: Int) -> Int { Int(next() % UInt64(max(1, bound))) }
}
