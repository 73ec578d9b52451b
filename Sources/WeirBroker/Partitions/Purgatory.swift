import HeapModule
import WeirSystem

/// A request that waits for something, and gives up at its deadline.
protocol Waiting: AnyObject, Sendable {
    /// The deadline has passed. A request that was answered meanwhile does nothing.
    func expire()
    /// Whether the request was answered, and its deadline no longer matters.
    var isSettled: Bool { get }
    /// Whether nobody is there any more to be answered.
    var isAbandoned: Bool { get }
}

extension Waiting {
    var isAbandoned: Bool { false }
}

/// The deadlines of all parked requests, behind one timer.
///
/// Almost every parked request is answered long before its deadline, and timers of event loops are dear to set from other
/// threads. So deadlines go into a heap, the timer is only set when a new deadline is earlier than all others, and answered
/// requests are swept out when they are the majority, and with them those whose clients have gone.
final class Purgatory: Sendable {
    private struct Entry: Comparable {
        let deadline: MonotonicTime
        let request: any Waiting
        static func < (left: Self, right: Self) -> Bool { left.deadline < right.deadline }
        static func == (left: Self, right: Self) -> Bool { left.deadline == right.deadline }
    }

    private struct State {
        var heap = Heap<Entry>()
        /// When the set timer fires; nil when none is set.
        var wakeAt: MonotonicTime?
        var timer: (any TimerHandle)?
        /// The heap's size at which the answered requests are swept out next.
        var sweepAt = Purgatory.sweepMin
        var closed = false
    }

    private static let sweepMin = 1_024

    private let clock: any WeirClock
    private let timers: any Timers
    private let state = Locked(State())

    init(clock: any WeirClock, timers: any Timers) {
        self.clock = clock
        self.timers = timers
    }

    /// Calls the request's `expire` after that many milliseconds, unless it is settled by then.
    func park(_ request: any Waiting, milliseconds: Int64) {
        let deadline = clock.monotonic.advanced(milliseconds: max(0, milliseconds))
        let (mustSet, abandoned) = state.withLock { state -> (Bool, [any Waiting]) in
            state.heap.insert(Entry(deadline: deadline, request: request))
            let abandoned = state.heap.count >= state.sweepAt ? Self.sweep(&state) : []
            guard !state.closed else { return (false, abandoned) }
            if let wakeAt = state.wakeAt, wakeAt <= deadline { return (false, abandoned) }
            state.wakeAt = deadline
            return (true, abandoned)
        }
        if mustSet { setTimer(for: deadline) }
        for request in abandoned { request.expire() }
    }

    /// How many requests wait, the settled ones that were not swept out yet included.
    var count: Int { state.withLock { $0.heap.count } }

    /// Expires every request that still waits; later ones still get in, but no timer fires any more.
    func close() {
        let requests = state.withLock { state in
            state.closed = true
            state.timer?.cancel()
            state.timer = nil
            let requests = state.heap.unordered.map(\.request)
            state.heap = Heap()
            return requests
        }
        for request in requests { request.expire() }
    }

    /// Expires the fetches that wait: what waits for the disk goes on waiting.
    func expireFetches() {
        let requests = state.withLock { $0.heap.unordered.map(\.request) }
        for request in requests where request is ParkedFetch { request.expire() }
    }

    /// Takes out what need not wait; answers those that nobody has answered.
    private static func sweep(_ state: inout State) -> [any Waiting] {
        var kept: [Entry] = []
        var abandoned: [any Waiting] = []
        for entry in state.heap.unordered where !entry.request.isSettled {
            if entry.request.isAbandoned { abandoned.append(entry.request) } else { kept.append(entry) }
        }
        state.heap = Heap(kept)
        state.sweepAt = max(sweepMin, kept.count * 2)
        return abandoned
    }

    private func setTimer(for deadline: MonotonicTime) {
        let nanoseconds = deadline.nanoseconds.subtractingReportingOverflow(clock.monotonic.nanoseconds).partialValue
        // Rounded up: a timer that fires early would find nothing to do and have to be set again.
        let delay = nanoseconds <= 0 ? 0 : (nanoseconds / 1_000_000) + (nanoseconds % 1_000_000 == 0 ? 0 : 1)
        let timer = timers.schedule(afterMilliseconds: delay) { [weak self] in self?.fire(deadline) }
        let outdated = state.withLock { state -> (any TimerHandle)? in
            guard state.wakeAt == deadline, !state.closed else { return timer }
            defer { state.timer = timer }
            return state.timer
        }
        outdated?.cancel()
    }

    private func fire(_ deadline: MonotonicTime) {
        let now = clock.monotonic
        var expired: [any Waiting] = []
        let next = state.withLock { state -> MonotonicTime? in
            while let first = state.heap.min, first.deadline <= now || first.request.isSettled {
                if !first.request.isSettled { expired.append(first.request) }
                state.heap.removeMin()
            }
            // A timer that was replaced by an earlier one leaves the setting to that one.
            guard state.wakeAt == deadline || state.wakeAt == nil else { return nil }
            state.timer = nil
            state.wakeAt = state.closed ? nil : state.heap.min?.deadline
            return state.wakeAt
        }
        if let next { setTimer(for: next) }
        for request in expired { request.expire() }
    }
}
