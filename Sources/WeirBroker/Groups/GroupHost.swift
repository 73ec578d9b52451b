import Logging
import NIOCore
import WeirModel
import WeirRecords
import WeirRegistry
import WeirStorage
import WeirSystem

/// What the group coordinator sees of the broker: `__consumer_offsets` and the topics.
final class GroupHost: GroupCoordinatorHost {
    /// How long a commit waits to get to disk: Kafka's `offsets.commit.timeout.ms`.
    static let appendTimeoutMs: Int64 = 5_000
    /// Bytes of one read while replaying.
    private static let replayBytes = 1 << 20

    private let settings: BrokerSettings
    private let clock: any WeirClock
    private let partitions: PartitionTable
    private let metadata: MetadataCache
    private let topics: TopicAdmin
    private let purgatory: Purgatory
    private let logger: Logger

    private struct Preparation {
        var isRunning = false
        var waiting: [@Sendable (ErrorCode) -> Void] = []
    }
    private let preparation = Locked(Preparation())

    init(
        settings: BrokerSettings, clock: any WeirClock, partitions: PartitionTable, metadata: MetadataCache,
        topics: TopicAdmin, purgatory: Purgatory, logger: Logger
    ) {
        self.settings = settings
        self.clock = clock
        self.partitions = partitions
        self.metadata = metadata
        self.topics = topics
        self.purgatory = purgatory
        self.logger = logger
    }

    // MARK: Coming and going of offsets partitions

    /// A partition was opened; one of `__consumer_offsets` is read into the coordinator.
    func opened(_ partition: Partition, _ groups: GroupCoordinator) {
        guard partition.topicPartition.topic == TopicName.consumerOffsets else { return }
        do {
            try groups.load(partition.topicPartition.partition)
        } catch {
            logger.error("the offsets in \(partition.topicPartition) cannot be read: \(error)")
        }
    }

    func deleted(_ topic: Topic, _ groups: GroupCoordinator) {
        guard topic.name == TopicName.consumerOffsets else { return }
        for partition in topic.partitions.compactMap({ $0 }) { groups.unload(partition.topicPartition.partition) }
    }

    // MARK: GroupCoordinatorHost

    var offsetsPartitionCount: Int32 {
        metadata.current.state.topics[TopicName.consumerOffsets].map { Int32(clamping: $0.partitions.count) }
            ?? settings.offsetsTopicPartitions
    }

    func append(
        to index: PartitionIndex, _ records: [OffsetsRecord],
        completion: @escaping @Sendable (ErrorCode) -> Void
    ) {
        guard let topic = partitions.topic(TopicName.consumerOffsets), let partition = topic.partition(index.rawValue)
        else { return completion(.notCoordinator) }
        guard partition.inSyncReplicaCount >= topic.settings.minInsyncReplicas else {
            return completion(.coordinatorNotAvailable)
        }
        do {
            let batch = try batch(of: records)
            let result = try partition.log.append(batch, leaderEpoch: partition.leaderEpoch, origin: .coordinator)
            let needed = result.lastOffset + 1
            if result.highWatermarkAdvanced || partition.log.highWatermark >= needed { return completion(.none) }
            let ack = CoordinatorAck(completion)
            guard partition.park(ack, index: 0, needed: needed) else { return ack.settle(0, .notCoordinator) }
            purgatory.park(ack, milliseconds: Self.appendTimeoutMs)
            let highWatermark = partition.log.highWatermark
            if highWatermark >= needed { partition.wake(highWatermark) }
        } catch let error as AppendError {
            completion(error.code == .kafkaStorageError ? .coordinatorNotAvailable : error.code)
        } catch {
            logger.error("a record for \(TopicName.consumerOffsets)-\(index) cannot be built: \(error)")
            completion(.unknownServerError)
        }
    }

    private func batch(of records: [OffsetsRecord]) throws -> ValidatedBatch {
        var builder = RecordBatchBuilder(codec: .none)
        let now = clock.wallMilliseconds
        for record in records { try builder.append(key: record.key, value: record.value, headers: [], timestamp: now) }
        let rules = BatchRules(maxMessageBytes: .max, nowMs: now)
        return try BatchValidator.validate(try builder.finish(), rules: rules)
    }

    func replay(
        _ index: PartitionIndex, _ each: (_ key: ByteBuffer, _ value: ByteBuffer?, _ offset: Offset) -> Void
    ) throws {
        guard let partition = partitions.partition(TopicName.consumerOffsets, index.rawValue) else { return }
        let end = partition.log.endOffset
        var next = partition.log.startOffset
        while next < end {
            let read = try partition.log.read(
                from: next, maxBytes: Self.replayBytes, upTo: .logEnd, minOneBatch: true)
            guard let slice = read.bytes, slice.count > 0 else { return }
            let before = next
            var batches = RecordBatchIterator(try slice.readAll())
            while let batch = try batches.next() {
                next = Offset(batch.header.lastOffset) + 1
                if batch.header.attributes.isControl { continue }
                for record in try batch.records(limit: settings.batchDecompressedMaxBytes) {
                    guard let key = record.key else { continue }
                    each(key, record.value, Offset(record.offset))
                }
            }
            // A batch that the slice cuts in two cannot be: reads end between batches.
            guard next > before else { return }
        }
    }

    func prepareOffsetsTopic(completion: @escaping @Sendable (ErrorCode) -> Void) {
        // The partitions are opened, and loaded, before the topic can be seen in the metadata of a caller of `create`.
        if partitions.topic(TopicName.consumerOffsets) != nil { return completion(.none) }
        let mustCreate = preparation.withLock { preparation in
            preparation.waiting.append(completion)
            defer { preparation.isRunning = true }
            return !preparation.isRunning
        }
        guard mustCreate else { return }
        Task { [self] in
            let refusal = await topics.createAutomatically(TopicName.consumerOffsets)
            if let refusal { logger.error("\(TopicName.consumerOffsets) cannot be made: \(refusal)") }
            let waiting = preparation.withLock { preparation in
                preparation.isRunning = false
                defer { preparation.waiting = [] }
                return preparation.waiting
            }
            for completion in waiting { completion(refusal == nil ? .none : .coordinatorNotAvailable) }
        }
    }

    func coordinator(of partition: PartitionIndex, listener: String) -> BrokerEndpoint? {
        let view = metadata.current
        guard let state = view.state.partition(TopicPartition(TopicName.consumerOffsets, partition)),
            let leader = state.leader, let registration = view.state.brokers[leader],
            let endpoint = registration.endpoint(listener)
        else { return nil }
        return BrokerEndpoint(nodeID: leader, host: endpoint.host, port: Int32(clamping: endpoint.port))
    }

    func exists(_ partition: TopicPartition) -> Bool { metadata.current.state.partition(partition) != nil }
    func topicName(of topicID: UniqueID) -> String? { metadata.current.state.topic(id: topicID)?.name }
    func topicID(of topic: String) -> UniqueID? { metadata.current.state.topics[topic]?.id }
}

/// A coordinator's append on its way to disk.
private final class CoordinatorAck: Waiting, AckWaiting, Sendable {
    private let completion: Locked<(@Sendable (ErrorCode) -> Void)?>

    init(_ completion: @escaping @Sendable (ErrorCode) -> Void) { self.completion = Locked(completion) }

    var isSettled: Bool { completion.withLock { $0 == nil } }

    func settle(_ index: Int, _ code: ErrorCode) {
        let completion = completion.withLock { completion in
            defer { completion = nil }
            return completion
        }
        completion?(code)
    }

    func expire() { settle(0, .requestTimedOut) }
}
