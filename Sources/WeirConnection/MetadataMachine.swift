import WeirModel
public import WeirProtocol
public import WeirSystem

/// Decides when a client asks for metadata, and for which topics.
public struct MetadataMachine: Sendable {
    enum State: Sendable, Equatable {
        /// Can transition to: refreshing.
        case idle
        /// Can transition to: idle, waiting.
        case refreshing
        /// The last try failed or did not bring what was wanted. Can transition to: refreshing.
        case waiting(until: MonotonicTime)
    }

    public private(set) var view = ClusterView()
    private(set) var state = State.idle
    /// Topics that somebody uses.
    private(set) var wanted: Set<String> = []
    /// Somebody follows every topic (a consumer by pattern).
    public var wantsAllTopics = false
    /// What is known is known to be wrong, or something is missing.
    private var isStale = true
    private var failures = 0
    private var refreshedAt: MonotonicTime?
    private let backoff: Backoff
    private let maximumAgeMs: Int64
    /// Whether a wanted topic became stale while a request was in flight, so that its answer may miss it.
    private var becameStaleInFlight = false

    public init(backoff: Backoff, maximumAgeMs: Int64) {
        self.backoff = backoff
        self.maximumAgeMs = maximumAgeMs
    }

    /// Adds a topic to those that are kept up to date.
    public mutating func want(_ topic: String) {
        guard wanted.insert(topic).inserted else { return }
        if view.topics[topic] == nil { markStale() }
    }

    public mutating func forget(_ topic: String) {
        wanted.remove(topic)
        view.topics[topic] = nil
    }

    /// An answer from a broker contradicts the view, or somebody wants fresh metadata.
    public mutating func markStale() {
        isStale = true
        if state == .refreshing { becameStaleInFlight = true }
    }

    public enum PollAction: Sendable, Equatable {
        /// Ask any broker; nil is every topic.
        case request(topics: [String]?)
        case wait(until: MonotonicTime)
        /// An answer is on its way.
        case nothing
    }

    public mutating func poll(now: MonotonicTime) -> PollAction {
        switch state {
        case .refreshing:
            return .nothing
        case .waiting(let until):
            guard now >= until else { return .wait(until: until) }
        case .idle:
            if !isStale {
                let due = (refreshedAt ?? now).advanced(milliseconds: maximumAgeMs)
                guard now >= due else { return .wait(until: due) }
            }
        }
        state = .refreshing
        becameStaleInFlight = false
        return .request(topics: wantsAllTopics ? nil : wanted.sorted())
    }

    /// An answer to a request for all topics, or for the wanted ones.
    public mutating func answered(
        _ response: MetadataResponse, forAllTopics: Bool, now: MonotonicTime, random: any RandomSource
    ) {
        view.apply(response, replacesTopics: forAllTopics)
        refreshedAt = now
        isStale = becameStaleInFlight
        // A topic that is being created or elected gets asked for again soon.
        let isUnsettled = wanted.contains { name in
            guard let topic = view.topics[name] else { return true }
            return topic.error.isRetriable || topic.partitions.contains { $0.leader == nil }
        }
        if isUnsettled || isStale {
            isStale = true
            failures += 1
            state = .waiting(until: now.advanced(milliseconds: backoff.delayMs(failures: failures, random: random)))
        } else {
            failures = 0
            state = .idle
        }
    }

    /// No broker answered.
    public mutating func failed(now: MonotonicTime, random: any RandomSource) {
        failures += 1
        isStale = true
        state = .waiting(until: now.advanced(milliseconds: backoff.delayMs(failures: failures, random: random)))
    }
}
