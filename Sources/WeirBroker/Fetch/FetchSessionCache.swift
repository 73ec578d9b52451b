import WeirModel
import WeirProtocol
import WeirSystem

/// The fetch sessions of all clients, at most `slots` of them.
///
/// When the cache is full, a new session takes the place of one that was not used for two minutes, else of a smaller one
/// that is at least two minutes old; else the client gets no session, which the protocol allows (Kafka's rules, KIP-227).
final class FetchSessionCache: Sendable {
    /// Kafka's `min.incremental.fetch.session.eviction.ms`.
    static let evictionMs: Int64 = 120_000

    /// Sessions up to this size are bounded by their number; larger ones also by the partitions of all together, so that
    /// sessions that nobody means to use cannot take the memory.
    static let smallSize = 1_000
    static let partitionsMaxDefault = 1_000_000

    private let slots: Int
    private let partitionsMax: Int
    private let random: any RandomSource
    private let sessions = Locked<[Int32: FetchSession]>([:])

    init(slots: Int, partitionsMax: Int = FetchSessionCache.partitionsMaxDefault, random: any RandomSource) {
        self.slots = slots
        self.partitionsMax = partitionsMax
        self.random = random
    }

    var count: Int { sessions.withLock { $0.count } }

    func session(_ id: Int32) -> FetchSession? { sessions.withLock { $0[id] } }

    func remove(_ id: Int32) { sessions.withLock { $0[id] = nil } }

    /// A new session for the request's partitions; nil when it has none, or no slot is to be had.
    func create(for request: FetchRequest, usesTopicIDs: Bool, now: MonotonicTime) -> FetchSession? {
        let size = request.topics.reduce(0) { $0 + $1.partitions.count }
        guard size > 0, hasRoom(for: size, adding: size) else { return nil }
        return sessions.withLock { sessions in
            if sessions.count >= slots {
                guard let victim = victim(sessions, size: size, now: now) else { return nil }
                sessions[victim] = nil
            }
            var id: Int32
            repeat {
                id = Int32(truncatingIfNeeded: random.next() & 0x7FFF_FFFF)
            } while id == 0 || sessions[id] != nil
            let session = FetchSession(id: id, usesTopicIDs: usesTopicIDs, now: now)
            session.fill(request)
            sessions[id] = session
            return session
        }
    }

    /// Whether a session may get so large by so many more partitions.
    func hasRoom(for size: Int, adding added: Int) -> Bool {
        if size <= Self.smallSize || added == 0 { return true }
        return sessions.withLock { $0.values.reduce(added) { $0 + $1.size } } <= partitionsMax
    }

    private func victim(_ sessions: [Int32: FetchSession], size: Int, now: MonotonicTime) -> Int32? {
        let oldest = sessions.values.min { $0.lastUsed < $1.lastUsed }
        if let oldest, now.milliseconds(since: oldest.lastUsed) > Self.evictionMs { return oldest.id }
        let smallest = sessions.values
            .filter { now.milliseconds(since: $0.created) > Self.evictionMs }
            .min { ($0.size, $0.created) < ($1.size, $1.created) }
        if let smallest, smallest.size < size { return smallest.id }
        return nil
    }
}
