import NIOCore
import NIOPosix
import WeirSystem

/// Timers on the event loops: on the caller's when it is one of them, so that most never cross a thread.
struct EventLoopTimers: Timers {
    private let group: MultiThreadedEventLoopGroup

    init(group: MultiThreadedEventLoopGroup) { self.group = group }

    @discardableResult
    func schedule(afterMilliseconds delay: Int64, _ body: @escaping @Sendable () -> Void) -> any TimerHandle {
        let loop = MultiThreadedEventLoopGroup.currentEventLoop ?? group.any()
        // NIO's deadlines are nanoseconds in 64 bits: a year is as good as any longer time.
        let milliseconds = min(max(delay, 0), 365 * 86_400_000)
        return Handle(task: loop.scheduleTask(in: .milliseconds(milliseconds), body))
    }

    private struct Handle: TimerHandle {
        let task: Scheduled<Void>
        func cancel() { task.cancel() }
    }
}
