import Logging
import WeirModel
import WeirRegistry
import WeirStorage
import WeirSystem

/// Makes this broker be what the cluster's metadata says: opens the logs of partitions that are its own, closes those that are
/// gone, and hands on changed settings.
///
/// States come in from the registry's watch and from whoever committed one; an older one than was applied is passed over.
/// Applying is serial, under a lock of its own that no request ever waits for.
final class ClusterApplier: Sendable {
    private struct State {
        var revision: Revision?
        var topics: [UniqueID: Topic] = [:]
        var configs: [String: [String: String]] = [:]
        var brokerConfigs: [String: [String: String]] = [:]
    }

    let localID: BrokerID
    let staticSettings: BrokerSettings
    let logs: LogManager
    private let partitions: PartitionTable
    private let metadata: MetadataCache
    private let logger: Logger
    private let state = Locked(State())
    private let current: Locked<SettingsBox>
    private let hooks = Locked(Hooks())

    /// Who else hears of partitions; called after the metadata is in force, in order.
    struct Hooks: Sendable {
        var partitionOpened: @Sendable (Partition) -> Void = { _ in }
        var topicDeleted: @Sendable (Topic) -> Void = { _ in }
        var settingsChanged: @Sendable (BrokerSettings) -> Void = { _ in }
    }

    /// The settings are large; readers share one copy.
    private final class SettingsBox: Sendable {
        let settings: BrokerSettings
        init(_ settings: BrokerSettings) { self.settings = settings }
    }

    init(
        settings: BrokerSettings, logs: LogManager, partitions: PartitionTable, metadata: MetadataCache, logger: Logger
    ) {
        self.localID = settings.nodeID
        self.staticSettings = settings
        self.logs = logs
        self.partitions = partitions
        self.metadata = metadata
        self.logger = logger
        current = Locked(SettingsBox(settings))
    }

    /// The broker's settings, the dynamic ones included.
    var settings: BrokerSettings { current.withLock { $0 }.settings }

    /// The most bytes of one Fetch answer, without a copy of all the settings.
    var fetchMaxBytes: Int { current.withLock { $0 }.settings.fetchMaxBytes }

    func setHooks(_ new: Hooks) { hooks.withLock { $0 = new } }

    /// Brings logs and tables to a state.
    func apply(_ cluster: ClusterState) {
        var opened: [Partition] = []
        var deleted: [Topic] = []
        var newSettings: BrokerSettings?
        state.withLock { state in
            if let revision = state.revision, cluster.revision <= revision { return }
            state.revision = cluster.revision
            if cluster.brokerConfigs != state.brokerConfigs {
                state.brokerConfigs = cluster.brokerConfigs
                let settings = staticSettings.applying(
                    dynamicForBroker: cluster.brokerConfigs[localID.description] ?? [:],
                    dynamicForAll: cluster.brokerConfigs["default"] ?? [:])
                current.withLock { $0 = SettingsBox(settings) }
                newSettings = settings
            }
            let configsChanged = cluster.topicConfigs != state.configs
            let present = Set(cluster.topics.values.map(\.id))
            // First: a topic made anew under the name of a deleted one must not find that one's logs, nor lose its own.
            for (id, topic) in state.topics where !present.contains(id) {
                state.topics[id] = nil
                deleted.append(topic)
                close(topic)
            }
            for topic in cluster.topics.values {
                let old = state.topics[topic.id]
                let isStale =
                    newSettings != nil
                    || (configsChanged && cluster.topicConfigs[topic.name] != state.configs[topic.name])
                if let old, !isStale, old.matches(topic, localID) { continue }
                let new = open(topic, old: old, overrides: cluster.topicConfigs[topic.name] ?? [:], &opened)
                state.topics[topic.id] = new
                partitions.put(new)
            }
            state.configs = cluster.topicConfigs
            metadata.replace(with: ClusterView(state: cluster, localID: localID))
            for topic in deleted { _ = partitions.remove(id: topic.id) }
        }
        let hooks = hooks.withLock { $0 }
        for topic in deleted { hooks.topicDeleted(topic) }
        for partition in opened { hooks.partitionOpened(partition) }
        if let newSettings { hooks.settingsChanged(newSettings) }
    }

    private func open(
        _ topic: TopicState, old: Topic?, overrides: [String: String], _ opened: inout [Partition]
    ) -> Topic {
        let brokerSettings = self.settings
        let settings = TopicSettings(overrides: overrides, broker: brokerSettings)
        var made: [Partition?] = []
        made.reserveCapacity(topic.partitions.count)
        for (index, state) in topic.partitions.enumerated() {
            let known = old.flatMap { $0.partitions.indices.contains(index) ? $0.partitions[index] : nil }
            guard state.leader == localID else {
                // Led by somebody else: replication is not built yet, so this broker has nothing of it.
                made.append(nil)
                continue
            }
            if let known {
                known.apply(leaderEpoch: state.leaderEpoch, inSyncReplicas: state.isr.count)
                if let old, old.settings != settings { known.log.apply(settings: settings) }
                made.append(known)
                continue
            }
            let name = TopicPartition(topic.name, PartitionIndex(Int32(clamping: index)))
            do throws(StorageError) {
                let log = try logs.openLog(name, topicID: topic.id, settings: settings)
                let partition = Partition(
                    log: log, topicID: topic.id, leaderEpoch: state.leaderEpoch, inSyncReplicas: state.isr.count)
                opened.append(partition)
                made.append(partition)
            } catch {
                logger.error("partition \(name) cannot be opened: \(error)")
                made.append(nil)
            }
        }
        return Topic(
            name: topic.name, id: topic.id, settings: settings,
            decompressedBytesMax: brokerSettings.batchDecompressedMaxBytes,
            partitions: made)
    }

    /// Fails what waits and lets the logs go; their files go in the background.
    private func close(_ topic: Topic) {
        let partitions = topic.partitions.compactMap { $0 }
        for partition in partitions { partition.fail(with: .unknownTopicOrPartition, forGood: true) }
        do throws(StorageError) {
            try logs.deleteLogs(partitions.map(\.topicPartition))
        } catch {
            logger.error("the files of \(topic.name) cannot be deleted: \(error)")
        }
    }
}

extension Topic {
    /// Whether partitions and leadership are as they were.
    fileprivate func matches(_ state: TopicState, _ localID: BrokerID) -> Bool {
        guard partitions.count == state.partitions.count else { return false }
        return zip(partitions, state.partitions).allSatisfy { mine, state in
            guard let mine else { return state.leader != localID }
            return state.leader == localID && mine.leaderEpoch == state.leaderEpoch
                && mine.inSyncReplicaCount == state.isr.count
        }
    }
}
