import WeirModel
import WeirProtocol
import WeirSystem

/// An incremental fetch session (KIP-227): the partitions a client fetches, so that its requests name only what changes and
/// the answers only what moved.
final class FetchSession: Sendable {
    /// One partition of a session. Its fields belong to the session's lock.
    final class Entry: @unchecked Sendable {
        // Unchecked: read and written under the lock of the session that owns it.
        let key: Key
        var fetchOffset: Int64 = 0
        var maxBytes: Int32 = 0
        var currentLeaderEpoch: Int32 = -1
        var lastFetchedEpoch: Int32 = -1
        /// What the client was last told; -1 at first, so that the first answer tells all.
        var toldHighWatermark: Int64 = -1
        var toldLogStart: Int64 = -1
        var toldError = false

        init(key: Key) { self.key = key }
    }

    struct Key: Hashable, Sendable {
        /// Empty when the session goes by topic ids.
        let topic: String
        /// Zero when the session goes by names.
        let topicID: UniqueID
        let index: Int32
    }

    private struct State {
        var entries: [Entry] = []
        var byKey: [Key: Entry] = [:]
        /// The epoch that the next request must carry.
        var nextEpoch: Int32 = 1
        /// Where the next pass begins, so that one busy partition does not starve those behind it.
        var first = 0
        var lastUsed: MonotonicTime
    }

    let id: Int32
    let usesTopicIDs: Bool
    let created: MonotonicTime
    private let state: Locked<State>

    init(id: Int32, usesTopicIDs: Bool, now: MonotonicTime) {
        self.id = id
        self.usesTopicIDs = usesTopicIDs
        self.created = now
        state = Locked(State(lastUsed: now))
    }

    /// For the cache: how many partitions, and when it was last used.
    var size: Int { state.withLock { $0.entries.count } }
    var lastUsed: MonotonicTime { state.withLock { $0.lastUsed } }

    enum Advance: Equatable {
        case ready
        case wrongEpoch
        /// The request took the last partition out: the session has no more use.
        case empty
    }

    /// Takes an incremental request in: its epoch, its changed and its forgotten partitions.
    func advance(_ request: FetchRequest, now: MonotonicTime) -> Advance {
        state.withLock { state in
            guard request.sessionEpoch == state.nextEpoch else { return .wrongEpoch }
            state.nextEpoch = state.nextEpoch == .max ? 1 : state.nextEpoch + 1
            state.lastUsed = now
            update(&state, request)
            for topic in request.forgottenTopicsData {
                for index in topic.partitions {
                    state.byKey[key(topic.topic, topic.topicID, index)] = nil
                }
            }
            if state.byKey.count != state.entries.count {
                state.entries.removeAll { state.byKey[$0.key] == nil }
                state.first = 0
            }
            return state.entries.isEmpty ? .empty : .ready
        }
    }

    /// Fills a new session with a full request's partitions.
    func fill(_ request: FetchRequest) { state.withLock { update(&$0, request) } }

    private func update(_ state: inout State, _ request: FetchRequest) {
        for topic in request.topics {
            for partition in topic.partitions {
                let key = key(topic.topic, topic.topicID, partition.partition)
                let entry: Entry
                if let known = state.byKey[key] {
                    entry = known
                } else {
                    entry = Entry(key: key)
                    state.byKey[key] = entry
                    state.entries.append(entry)
                }
                entry.fetchOffset = partition.fetchOffset
                entry.maxBytes = partition.partitionMaxBytes
                entry.currentLeaderEpoch = partition.currentLeaderEpoch
                entry.lastFetchedEpoch = partition.lastFetchedEpoch
            }
        }
    }

    private func key(_ name: String, _ id: UniqueID, _ index: Int32) -> Key {
        usesTopicIDs ? Key(topic: "", topicID: id, index: index) : Key(topic: name, topicID: .zero, index: index)
    }

    /// The session's partitions, in the order of the next pass.
    func map<Result>(_ body: (Entry) -> Result) -> [Result] {
        state.withLock { state in
            var results: [Result] = []
            results.reserveCapacity(state.entries.count)
            for entry in state.entries[state.first...] { results.append(body(entry)) }
            for entry in state.entries[..<state.first] { results.append(body(entry)) }
            return results
        }
    }

    /// Which of the partitions found the answer tells of, noting that it does.
    ///
    /// Told are data, errors, and changed watermarks; with `full`, everything.
    func choose(_ targets: [FetchTarget], _ found: [FetchedPartition], full: Bool) -> [Bool] {
        state.withLock { state in
            var lastWithData: Entry?
            let chosen = zip(targets, found).map { target, found -> Bool in
                guard let entry = target.entry else { return true }
                if found.count > 0 { lastWithData = entry }
                let changed =
                    found.count > 0 || found.error != .none || found.diverging != nil || entry.toldError
                    || found.highWatermark != entry.toldHighWatermark || found.logStartOffset != entry.toldLogStart
                guard changed || full else { return false }
                entry.toldHighWatermark = found.highWatermark
                entry.toldLogStart = found.logStartOffset
                entry.toldError = found.error != .none
                return true
            }
            if let lastWithData, state.entries.count > 1,
                let place = state.entries.firstIndex(where: { $0 === lastWithData })
            {
                state.first = (place + 1) % state.entries.count
            }
            return chosen
        }
    }
}
