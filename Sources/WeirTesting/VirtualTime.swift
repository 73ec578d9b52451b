public import WeirSystem

/// A clock that moves when told, and timers that fire as it passes them, in order, on the thread that moves it.
public final class VirtualTime: WeirClock, Timers {
    private struct Entry {
        let due: Int64
        let number: UInt64
        let body: @Sendable () -> Void
    }

    private struct State {
        var nowNanoseconds: Int64 = 0
        var wallStart: Int64
        var entries: [UInt64: Entry] = [:]
        var next: UInt64 = 0
    }

    private let state: Locked<State>

    /// - Parameter wallMilliseconds: what the wall clock shows at the start.
    public init(wallMilliseconds: Int64 = 1_700_000_000_000) {
        state = Locked(State(wallStart: wallMilliseconds))
    }

    public var monotonic: MonotonicTime { state.withLock { MonotonicTime(nanoseconds: $0.nowNanoseconds) } }

    public var wallMilliseconds: Int64 { state.withLock { $0.wallStart + $0.nowNanoseconds / 1_000_000 } }

    /// How many timers wait.
    public var pending: Int { state.withLock { $0.entries.count } }

    @discardableResult
    public func schedule(
        afterMilliseconds delay: Int64, _ body: @escaping @Sendable () -> Void
    ) -> any TimerHandle {
        let number = state.withLock { state in
            state.next += 1
            let now = MonotonicTime(nanoseconds: state.nowNanoseconds)
            let due = now.advanced(milliseconds: max(0, delay)).nanoseconds
            state.entries[state.next] = Entry(due: due, number: state.next, body: body)
            return state.next
        }
        return Handle(time: self, number: number)
    }

    /// Moves time on, firing timers at their times; also those that timers set.
    public func advance(milliseconds: Int64) {
        let target = monotonic.advanced(milliseconds: milliseconds).nanoseconds
        while let entry = takeNext(until: target) { entry.body() }
        state.withLock { $0.nowNanoseconds = max($0.nowNanoseconds, target) }
    }

    /// Lets the wall clock jump, which the monotonic one does not.
    public func jumpWall(milliseconds: Int64) { state.withLock { $0.wallStart += milliseconds } }

    private func takeNext(until target: Int64) -> Entry? {
        state.withLock { state in
            let next = state.entries.values.filter { $0.due <= target }.min {
                ($0.due, $0.number) < ($1.due, $1.number)
            }
            guard let next else { return nil }
            state.entries[next.number] = nil
            state.nowNanoseconds = max(state.nowNanoseconds, next.due)
            return next
        }
    }

    private struct Handle: TimerHandle {
        let time: VirtualTime
        let number: UInt64

        func cancel() { time.state.withLock { $0.entries[number] = nil } }
    }
}

/// Work that runs when the test says so, on its thread.
public final class ManualWorkers: WorkerPool {
    private let queue = Locked<[@Sendable () -> Void]>([])

    public init() {}

    public func submit(_ work: @escaping @Sendable () -> Void) { queue.withLock { $0.append(work) } }

    public var pending: Int { queue.withLock { $0.count } }

    /// Runs everything that is queued, also what that queues. How many pieces ran.
    @discardableResult
    public func runAll() -> Int {
        var count = 0
        while let work = queue.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
            work()
            count += 1
        }
        return count
    }
}
