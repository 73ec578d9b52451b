public import WeirModel
import WeirSystem

/// Where an acknowledged record is.
public struct RecordMetadata: Sendable, Hashable {
    public let partition: TopicPartition
    /// Nil without acknowledgement (acks 0), or for a duplicate whose offset the broker no longer knows.
    public let offset: Offset?
    /// Milliseconds since 1970: the record's own, or the broker's when the topic uses append times.
    public let timestamp: Int64
}

/// A record on its way.
public struct Delivery: Sendable {
    let outcome: BatchOutcome
    let index: Int32
    /// The record's own timestamp.
    let timestamp: Int64

    /// The partition that the record goes to.
    public var partition: TopicPartition { outcome.partition }

    /// Waits until the record is acknowledged as the producer's `acks` say, or has failed for good. Cancelling the task ends
    /// the wait, not the delivery.
    public func acknowledged() async throws(ClientError) -> RecordMetadata {
        let batch = try await outcome.wait()
        return RecordMetadata(
            partition: outcome.partition,
            offset: batch.baseOffset.map { $0 + Int64(index) },
            timestamp: batch.appendTime ?? timestamp)
    }
}

/// What becomes of a batch: all its records share it, so that a record costs no allocation of its own.
final class BatchOutcome: Sendable {
    struct Success: Sendable {
        let baseOffset: Offset?
        /// Set when the broker stamps records itself.
        let appendTime: Int64?
    }

    private struct State {
        var result: Result<Success, ClientError>?
        var waiters: [Completion<Success>] = []
    }

    let partition: TopicPartition
    private let state = Locked(State())

    init(partition: TopicPartition) { self.partition = partition }

    func finish(_ result: Result<Success, ClientError>) {
        let waiters = state.withLock { state in
            state.result = result
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.finish(result) }
    }

    func wait() async throws(ClientError) -> Success {
        let completion = Completion<Success>()
        let present = state.withLock { state in
            if state.result == nil { state.waiters.append(completion) }
            return state.result
        }
        if let present { return try present.get() }
        return try await completion.wait()
    }
}
