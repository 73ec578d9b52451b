import NIOCore
import WeirSystem

/// Brings one result from an event loop to a waiting task; the first result counts, so that a cancelled wait ends at once
/// and what arrives later is dropped.
final class Completion<Value: Sendable>: Sendable {
    private struct State {
        var result: Result<Value, ClientError>?
        var continuation: CheckedContinuation<Result<Value, ClientError>, Never>?
    }

    private let state = Locked(State())

    func finish(_ result: Result<Value, ClientError>) {
        let continuation = state.withLock { state in
            guard state.result == nil else { return nil as CheckedContinuation<Result<Value, ClientError>, Never>? }
            state.result = result
            defer { state.continuation = nil }
            return state.continuation
        }
        continuation?.resume(returning: result)
    }

    /// Waits for the result; cancelling the task finishes with `cancelled`.
    func wait() async throws(ClientError) -> Value {
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let present = state.withLock { state in
                    if state.result == nil { state.continuation = continuation }
                    return state.result
                }
                if let present { continuation.resume(returning: present) }
            }
        } onCancel: {
            finish(.failure(.cancelled))
        }
        return try result.get()
    }
}

/// Waits that many milliseconds; throws `cancelled` when the task is.
func pause(milliseconds: Int64) async throws(ClientError) {
    do {
        try await Task.sleep(nanoseconds: UInt64(max(0, milliseconds)) * 1_000_000)
    } catch {
        throw .cancelled
    }
}
