/// Time, as the rooms below the seams see it.
public protocol WeirClock: Sendable {
    /// Time since an arbitrary start, for deadlines and durations; never goes back.
    var monotonic: MonotonicTime { get }
    /// Milliseconds since 1970-01-01 UTC, for record timestamps and retention; may jump.
    var wallMilliseconds: Int64 { get }
}

/// A point on a `WeirClock`'s monotonic scale, in nanoseconds.
public struct MonotonicTime: Hashable, Comparable, Sendable {
    public let nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public static let distantFuture = MonotonicTime(nanoseconds: .max)

    public static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The point that many milliseconds later, or the distant future when that is out of range.
    public func advanced(milliseconds: Int64) -> MonotonicTime {
        let (product, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        if overflow { return milliseconds < 0 ? MonotonicTime(nanoseconds: .min) : .distantFuture }
        let (sum, carried) = nanoseconds.addingReportingOverflow(product)
        if carried { return milliseconds < 0 ? MonotonicTime(nanoseconds: .min) : .distantFuture }
        return MonotonicTime(nanoseconds: sum)
    }

    /// Whole milliseconds from another point to this one.
    public func milliseconds(since other: MonotonicTime) -> Int64 {
        nanoseconds.subtractingReportingOverflow(other.nanoseconds).partialValue / 1_000_000
    }
}

/// Runs work later. Callbacks arrive on a thread of the implementation's choosing and must be short.
public protocol Timers: Sendable {
    @discardableResult
    func schedule(afterMilliseconds delay: Int64, _ body: @escaping @Sendable () -> Void) -> any TimerHandle
}

/// A scheduled callback.
public protocol TimerHandle: Sendable {
    /// After this returns the callback may still be running, but will not start any more.
    func cancel()
}

/// Where randomness comes from. Safe to use from any thread.
public protocol RandomSource: Sendable {
    func next() -> UInt64
}

/// Threads for work that blocks (syncing, cold reads, deleting): `submit` returns at once.
public protocol WorkerPool: Sendable {
    func submit(_ work: @escaping @Sendable () -> Void)
}
