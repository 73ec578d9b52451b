import WeirModel
import WeirRegistry
import WeirStorage
import WeirSystem

extension ClusterApplier {
    /// Logs that are opened at the same time.
    private static let lanesMax = 8
    /// With fewer logs than that there is nothing to gain.
    private static let logsMin = 8

    private struct Wanted: Sendable {
        let name: TopicPartition
        let topicID: UniqueID
        let settings: TopicSettings
    }

    /// Opens this broker's logs several at a time, before `apply` opens them one by one.
    ///
    /// After a crash each log is checked and synced, and what takes the time is the disk's answers: a thousand logs are ready
    /// several times sooner. What cannot be opened is left to `apply`, which reports it.
    func openAhead(_ cluster: ClusterState, on workers: any WorkerPool) async {
        let settings = staticSettings.applying(
            dynamicForBroker: cluster.brokerConfigs[localID.description] ?? [:],
            dynamicForAll: cluster.brokerConfigs["default"] ?? [:])
        var wanted: [Wanted] = []
        for topic in cluster.topics.values {
            let topicSettings = TopicSettings(overrides: cluster.topicConfigs[topic.name] ?? [:], broker: settings)
            for (index, partition) in topic.partitions.enumerated() where partition.leader == localID {
                let name = TopicPartition(topic.name, PartitionIndex(Int32(clamping: index)))
                wanted.append(Wanted(name: name, topicID: topic.id, settings: topicSettings))
            }
        }
        guard wanted.count >= Self.logsMin else { return }
        await withCheckedContinuation { (finished: CheckedContinuation<Void, Never>) in
            let progress = Locked((next: 0, lanes: Self.lanesMax))
            for _ in 0..<Self.lanesMax {
                workers.submit { [logs, wanted] in
                    while let index = progress.withLock({ progress -> Int? in
                        guard progress.next < wanted.count else { return nil }
                        progress.next += 1
                        return progress.next - 1
                    }) {
                        let log = wanted[index]
                        _ = try? logs.openLog(log.name, topicID: log.topicID, settings: log.settings)
                    }
                    let isLast = progress.withLock { progress in
                        progress.lanes -= 1
                        return progress.lanes == 0
                    }
                    if isLast { finished.resume() }
                }
            }
        }
    }
}
