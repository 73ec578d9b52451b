import WeirModel
import WeirProtocol
import WeirSystem

/// Something that waits for appended batches to get through.
protocol AckWaiting: AnyObject, Sendable {
    /// The batch with that number is below the high watermark, or failed.
    func settle(_ index: Int, _ code: ErrorCode)
}

/// An acks=all Produce whose batches are appended and wait for the high watermark to pass them.
final class ParkedProduce: Waiting, AckWaiting {
    /// Where a partition stands in the response.
    struct Place: Sendable {
        let topic: Int
        let partition: Int
    }

    private struct State {
        var response: ProduceResponse
        /// Partitions that still wait; the answer goes out when none is left.
        var pending: Int
        var isPending: [Bool]
        var isSettled = false

        /// The answer, which the state does not keep: a settled request may stay in the purgatory for a while.
        mutating func take() -> ProduceResponse {
            isSettled = true
            defer { response = ProduceResponse() }
            return response
        }
    }

    private let call: Call<ProduceResponse>
    private let places: [Place]
    private let state: Locked<State>

    /// - Parameters:
    ///   - response: The answer as it will be if every batch gets through.
    ///   - places: The partitions that wait.
    init(call: Call<ProduceResponse>, response: ProduceResponse, places: [Place]) {
        self.call = call
        self.places = places
        state = Locked(
            State(response: response, pending: places.count, isPending: Array(repeating: true, count: places.count)))
    }

    var isSettled: Bool { state.withLock { $0.isSettled } }

    /// One partition's batch got through, or failed.
    func settle(_ index: Int, _ code: ErrorCode) {
        let response = state.withLock { state -> ProduceResponse? in
            guard !state.isSettled, state.isPending[index] else { return nil }
            state.isPending[index] = false
            state.pending -= 1
            if code != .none { state.response.fail(places[index], code) }
            guard state.pending == 0 else { return nil }
            return state.take()
        }
        if let response { call.answer(response) }
    }

    /// The request's own timeout is over: what has not got through is of unknown outcome.
    func expire() {
        let response = state.withLock { state -> ProduceResponse? in
            guard !state.isSettled else { return nil }
            for index in places.indices where state.isPending[index] {
                state.response.fail(places[index], .requestTimedOut)
            }
            return state.take()
        }
        if let response { call.answer(response) }
    }
}

extension ProduceResponse {
    fileprivate mutating func fail(_ place: ParkedProduce.Place, _ code: ErrorCode) {
        responses[place.topic].partitionResponses[place.partition].errorCode = code.rawValue
        responses[place.topic].partitionResponses[place.partition].baseOffset = -1
        responses[place.topic].partitionResponses[place.partition].logAppendTimeMs = -1
    }
}
