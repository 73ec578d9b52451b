import Logging
import WeirModel
import WeirRegistry

/// Makes, deletes and grows topics: one commit to the registry, and the partitions are open, or gone, when it returns.
final class TopicAdmin: Sendable {
    private let store: ClusterStore
    private let applier: ClusterApplier
    private let logger: Logger

    init(store: ClusterStore, applier: ClusterApplier, logger: Logger) {
        self.store = store
        self.applier = applier
        self.logger = logger
    }

    /// Makes topics, or only checks them.
    func create(_ topics: [NewTopic], validateOnly: Bool = false) async -> [Result<TopicState, Refusal>] {
        guard !topics.isEmpty else { return [] }
        let partitionsMax = applier.settings.topicPartitionsMax
        do throws(RegistryError) {
            let results = try await store.createTopics(
                topics, partitionsMax: partitionsMax, validateOnly: validateOnly)
            applier.apply(store.state)
            for case .success(let topic) in results where !validateOnly {
                logger.info("created topic \(topic.name) with \(topic.partitions.count) partition(s), id \(topic.id)")
            }
            return results
        } catch {
            return topics.map { _ in .failure(Self.refusal(error)) }
        }
    }

    /// Makes a topic that a client asked about. One that somebody else made meanwhile is as good.
    func createAutomatically(_ name: String) async -> Refusal? {
        let settings = applier.settings
        do throws(Refusal) {
            let new: NewTopic
            if name == TopicName.consumerOffsets {
                new = Self.offsetsTopic(settings, brokers: store.state.brokers.count)
            } else {
                new = try TopicWish(name: name).resolved(store.state, settings)
            }
            guard case .failure(let refusal)? = await create([new]).first else { return nil }
            throw refusal
        } catch {
            return error.code == .topicAlreadyExists ? nil : error
        }
    }

    /// Kafka's settings for `__consumer_offsets`. While there are fewer brokers than its replication factor asks for, it has
    /// as many replicas as there are brokers.
    private static func offsetsTopic(_ settings: BrokerSettings, brokers: Int) -> NewTopic {
        NewTopic(
            name: TopicName.consumerOffsets, partitions: settings.offsetsTopicPartitions,
            replicationFactor: min(settings.offsetsTopicReplicationFactor, Int16(clamping: max(1, brokers))),
            configs: [
                "cleanup.policy": "compact", "compression.type": "producer",
                "segment.bytes": String(settings.offsetsTopicSegmentBytes),
            ])
    }

    func delete(_ topic: TopicState) async throws(Refusal) {
        let deleted: Result<TopicState, Refusal>
        do throws(RegistryError) {
            // By id: another client may have made a new topic of that name since.
            deleted = try await store.deleteTopic(topic.name, id: topic.id)
            applier.apply(store.state)
        } catch {
            throw Self.refusal(error)
        }
        _ = try deleted.get()
        logger.info("deleted topic \(topic.name), id \(topic.id)")
    }

    /// Gives a topic more partitions.
    func grow(
        _ name: String, to count: Int32, assignment: [[BrokerID]]?, validateOnly: Bool
    ) async throws(Refusal) {
        let result: Result<TopicState, Refusal>
        do throws(RegistryError) {
            result = try await store.createPartitions(
                name, count: count, assignment: assignment, partitionsMax: applier.settings.topicPartitionsMax,
                validateOnly: validateOnly)
            applier.apply(store.state)
        } catch {
            throw Self.refusal(error)
        }
        _ = try result.get()
        if !validateOnly { logger.info("topic \(name) has \(count) partition(s) now") }
    }

    /// What a client is told when the registry cannot do it now.
    static func refusal(_ error: RegistryError) -> Refusal {
        Refusal(error.code == .unknownOutcome ? .requestTimedOut : .brokerNotAvailable, error.message)
    }
}
