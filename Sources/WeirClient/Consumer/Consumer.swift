public import ServiceLifecycle
public import WeirConnection
import WeirModel
import WeirSystem

/// Reads records from topics, as an `AsyncSequence`: `for try await record in consumer { … }`.
///
/// Made for given partitions (`assign`) or for a group (`init(_:group:topics:)`). One task reads at a time. An error ends the loop,
/// not the consumer: after `dataLoss`, for example, `seek` and iterate again.
public final class Consumer: AsyncSequence, Service, Sendable {
    public typealias Element = ConsumerRecord
    public typealias Failure = ClientError

    let core: ConsumerCore
    let configuration: ConsumerConfiguration

    /// A consumer without a group; `assign` says what it reads.
    public init(
        _ client: ClientConfiguration, _ configuration: ConsumerConfiguration = ConsumerConfiguration()
    ) throws(ClientError) {
        if let problem = configuration.problem() { throw ClientError(.invalidConfiguration, problem) }
        self.configuration = configuration
        core = ConsumerCore(
            cluster: ClusterCore(configuration: client, createsTopics: configuration.createsTopics),
            configuration: configuration)
    }

    /// A member of a group, which shares the topics' partitions with the other members. Joins at once.
    ///
    /// With `until`, the sequence ends when every partition that this member got has been read up to (not including) its
    /// offset there.
    public init(
        _ client: ClientConfiguration, group: GroupConfiguration, topics: [String],
        _ configuration: ConsumerConfiguration = ConsumerConfiguration(), until: [TopicPartition: Offset]? = nil
    ) throws(ClientError) {
        if let problem = configuration.problem() ?? group.problem() {
            throw ClientError(.invalidConfiguration, problem)
        }
        if topics.isEmpty { throw ClientError(.invalidConfiguration, "a group member needs a topic to read") }
        self.configuration = configuration
        core = ConsumerCore(
            cluster: ClusterCore(configuration: client, createsTopics: configuration.createsTopics),
            configuration: configuration)
        GroupCore(consumer: core, configuration: group, topics: topics, until: until).start()
    }

    deinit { core.close() }

    /// Gives a consumer to `body` and closes it after it: a group member commits what was processed and leaves.
    @discardableResult
    public static func with<Value>(
        _ client: ClientConfiguration, group: GroupConfiguration, topics: [String],
        _ configuration: ConsumerConfiguration = ConsumerConfiguration(), _ body: (Consumer) async throws -> Value
    ) async throws -> Value {
        let consumer = try Consumer(client, group: group, topics: topics, configuration)
        do {
            let value = try await body(consumer)
            await consumer.close()
            return value
        } catch {
            await consumer.close()
            throw error
        }
    }

    // MARK: Assignment

    /// Reads these partitions from the given positions on, and no others.
    ///
    /// With `until`, the sequence ends when every partition has been read up to (not including) its offset there.
    public func assign(
        _ partitions: [TopicPartition: OffsetSpec], until: [TopicPartition: Offset]? = nil
    ) async throws(ClientError) {
        for topic in Set(partitions.keys.map(\.topic)).sorted() {
            let known = try await core.cluster.topic(topic, unknownGraceMs: 0)
            for partition in partitions.keys where partition.topic == topic {
                guard known.partition(partition.partition) != nil else {
                    throw .answered(
                        .unknownTopicOrPartition, about: "partition \(partition)", partition: partition)
                }
            }
        }
        var starts = partitions
        if until != nil {
            // What lies at or behind its end already is not read at all, so positions must be known.
            for (partition, found) in try await core.cluster.offsets(
                partitions, readCommitted: configuration.isolation == .readCommitted)
            {
                starts[partition] = .offset(found.offset)
            }
        }
        let wanted = starts
        let core = core
        let _: Bool = try await core.cluster.perform { completion in
            for partition in core.machine.assigned { core.stopOnLoop(partition) }
            var unfinished: Set<TopicPartition> = []
            for (partition, spec) in wanted.sorted(by: { $0.key < $1.key }) {
                let end = until?[partition]?.rawValue ?? .max
                if case .offset(let offset) = spec, offset.rawValue >= end { continue }
                core.startOnLoop(partition, at: spec, until: end)
                unfinished.insert(partition)
            }
            if until != nil { core.bound(to: unfinished) } else { core.queue.withLock { $0.isBounded = false } }
            core.pump()
            completion.finish(.success(true))
        }
    }

    // MARK: Reading

    public func makeAsyncIterator() -> Iterator { Iterator(core: core) }

    /// The same records, a batch at a time: fewer suspensions for those who handle many at once.
    public var batches: Batches { Batches(core: core) }

    public struct Batches: AsyncSequence, Sendable {
        public typealias Element = ConsumerBatch
        public typealias Failure = ClientError
        let core: ConsumerCore
        public func makeAsyncIterator() -> BatchIterator { BatchIterator(core: core) }
    }

    /// A batch counts as processed when the next one is asked for.
    public struct BatchIterator: AsyncIteratorProtocol {
        let core: ConsumerCore
        private var walker: BatchWalker?

        init(core: ConsumerCore) { self.core = core }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws(ClientError) -> ConsumerBatch? {
            while true {
                if let batch = try step() { return batch }
                guard let data = try await core.next() else { return nil }
                walker = BatchWalker(data, configuration: core.configuration)
            }
        }

        public mutating func next() async throws(ClientError) -> ConsumerBatch? {
            try await next(isolation: nil)
        }

        private mutating func step() throws(ClientError) -> ConsumerBatch? {
            guard let present = walker else { return nil }
            let progress = present.data.progress
            if present.positionAfter >= 0 {
                progress.position = Swift.max(progress.position, present.positionAfter)
                if progress.isComplete { core.finished(progress.partition) }
            }
            progress.isHeld = false
            guard !progress.isStale else {
                walker = nil
                core.letGo()
                return nil
            }
            if let batch = try walker?.next() {
                progress.isHeld = true
                return batch
            }
            if progress.isComplete { core.finished(progress.partition) }
            walker = nil
            return nil
        }
    }

    /// A record counts as processed when the next one is asked for.
    public struct Iterator: AsyncIteratorProtocol {
        private let core: ConsumerCore
        private var walker: BatchWalker?
        private var records: ConsumerBatch.Iterator?
        private var progress: Progress?
        private var current: Int64 = -1

        init(core: ConsumerCore) { self.core = core }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws(ClientError) -> ConsumerRecord? {
            while true {
                if let record = try step() { return record }
                guard let data = try await core.next() else { return nil }
                walker = BatchWalker(data, configuration: core.configuration)
                progress = data.progress
            }
        }

        public mutating func next() async throws(ClientError) -> ConsumerRecord? {
            try await next(isolation: nil)
        }

        @inline(__always)
        private mutating func step() throws(ClientError) -> ConsumerRecord? {
            guard let progress else { return nil }
            if current >= 0 {
                progress.position = current &+ 1
                current = -1
                progress.isHeld = false
                if progress.isStale { core.letGo() }
            }
            while !progress.isStale {
                if let record = records?.next() {
                    current = record.offset.rawValue
                    progress.isHeld = true
                    return record
                }
                try finishBatch(progress)
                guard let batch = try walker?.next() else { break }
                records = batch.makeIterator()
            }
            if progress.isComplete, !progress.isStale { core.finished(progress.partition) }
            walker = nil
            records = nil
            self.progress = nil
            return nil
        }

        private mutating func finishBatch(_ progress: Progress) throws(ClientError) {
            guard let present = records else { return }
            records = nil
            if present.isMalformed {
                throw ClientError(
                    .corruptData, "\(progress.partition) has a batch that does not hold the records it declares",
                    advice: "seek beyond the batch to go on", partition: progress.partition)
            }
            if let after = walker?.positionAfter { progress.position = Swift.max(progress.position, after) }
        }
    }

    // MARK: Positions

    /// Goes on reading from there. What was fetched before is dropped.
    public func seek(_ partition: TopicPartition, to spec: OffsetSpec) async throws(ClientError) {
        let core = core
        let found: Bool = try await core.cluster.perform { completion in
            guard core.machine.isAssigned(partition) else { return completion.finish(.success(false)) }
            core.group?.forgetCommitted(partition)
            core.startOnLoop(partition, at: spec, until: core.progress[partition]?.until ?? .max)
            core.pump()
            completion.finish(.success(true))
        }
        guard found else {
            throw ClientError(.invalidArgument, "\(partition) is not assigned to this consumer", partition: partition)
        }
    }

    /// Stops fetching these partitions; what is buffered is still delivered.
    public func pause(_ partitions: [TopicPartition]) async throws(ClientError) {
        let core = core
        let _: Bool = try await core.cluster.perform {
            core.pauseOnLoop(partitions)
            $0.finish(.success(true))
        }
    }

    public func resume(_ partitions: [TopicPartition]) async throws(ClientError) {
        let core = core
        let _: Bool = try await core.cluster.perform {
            core.resumeOnLoop(partitions)
            $0.finish(.success(true))
        }
    }

    /// The partitions that this consumer reads now.
    public func assignment() async throws(ClientError) -> [TopicPartition] {
        let core = core
        return try await core.cluster.perform { $0.finish(.success(core.machine.assigned)) }
    }

    /// The next offset to process; nil when it is not known yet or the partition is not assigned.
    public func position(of partition: TopicPartition) async throws(ClientError) -> Offset? {
        let core = core
        return try await core.cluster.perform { completion in
            let position = core.progress[partition]?.position ?? -1
            completion.finish(.success(position >= 0 ? Offset(position) : nil))
        }
    }

    /// How many records lie between the position and the end that the last answer told; nil when either is not known.
    public func lag(of partition: TopicPartition) async throws(ClientError) -> Int64? {
        let core = core
        return try await core.cluster.perform { completion in
            let position = core.progress[partition]?.position ?? -1
            let end = core.machine.watermarks(of: partition).highWatermark
            completion.finish(.success(position >= 0 ? end.map { Swift.max(0, $0.rawValue - position) } : nil))
        }
    }

    /// Looks offsets up for any partitions: the first at or after a time, the earliest, the end.
    public func offsets(
        _ wanted: [TopicPartition: OffsetSpec]
    ) async throws(ClientError) -> [TopicPartition: OffsetAndTimestamp] {
        try await core.cluster.offsets(wanted, readCommitted: configuration.isolation == .readCommitted)
    }

    /// The partitions of a topic.
    public func partitions(of topic: String) async throws(ClientError) -> [TopicPartition] {
        try await core.cluster.topic(topic, unknownGraceMs: 0).partitions.map { TopicPartition(topic, $0.index) }
    }

    // MARK: Commits

    /// Commits what has been processed of every partition of this member.
    public func commit() async throws(ClientError) {
        try await commit { $0.commitProcessed($1) }
    }

    /// Commits that this record, and everything before it in its partition, has been processed.
    public func commit(_ record: ConsumerRecord) async throws(ClientError) {
        try await commit([record.partition: CommittedOffset(offset: record.offset + 1, leaderEpoch: record.leaderEpoch)]
        )
    }

    /// Commits these offsets, each the next to be read.
    public func commit(_ offsets: [TopicPartition: CommittedOffset]) async throws(ClientError) {
        try await commit { $0.commit(offsets, $1) }
    }

    private func commit(
        _ body: @escaping @Sendable (GroupCore, @escaping (Result<Bool, ClientError>) -> Void) -> Void
    ) async throws(ClientError) {
        let core = core
        let _: Bool = try await core.cluster.perform { completion in
            guard let group = core.group else {
                return completion.finish(
                    .failure(ClientError(.invalidArgument, "a consumer without a group has no offsets to commit")))
            }
            body(group) { completion.finish($0) }
        }
    }

    // MARK: Ending

    /// Ends the sequence and closes the connections; a group member first commits what was processed and leaves.
    public func close() async {
        core.endReading()
        let core = core
        // Leaving must not be cut short by the cancellation that may have brought us here.
        await Task {
            let _: Bool? = try? await core.cluster.perform { completion in
                if let group = core.group { group.close(completion) } else { completion.finish(.success(true)) }
            }
        }.value
        core.close()
    }

    /// Serves until graceful shutdown or cancellation, then closes; the sequence ends.
    public func run() async throws {
        try? await gracefulShutdown()
        await close()
    }
}
