import WeirSystem

/// Waits for a number of outcomes, which may arrive on any thread, and hands them over together.
final class Gathering<Value: Sendable>: Sendable {
    private let state: Locked<(values: [Value], left: Int)>
    private let completion: @Sendable ([Value]) -> Void

    init(count: Int, _ initial: Value, completion: @escaping @Sendable ([Value]) -> Void) {
        state = Locked((Array(repeating: initial, count: count), count))
        self.completion = completion
        if count == 0 { completion([]) }
    }

    /// Each index is set once.
    func set(_ index: Int, _ value: Value) {
        let all: [Value]? = state.withLock { state in
            guard state.values.indices.contains(index), state.left > 0 else { return nil }
            state.values[index] = value
            state.left -= 1
            return state.left == 0 ? state.values : nil
        }
        if let all { completion(all) }
    }
}
