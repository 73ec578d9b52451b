import DequeModule
public import WeirModel
public import WeirSystem

/// What the broker calls an idempotent producer: its id, and the epoch that fences older incarnations (KIP-98).
public struct ProducerIdentity: Sendable, Hashable {
    public let id: ProducerID
    public let epoch: Int16

    public init(id: ProducerID, epoch: Int16) {
        self.id = id
        self.epoch = epoch
    }
}

/// A producer's sending side: which batch goes out when, with which sequence number, what is retried and in which order,
/// and what has failed for good.
///
/// Batches of one partition are sent in the order they were enqueued, at most `inFlightPerPartitionMax` at a time, and a
/// batch that is tried again goes alone until it is through, so that retries reorder nothing. The bytes stay with the
/// driver: the machine knows a batch by its id.
public struct ProducerMachine: Sendable {
    public struct Configuration: Sendable, Equatable {
        /// Whether the broker removes duplicates by producer id and sequence.
        public var isIdempotent = true
        /// Kafka remembers five batches per producer and partition; more in flight could not be told from duplicates.
        public var inFlightPerPartitionMax = 5
        /// A batch fails when it was not acknowledged that long after its first record, in milliseconds.
        public var deliveryTimeoutMs: Int64 = 120_000
        /// Produce requests are not made larger than this by putting batches together, in bytes.
        public var requestBytesMax = 1_048_576
        public var backoff = Backoff(initialMs: 50, maximumMs: 1000)

        public init() {}
    }

    public struct BatchID: Sendable, Hashable, Comparable {
        public let rawValue: UInt64
        public init(_ rawValue: UInt64) { self.rawValue = rawValue }
        public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }

    struct Batch: Sendable, Equatable {
        let id: BatchID
        let recordCount: Int32
        let byteCount: Int
        let deadline: MonotonicTime
        /// Given at the first sending.
        var sequence: Int32?
        var attempts = 0
        /// The last failure, for the message when the batch expires.
        var lastFailure: ErrorCode?
    }

    struct Queue: Sendable {
        let partition: TopicPartition
        var waiting: Deque<Batch> = []
        /// In the order they were sent.
        var inFlight: [Batch] = []
        var nextSequence: Int32 = 0
        var failures = 0
        var retryAt: MonotonicTime?
        var isListed = false
    }

    enum Identity: Sendable, Equatable {
        /// Can transition to: requested. Stays when the producer is not idempotent.
        case none
        /// InitProducerId is in flight. Can transition to: held, waiting, refused.
        case requested(replacing: ProducerIdentity?)
        /// InitProducerId failed and is tried again. Can transition to: requested.
        case waiting(until: MonotonicTime, replacing: ProducerIdentity?)
        /// Can transition to: draining.
        case held(ProducerIdentity)
        /// A sequence is broken: when nothing is in flight any more, the epoch is bumped and sequences start over (KIP-360).
        /// Can transition to: requested.
        case draining(ProducerIdentity)
        /// The broker will not have this producer. Stays.
        case refused(ErrorCode)
    }

    public let configuration: Configuration
    var queues: [Queue] = []
    private var slots: [TopicPartition: Int] = [:]
    private(set) var identity = Identity.none
    private var identityFailures = 0
    /// Queues with something to send or to expire.
    private var listed: Deque<Int> = []
    private var inFlightTotal = 0

    public init(configuration: Configuration) { self.configuration = configuration }

    // MARK: Enqueueing

    /// The partition's number in this machine.
    public mutating func slot(of partition: TopicPartition) -> Int {
        if let slot = slots[partition] { return slot }
        queues.append(Queue(partition: partition))
        slots[partition] = queues.count - 1
        return queues.count - 1
    }

    /// Whether another batch of the partition would go out soon; when not, it does better by growing.
    public func hasRoom(slot: Int) -> Bool {
        queues[slot].waiting.isEmpty && queues[slot].inFlight.count < configuration.inFlightPerPartitionMax
    }

    /// A batch is complete. `createdAt` is the time of its first record, from which the delivery timeout counts.
    public mutating func enqueue(
        _ id: BatchID, slot: Int, recordCount: Int32, byteCount: Int, createdAt: MonotonicTime
    ) {
        queues[slot].waiting.append(
            Batch(
                id: id, recordCount: recordCount, byteCount: byteCount,
                deadline: createdAt.advanced(milliseconds: configuration.deliveryTimeoutMs)))
        list(slot)
    }

    private mutating func list(_ slot: Int) {
        guard !queues[slot].isListed else { return }
        queues[slot].isListed = true
        listed.append(slot)
    }

    /// Batches that are neither delivered nor failed.
    public var isEmpty: Bool { inFlightTotal == 0 && queues.allSatisfy { $0.waiting.isEmpty } }

    // MARK: Sending

    public struct BatchSend: Sendable, Equatable {
        public let id: BatchID
        public let slot: Int
        public let partition: TopicPartition
        /// -1 without idempotence.
        public let sequence: Int32
        public let identity: ProducerIdentity?
    }

    public struct Failure: Sendable, Equatable {
        public let id: BatchID
        public let partition: TopicPartition
        public let reason: Reason
        public enum Reason: Sendable, Equatable {
            /// The delivery timeout passed; the code is the last refusal, nil when there was none.
            case expired(lastFailure: ErrorCode?, wasSent: Bool)
            case refused(ErrorCode)
        }
    }

    public struct PollResult: Sendable, Equatable {
        /// Requests to send, in order: at most one batch of a partition in each.
        public var sends: [(broker: BrokerID, batches: [BatchSend])] = []
        /// Set when InitProducerId must be sent, with the identity to be replaced or nil for the first.
        public var wantsIdentity = false
        public var identityToReplace: ProducerIdentity?
        public var failures: [Failure] = []
        /// A partition has no known leader.
        public var needsMetadata = false
        /// Poll again then at the latest.
        public var wakeAt: MonotonicTime?

        public static func == (left: Self, right: Self) -> Bool {
            left.sends.elementsEqual(right.sends) { $0.broker == $1.broker && $0.batches == $1.batches }
                && left.wantsIdentity == right.wantsIdentity && left.identityToReplace == right.identityToReplace
                && left.failures == right.failures && left.needsMetadata == right.needsMetadata
                && left.wakeAt == right.wakeAt
        }
    }

    /// Says what to do now. `freeRequests` is how many more requests a broker may have in flight.
    public mutating func poll(
        now: MonotonicTime, leader: (TopicPartition) -> BrokerID?, freeRequests: (BrokerID) -> Int
    ) -> PollResult {
        var result = PollResult()
        expire(now: now, into: &result)
        if case .refused(let code) = identity {
            failAllWaiting(.refused(code), into: &result)
            return result
        }
        let maySend = settleIdentity(now: now, into: &result)
        var free: [BrokerID: Int] = [:]
        var progress = maySend
        while progress {
            progress = false
            var requests: [(broker: BrokerID, batches: [BatchSend], bytes: Int)] = []
            for slot in listed {
                guard isSendable(slot, now: now) else { continue }
                guard let broker = leader(queues[slot].partition) else {
                    result.needsMetadata = true
                    continue
                }
                var index = requests.firstIndex { $0.broker == broker }
                if index == nil {
                    let left = free[broker] ?? freeRequests(broker)
                    free[broker] = left
                    guard left > 0 else { continue }
                    free[broker] = left - 1
                    requests.append((broker, [], 0))
                    index = requests.count - 1
                }
                guard let index, let next = queues[slot].waiting.first else { continue }
                let bytes = requests[index].bytes + next.byteCount
                if !requests[index].batches.isEmpty, bytes > configuration.requestBytesMax { continue }
                requests[index].bytes = bytes
                requests[index].batches.append(dispatch(slot))
                progress = true
            }
            for request in requests where !request.batches.isEmpty {
                result.sends.append((request.broker, request.batches))
            }
        }
        unlist()
        noteWake(now: now, into: &result)
        return result
    }

    private func isSendable(_ slot: Int, now: MonotonicTime) -> Bool {
        let queue = queues[slot]
        guard let first = queue.waiting.first, queue.inFlight.count < configuration.inFlightPerPartitionMax else {
            return false
        }
        if let retryAt = queue.retryAt, now < retryAt { return false }
        // A batch on its second try goes alone, and nothing overtakes it.
        if first.attempts > 0 || queue.inFlight.contains(where: { $0.attempts > 1 }) { return queue.inFlight.isEmpty }
        return true
    }

    private mutating func dispatch(_ slot: Int) -> BatchSend {
        var batch = queues[slot].waiting.removeFirst()
        batch.attempts += 1
        var held: ProducerIdentity?
        if case .held(let identity) = identity {
            held = identity
            if batch.sequence == nil {
                batch.sequence = queues[slot].nextSequence
                queues[slot].nextSequence = Self.advance(queues[slot].nextSequence, by: batch.recordCount)
            }
        }
        queues[slot].inFlight.append(batch)
        queues[slot].retryAt = nil
        inFlightTotal += 1
        return BatchSend(
            id: batch.id, slot: slot, partition: queues[slot].partition, sequence: batch.sequence ?? -1, identity: held)
    }

    /// Sequence numbers count records and wrap from 2³¹-1 to 0.
    static func advance(_ sequence: Int32, by count: Int32) -> Int32 {
        Int32(truncatingIfNeeded: (Int64(sequence) + Int64(count)) & 0x7FFF_FFFF)
    }

    /// Whether batches may go out under the present identity.
    private mutating func settleIdentity(now: MonotonicTime, into result: inout PollResult) -> Bool {
        guard configuration.isIdempotent else { return true }
        switch identity {
        case .held:
            return true
        case .none:
            guard !listed.isEmpty else { return false }
            request(replacing: nil, into: &result)
        case .draining(let old):
            guard inFlightTotal == 0 else { return false }
            request(replacing: old, into: &result)
        case .waiting(let until, let replacing):
            guard now >= until else { return false }
            request(replacing: replacing, into: &result)
        case .requested, .refused:
            break
        }
        return false
    }

    private mutating func request(replacing old: ProducerIdentity?, into result: inout PollResult) {
        identity = .requested(replacing: old)
        result.wantsIdentity = true
        result.identityToReplace = old
    }

    private mutating func unlist() {
        for _ in 0..<listed.count {
            guard let slot = listed.popFirst() else { break }
            if queues[slot].waiting.isEmpty { queues[slot].isListed = false } else { listed.append(slot) }
        }
    }

    private func noteWake(now: MonotonicTime, into result: inout PollResult) {
        var wake: MonotonicTime?
        for slot in listed {
            guard let first = queues[slot].waiting.first else { continue }
            wake = min(wake ?? first.deadline, first.deadline)
            if let retryAt = queues[slot].retryAt, retryAt > now { wake = min(wake ?? retryAt, retryAt) }
        }
        if case .waiting(let until, _) = identity { wake = min(wake ?? until, until) }
        result.wakeAt = wake
    }

    // MARK: Expiry

    private mutating func expire(now: MonotonicTime, into result: inout PollResult) {
        for slot in listed {
            while let first = queues[slot].waiting.first, first.deadline <= now {
                queues[slot].waiting.removeFirst()
                result.failures.append(
                    Failure(
                        id: first.id, partition: queues[slot].partition,
                        reason: .expired(lastFailure: first.lastFailure, wasSent: first.attempts > 0)))
                gaveUp(first, slot: slot)
            }
        }
    }

    private mutating func failAllWaiting(_ reason: Failure.Reason, into result: inout PollResult) {
        for slot in listed {
            while let batch = queues[slot].waiting.popFirst() {
                result.failures.append(Failure(id: batch.id, partition: queues[slot].partition, reason: reason))
            }
        }
        unlist()
    }

    /// A batch with a sequence will not be tried again: what follows it would look like a gap to the broker.
    private mutating func gaveUp(_ batch: Batch, slot: Int) {
        guard let sequence = batch.sequence, case .held(let current) = identity else { return }
        let follower = Self.advance(sequence, by: batch.recordCount)
        if queues[slot].nextSequence == follower, batch.lastFailure != nil, batch.attempts == 1 {
            // It was refused at its only try and nothing has been numbered after it: its number is free again.
            queues[slot].nextSequence = sequence
        } else {
            identity = .draining(current)
        }
    }

    // MARK: Answers

    public enum Outcome: Sendable, Equatable {
        case answered(ErrorCode)
        /// The connection broke or the answer did not come in time; the batch may have been appended.
        case lost
    }

    public enum Verdict: Sendable, Equatable {
        case delivered
        /// It goes out again later, without the driver's doing.
        case retried(needsMetadata: Bool)
        case failed(Failure)
    }

    /// What became of a batch in flight.
    public mutating func finished(
        _ id: BatchID, slot: Int, outcome: Outcome, now: MonotonicTime, random: any RandomSource
    ) -> Verdict {
        guard let index = queues[slot].inFlight.firstIndex(where: { $0.id == id }) else {
            preconditionFailure("a batch finishes once")
        }
        var batch = queues[slot].inFlight.remove(at: index)
        inFlightTotal -= 1
        switch outcome {
        case .lost:
            retry(batch, slot: slot, now: now, random: random)
            return .retried(needsMetadata: true)
        case .answered(let code) where code == .none || code == .duplicateSequenceNumber:
            queues[slot].failures = 0
            return .delivered
        case .answered(let code):
            batch.lastFailure = code
            return refused(batch, code: code, slot: slot, now: now, random: random)
        }
    }

    private mutating func refused(
        _ batch: Batch, code: ErrorCode, slot: Int, now: MonotonicTime, random: any RandomSource
    ) -> Verdict {
        if configuration.isIdempotent, batch.sequence != nil {
            switch code {
            case .outOfOrderSequenceNumber:
                if case .held(let current) = identity, !hasEarlier(than: batch, slot: slot) {
                    // It was the next in line, so the broker has lost its memory of this producer: start over.
                    identity = .draining(current)
                }
                retry(batch, slot: slot, now: now, random: random)
                return .retried(needsMetadata: false)
            case .unknownProducerID, .invalidProducerEpoch, .invalidProducerIDMapping:
                if case .held(let current) = identity { identity = .draining(current) }
                retry(batch, slot: slot, now: now, random: random)
                return .retried(needsMetadata: false)
            case .producerFenced, .clusterAuthorizationFailed:
                identity = .refused(code)
                return .failed(Failure(id: batch.id, partition: queues[slot].partition, reason: .refused(code)))
            default:
                break
            }
        }
        if code.isRetriable {
            retry(batch, slot: slot, now: now, random: random)
            return .retried(needsMetadata: Self.meansStaleMetadata(code))
        }
        gaveUp(batch, slot: slot)
        return .failed(Failure(id: batch.id, partition: queues[slot].partition, reason: .refused(code)))
    }

    /// Whether an earlier batch of the partition is still unresolved.
    private func hasEarlier(than batch: Batch, slot: Int) -> Bool {
        queues[slot].inFlight.contains { $0.id < batch.id } || queues[slot].waiting.contains { $0.id < batch.id }
    }

    static func meansStaleMetadata(_ code: ErrorCode) -> Bool {
        switch code {
        case .unknownTopicOrPartition, .leaderNotAvailable, .notLeaderOrFollower, .fencedLeaderEpoch,
            .unknownLeaderEpoch, .unknownTopicID, .inconsistentTopicID, .kafkaStorageError, .replicaNotAvailable,
            .newLeaderElected, .networkException:
            true
        default:
            false
        }
    }

    /// Puts a batch back where it was: before everything that was enqueued after it.
    private mutating func retry(_ batch: Batch, slot: Int, now: MonotonicTime, random: any RandomSource) {
        let position = queues[slot].waiting.firstIndex { $0.id > batch.id } ?? queues[slot].waiting.endIndex
        queues[slot].waiting.insert(batch, at: position)
        queues[slot].failures += 1
        let delay = configuration.backoff.delayMs(failures: queues[slot].failures, random: random)
        queues[slot].retryAt = now.advanced(milliseconds: delay)
        list(slot)
    }

    // MARK: Identity

    /// InitProducerId was answered.
    public mutating func identified(_ fresh: ProducerIdentity) {
        guard case .requested = identity else { return }
        identity = .held(fresh)
        identityFailures = 0
        for slot in queues.indices {
            queues[slot].nextSequence = 0
            for index in queues[slot].waiting.indices { queues[slot].waiting[index].sequence = nil }
        }
    }

    /// InitProducerId failed; nil is a lost connection.
    public mutating func identityFailed(_ code: ErrorCode?, now: MonotonicTime, random: any RandomSource) {
        guard case .requested(let replacing) = identity else { return }
        switch code {
        case .some(.unsupportedVersion), .some(.clusterAuthorizationFailed), .some(.transactionalIDAuthorizationFailed),
            .some(.saslAuthenticationFailed):
            identity = .refused(code ?? .unknownServerError)
        case .some(.producerFenced), .some(.invalidProducerEpoch), .some(.unknownProducerID):
            // The old identity is of no use any more: take a new one.
            identityFailures += 1
            identity = .waiting(until: delay(now: now, random: random), replacing: nil)
        default:
            identityFailures += 1
            identity = .waiting(until: delay(now: now, random: random), replacing: replacing)
        }
    }

    private func delay(now: MonotonicTime, random: any RandomSource) -> MonotonicTime {
        now.advanced(milliseconds: configuration.backoff.delayMs(failures: identityFailures, random: random))
    }
}
