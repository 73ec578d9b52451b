public import WeirConnection
public import WeirModel
import WeirProtocol

/// An offset with the timestamp of its record.
public struct OffsetAndTimestamp: Sendable, Hashable {
    public let offset: Offset
    /// Milliseconds since 1970; nil when the offset was not looked up by time.
    public let timestamp: Int64?
    public let leaderEpoch: LeaderEpoch
}

extension Admin {
    /// Looks offsets up: the earliest, the end, or the first at a time. A time after the last record gives the end.
    public func offsets(
        _ wanted: [TopicPartition: OffsetSpec], readCommitted: Bool = false
    ) async throws(ClientError) -> [TopicPartition: OffsetAndTimestamp] {
        try await core.offsets(wanted, readCommitted: readCommitted)
    }

    /// Deletes the records before the given offsets; nil means all of them. Gives the new log starts.
    @discardableResult
    public func deleteRecords(
        before offsets: [TopicPartition: Offset?]
    ) async throws(ClientError) -> [TopicPartition: Offset] {
        try await core.retrying { () async throws(ClientError) in
            let leaders = try await core.leaders(of: Array(offsets.keys))
            var starts: [TopicPartition: Offset] = [:]
            for (leader, partitions) in leaders.sorted(by: { $0.key < $1.key }) {
                var request = DeleteRecordsRequest()
                request.timeoutMs = Int32(clamping: core.configuration.requestTimeoutMs)
                request.topics = byTopic(partitions).map { topic, partitions in
                    var wire = DeleteRecordsRequest.DeleteRecordsTopic()
                    wire.name = topic
                    wire.partitions = partitions.map { partition in
                        var wire = DeleteRecordsRequest.DeleteRecordsPartition()
                        wire.partitionIndex = partition.partition.rawValue
                        wire.offset = (offsets[partition] ?? nil)?.rawValue ?? -1
                        return wire
                    }
                    return wire
                }
                let response = try await core.call(request, to: .broker(leader))
                for topic in response.topics {
                    for result in topic.partitions {
                        let partition = TopicPartition(topic.name, result.partitionIndex)
                        let code = ErrorCode(rawValue: result.errorCode)
                        guard code == .none else {
                            throw ClientError.answered(code, about: "partition \(partition)", partition: partition)
                        }
                        starts[partition] = Offset(result.lowWatermark)
                    }
                }
            }
            return starts
        }
    }
}

/// Groups partitions by topic, both in order.
func byTopic(_ partitions: [TopicPartition]) -> [(topic: String, partitions: [TopicPartition])] {
    Dictionary(grouping: partitions, by: \.topic).sorted { $0.key < $1.key }.map { ($0.key, $0.value.sorted()) }
}

extension ClusterCore {
    /// The partitions by their leaders; retriable when one has none.
    func leaders(of partitions: [TopicPartition]) async throws(ClientError) -> [BrokerID: [TopicPartition]] {
        for topic in Set(partitions.map(\.topic)).sorted() {
            _ = try await self.topic(topic, unknownGraceMs: 0)
        }
        let view: ClusterView = try await perform { $0.finish(.success(self.metadata.view)) }
        var leaders: [BrokerID: [TopicPartition]] = [:]
        for partition in partitions {
            guard let known = view.topics[partition.topic]?.partition(partition.partition) else {
                var error = ClientError.answered(
                    .unknownTopicOrPartition, about: "partition \(partition)", partition: partition)
                error.isRetriable = false
                throw error
            }
            guard let leader = known.leader else {
                throw ClientError.answered(.leaderNotAvailable, about: "partition \(partition)", partition: partition)
            }
            leaders[leader, default: []].append(partition)
        }
        return leaders
    }

    func offsets(
        _ wanted: [TopicPartition: OffsetSpec], readCommitted: Bool
    ) async throws(ClientError) -> [TopicPartition: OffsetAndTimestamp] {
        var found: [TopicPartition: OffsetAndTimestamp] = [:]
        var lookups: [TopicPartition: Int64] = [:]
        for (partition, spec) in wanted {
            switch spec {
            case .earliest: lookups[partition] = -2
            case .latest: lookups[partition] = -1
            case .timestamp(let milliseconds): lookups[partition] = max(0, milliseconds)
            case .offset(let offset):
                found[partition] = OffsetAndTimestamp(offset: offset, timestamp: nil, leaderEpoch: .none)
            }
        }
        let begun = lookups
        let answers = try await retrying { () async throws(ClientError) in
            try await self.listOffsets(begun, readCommitted: readCommitted)
        }
        found.merge(answers) { $1 }
        // A time after the last record: the end.
        var late: [TopicPartition: Int64] = [:]
        for (partition, answer) in answers where answer.offset.rawValue < 0 { late[partition] = -1 }
        if !late.isEmpty {
            let ends = late
            let more = try await retrying { () async throws(ClientError) in
                try await self.listOffsets(ends, readCommitted: readCommitted)
            }
            found.merge(more) { $1 }
        }
        return found
    }

    private func listOffsets(
        _ wanted: [TopicPartition: Int64], readCommitted: Bool
    ) async throws(ClientError) -> [TopicPartition: OffsetAndTimestamp] {
        guard !wanted.isEmpty else { return [:] }
        var found: [TopicPartition: OffsetAndTimestamp] = [:]
        for (leader, partitions) in try await leaders(of: Array(wanted.keys)).sorted(by: { $0.key < $1.key }) {
            var request = ListOffsetsRequest()
            request.isolationLevel = readCommitted ? 1 : 0
            request.timeoutMs = Int32(clamping: configuration.requestTimeoutMs)
            request.topics = byTopic(partitions).map { topic, partitions in
                var wire = ListOffsetsRequest.ListOffsetsTopic()
                wire.name = topic
                wire.partitions = partitions.map { partition in
                    var wire = ListOffsetsRequest.ListOffsetsPartition()
                    wire.partitionIndex = partition.partition.rawValue
                    wire.timestamp = wanted[partition] ?? -1
                    return wire
                }
                return wire
            }
            let response = try await call(request, to: .broker(leader))
            for topic in response.topics {
                for result in topic.partitions {
                    let partition = TopicPartition(topic.name, result.partitionIndex)
                    let code = ErrorCode(rawValue: result.errorCode)
                    guard code == .none else {
                        throw ClientError.answered(code, about: "partition \(partition)", partition: partition)
                    }
                    found[partition] = OffsetAndTimestamp(
                        offset: Offset(result.offset), timestamp: result.timestamp >= 0 ? result.timestamp : nil,
                        leaderEpoch: LeaderEpoch(result.leaderEpoch))
                }
            }
        }
        return found
    }
}
