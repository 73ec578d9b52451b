import WeirModel
import WeirProtocol
import WeirRegistry

/// DescribeTopicPartitions (key 75), version 0 (KIP-966): topics by name, in name order, at most so many partitions an
/// answer; the cursor says where the next answer goes on. No topics named means all.
struct DescribeTopicPartitionsHandler: APIHandler {
    typealias Request = DescribeTopicPartitionsRequest
    typealias TopicResponse = DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic
    typealias PartitionResponse = DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponsePartition
    static let versions: ClosedRange<Int16> = 0...0

    /// Kafka's `max.request.partition.size.limit`.
    static let partitionsMax = 2_000

    let broker: Broker

    func handle(_ request: DescribeTopicPartitionsRequest, _ call: Call<DescribeTopicPartitionsResponse>) {
        var response = DescribeTopicPartitionsResponse()
        let view = broker.metadata.current
        let isAll = request.topics.isEmpty
        var names = isAll ? Array(view.state.topics.keys) : Array(Set(request.topics.map(\.name)))
        names.sort()
        var firstPartition = 0
        if let cursor = request.cursor {
            names.removeAll { $0 < cursor.topicName }
            if names.first == cursor.topicName { firstPartition = Int(max(0, cursor.partitionIndex)) }
        }
        var left = min(max(1, Int(request.responsePartitionLimit)), Self.partitionsMax)
        for name in names {
            let first = firstPartition
            firstPartition = 0
            guard broker.authorizer.allows(call.context.principal, .describe, on: .topic(name)) else {
                // All topics means all that one may see.
                if !isAll { response.topics.append(refusal(name, .topicAuthorizationFailed)) }
                continue
            }
            guard let state = view.state.topics[name] else {
                let code = TopicName.problem(with: name) == nil ? ErrorCode.unknownTopicOrPartition : .invalidTopic
                response.topics.append(refusal(name, code))
                continue
            }
            if left == 0 {
                response.nextCursor = cursor(name, 0)
                break
            }
            var topic = TopicResponse()
            topic.name = name
            topic.topicID = state.id
            topic.isInternal = TopicName.isInternal(name)
            topic.topicAuthorizedOperations =
                broker.authorizer.allowedOperations(call.context.principal, on: .topic(name))
            let end = min(state.partitions.count, first.addingReportingOverflow(left).partialValue)
            if first < end {
                topic.partitions = (first..<end).map { partition($0, state.partitions[$0], view) }
                left -= end - first
            }
            response.topics.append(topic)
            if end < state.partitions.count {
                response.nextCursor = cursor(name, end)
                break
            }
        }
        call.answer(response)
    }

    private func cursor(_ name: String, _ index: Int) -> DescribeTopicPartitionsRequest.Cursor {
        var cursor = DescribeTopicPartitionsRequest.Cursor()
        cursor.topicName = name
        cursor.partitionIndex = Int32(clamping: index)
        return cursor
    }

    private func refusal(_ name: String, _ code: ErrorCode) -> TopicResponse {
        var topic = TopicResponse()
        topic.name = name
        topic.errorCode = code.rawValue
        return topic
    }

    private func partition(_ index: Int, _ state: PartitionState, _ view: ClusterView) -> PartitionResponse {
        var partition = PartitionResponse()
        partition.partitionIndex = Int32(clamping: index)
        partition.leaderID = view.leader(of: state)
        partition.errorCode = (partition.leaderID < 0 ? ErrorCode.leaderNotAvailable : .none).rawValue
        partition.leaderEpoch = state.leaderEpoch.rawValue
        partition.replicaNodes = state.replicas.map(\.rawValue)
        partition.isrNodes = state.isr.map(\.rawValue)
        partition.eligibleLeaderReplicas = state.elr.map(\.rawValue)
        partition.lastKnownElr = []
        partition.offlineReplicas = view.offline(state.replicas)
        return partition
    }
}
