public import ServiceLifecycle
import WeirConnection
import WeirModel
import WeirSystem

/// Writes records to topics.
///
/// `send` suspends only while the buffer is full or a topic is not known yet, and returns a `Delivery` to await when you want
/// to know what became of the record. Records of one partition are written in the order of their `send`s.
///
/// Run it as a service (`run()` flushes and closes on graceful shutdown), use `Producer.with`, or call `close()` yourself.
public final class Producer: Service, Sendable {
    private let core: ProducerCore
    private let configuration: ProducerConfiguration

    public init(
        _ client: ClientConfiguration, _ configuration: ProducerConfiguration = ProducerConfiguration()
    ) throws(ClientError) {
        if let problem = configuration.problem() { throw ClientError(.invalidConfiguration, problem) }
        self.configuration = configuration
        core = ProducerCore(
            cluster: ClusterCore(configuration: client, createsTopics: configuration.createsTopics),
            configuration: configuration)
    }

    deinit { core.close() }

    /// Gives a producer to `body`, then flushes and closes it. When `body` throws it is closed without a flush.
    @discardableResult
    public static func with<Value>(
        _ client: ClientConfiguration, _ configuration: ProducerConfiguration = ProducerConfiguration(),
        _ body: (Producer) async throws -> Value
    ) async throws -> Value {
        let producer = try Producer(client, configuration)
        do {
            let value = try await body(producer)
            try await producer.close()
            return value
        } catch {
            producer.core.close()
            throw error
        }
    }

    // MARK: Sending

    /// Sends one record.
    @discardableResult
    public func send(_ record: ProducerRecord, to topic: String) async throws(ClientError) -> Delivery {
        let deliveries = try await send(contentsOf: CollectionOfOne(record), to: topic)
        guard let delivery = deliveries.first else { throw .closed }
        return delivery
    }

    /// Sends records in order; the answer has one delivery for each. When it throws, records before the refused one are on
    /// their way all the same.
    @discardableResult
    public func send(
        contentsOf records: some Sequence<ProducerRecord>, to topic: String
    ) async throws(ClientError) -> [Delivery] {
        var index = try await prepare(topic)
        var deliveries: [Delivery] = []
        deliveries.reserveCapacity(records.underestimatedCount)
        var iterator = records.makeIterator()
        var held = iterator.next()
        while held != nil {
            switch append(&held, &iterator, to: index, into: &deliveries) {
            case .done: break
            case .full(let completion): _ = try await completion.wait()
            case .failed(let error): throw error
            case .partitionMissing(let partition):
                // The topic may have grown.
                let grown = try await prepare(topic, isFresh: true)
                if grown == index, !hasPartition(partition, topic: index) {
                    throw .answered(
                        .unknownTopicOrPartition, about: "partition \(TopicPartition(topic, partition))",
                        partition: TopicPartition(topic, partition))
                }
                index = grown
            }
        }
        return deliveries
    }

    private enum AppendStop {
        case done
        case full(Completion<Bool>)
        case partitionMissing(PartitionIndex)
        case failed(ClientError)
    }

    /// Appends until the records end, the buffer is full, or the lock has been held for a while.
    private func append<Records: IteratorProtocol<ProducerRecord>>(
        _ held: inout ProducerRecord?, _ iterator: inout Records, to topic: Int, into deliveries: inout [Delivery]
    ) -> AppendStop {
        let clock = core.cluster.clock
        let (now, wall) = (clock.monotonic, clock.wallMilliseconds)
        var next = held
        var wakes = false
        var shallWake = false
        let stop = core.accumulator.withLock { accumulator -> AppendStop in
            defer {
                shallWake = wakes && !accumulator.isWoken
                if shallWake { accumulator.isWoken = true }
            }
            guard !accumulator.isClosed else { return .failed(.closed) }
            var left = 1024
            while let record = next, left > 0 {
                guard accumulator.bytes < configuration.bufferBytesMax else {
                    let completion = Completion<Bool>()
                    accumulator.spaceWaiters.append(completion)
                    wakes = true
                    return .full(completion)
                }
                do throws(Accumulator.AppendFailure) {
                    deliveries.append(
                        try accumulator.append(
                            record, to: topic, timestamp: wall, now: now, random: core.cluster.random, wakes: &wakes))
                } catch {
                    switch error {
                    case .noSuchPartition: return .partitionMissing(record.partition ?? PartitionIndex(-1))
                    case .tooLarge(let size): return .failed(tooLarge(size))
                    }
                }
                next = iterator.next()
                left -= 1
            }
            return .done
        }
        held = next
        if shallWake { core.wake() }
        return stop
    }

    private func tooLarge(_ size: Int) -> ClientError {
        ClientError(
            .recordTooLarge, "a record of \(size) bytes is larger than this producer's \(configuration.recordBytesMax)",
            advice: "send smaller records or raise recordBytesMax")
    }

    private func hasPartition(_ partition: PartitionIndex, topic: Int) -> Bool {
        core.accumulator.withLock { $0.topics[topic].open.indices.contains(Int(partition.rawValue)) }
    }

    /// The topic's place in the accumulator, once its partitions are known.
    private func prepare(_ name: String, isFresh: Bool = false) async throws(ClientError) -> Int {
        if !isFresh, let index = core.accumulator.withLock({ $0.indices[name] }) { return index }
        if isFresh { try await core.cluster.refreshMetadata() }
        let topic = try await core.cluster.topic(
            name, unknownGraceMs: configuration.createsTopics ? configuration.topicTimeoutMs : 0)
        let random = core.cluster.random
        return core.accumulator.withLock { $0.prepare(name, partitions: topic.partitions.count, random: random) }
    }

    /// How many partitions a topic has; waits for its metadata.
    public func partitionCount(of topic: String) async throws(ClientError) -> Int {
        try await core.cluster.topic(
            topic, unknownGraceMs: configuration.createsTopics ? configuration.topicTimeoutMs : 0
        ).partitions.count
    }

    // MARK: Ending

    /// Waits until every record sent before is acknowledged or has failed.
    public func flush() async throws(ClientError) { try await core.flush() }

    /// Flushes, then closes. Records that cannot be delivered fail within the delivery timeout.
    public func close() async throws(ClientError) {
        do throws(ClientError) {
            try await core.flush()
        } catch {
            core.close()
            throw error
        }
        core.close()
    }

    /// Serves until graceful shutdown or cancellation, then flushes and closes.
    public func run() async throws {
        try? await gracefulShutdown()
        // The flush must not be cut short by the cancellation that ended the wait.
        let core = core
        try await Task {
            do throws(ClientError) {
                try await core.flush()
            } catch {
                core.close()
                throw error
            }
            core.close()
        }.value
    }
}
