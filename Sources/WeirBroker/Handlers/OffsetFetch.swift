import WeirCoordination
import WeirModel
import WeirProtocol

/// OffsetFetch (key 9), versions 1–10: where groups stand.
///
/// A partition without a commit has offset -1 and no error. v2+: null topics mean all; v2–7 an error of the group stands at
/// the top, before in each partition; v7 require_stable (there are no transactions yet, so every offset is stable); v8 asks
/// for several groups, each with its own error; v10 names topics by id (UNKNOWN_TOPIC_ID for an unknown one).
struct OffsetFetchHandler: APIHandler {
    static let versions: ClosedRange<Int16> = 1...10
    let groups: GroupCoordinator
    let authorizer: any Authorizer

    private typealias Topics = OffsetFetchResponse.OffsetFetchResponseTopics
    private typealias Partitions = OffsetFetchResponse.OffsetFetchResponsePartitions

    func handle(_ request: OffsetFetchRequest, _ call: Call<OffsetFetchResponse>) {
        var response = OffsetFetchResponse()
        if call.context.apiVersion >= 8 {
            response.groups = request.groups.map { group in
                var answer = OffsetFetchResponse.OffsetFetchResponseGroup()
                answer.groupID = group.groupID
                switch fetch(group, call.context) {
                case .success(let topics): answer.topics = topics
                case .failure(let error): answer.errorCode = error.code.rawValue
                }
                return answer
            }
        } else {
            var group = OffsetFetchRequest.OffsetFetchRequestGroup()
            group.groupID = request.groupID
            group.topics = request.topics?.map { topic in
                var asked = OffsetFetchRequest.OffsetFetchRequestTopics()
                asked.name = topic.name
                asked.partitionIndexes = topic.partitionIndexes
                return asked
            }
            switch fetch(group, call.context) {
            case .success(let topics):
                response.topics = topics.map(Self.single)
            case .failure(let error) where call.context.apiVersion >= 2:
                response.errorCode = error.code.rawValue
            case .failure(let error):
                response.topics = (group.topics ?? []).map { Self.single(Self.failed($0, error.code)) }
            }
        }
        call.answer(response)
    }

    private func fetch(
        _ group: OffsetFetchRequest.OffsetFetchRequestGroup, _ context: RequestContext
    ) -> Result<[OffsetFetchResponse.OffsetFetchResponseTopics], GroupError> {
        guard authorizer.allows(context.principal, .describe, on: .group(group.groupID)) else {
            return .failure(GroupError(.groupAuthorizationFailed))
        }
        guard let topics = group.topics else { return fetchAll(group.groupID, context) }
        return groups.fetchOffsets(group.groupID, nil).map { offsets in
            topics.map { topic in
                answer(topic, offsets, context)
            }
        }
    }

    private func answer(
        _ topic: OffsetFetchRequest.OffsetFetchRequestTopics, _ offsets: [TopicPartition: CommittedOffset],
        _ context: RequestContext
    ) -> OffsetFetchResponse.OffsetFetchResponseTopics {
        var name = topic.name
        if context.apiVersion >= 10 {
            guard let known = groups.host.topicName(of: topic.topicID) else {
                return Self.failed(topic, .unknownTopicID)
            }
            name = known
        }
        guard authorizer.allows(context.principal, .describe, on: .topic(name)) else {
            return Self.failed(topic, .topicAuthorizationFailed)
        }
        var answer = Topics()
        answer.name = name
        answer.topicID = topic.topicID
        answer.partitions = topic.partitionIndexes.map { index in
            Self.partition(index, offsets[TopicPartition(name, PartitionIndex(index))])
        }
        return answer
    }

    private func fetchAll(
        _ groupID: String, _ context: RequestContext
    ) -> Result<[OffsetFetchResponse.OffsetFetchResponseTopics], GroupError> {
        groups.fetchOffsets(groupID, nil).map { offsets in
            let byTopic = Dictionary(grouping: offsets.keys, by: \.topic)
            return byTopic.keys.sorted().compactMap { name in
                guard authorizer.allows(context.principal, .describe, on: .topic(name)) else { return nil }
                var answer = Topics()
                answer.name = name
                if context.apiVersion >= 10 {
                    // A topic that is gone has no id to name it by.
                    guard let topicID = groups.host.topicID(of: name) else { return nil }
                    answer.topicID = topicID
                }
                answer.partitions = (byTopic[name] ?? []).sorted().map { key in
                    Self.partition(key.partition.rawValue, offsets[key])
                }
                return answer
            }
        }
    }

    private static func partition(
        _ index: Int32, _ offset: CommittedOffset?, _ code: ErrorCode = .none
    ) -> OffsetFetchResponse.OffsetFetchResponsePartitions {
        var answer = Partitions()
        answer.partitionIndex = index
        answer.committedOffset = offset?.offset ?? -1
        answer.committedLeaderEpoch = offset?.leaderEpoch ?? -1
        answer.metadata = offset?.metadata ?? ""
        answer.errorCode = code.rawValue
        return answer
    }

    private static func failed(
        _ topic: OffsetFetchRequest.OffsetFetchRequestTopics, _ code: ErrorCode
    ) -> OffsetFetchResponse.OffsetFetchResponseTopics {
        var answer = Topics()
        answer.name = topic.name
        answer.topicID = topic.topicID
        answer.partitions = topic.partitionIndexes.map { partition($0, nil, code) }
        return answer
    }

    /// The shape of versions before 8.
    private static func single(
        _ topic: OffsetFetchResponse.OffsetFetchResponseTopics
    ) -> OffsetFetchResponse.OffsetFetchResponseTopic {
        var answer = OffsetFetchResponse.OffsetFetchResponseTopic()
        answer.name = topic.name
        answer.partitions = topic.partitions.map { partition in
            var single = OffsetFetchResponse.OffsetFetchResponsePartition()
            single.partitionIndex = partition.partitionIndex
            single.committedOffset = partition.committedOffset
            single.committedLeaderEpoch = partition.committedLeaderEpoch
            single.metadata = partition.metadata
            single.errorCode = partition.errorCode
            return single
        }
        return answer
    }
}
