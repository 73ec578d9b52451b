import WeirModel
import WeirProtocol

/// OffsetDelete (key 47), version 0: a group forgets offsets (KIP-496).
///
/// Partitions of a topic that a member is subscribed to are GROUP_SUBSCRIBED_TO_TOPIC.
struct OffsetDeleteHandler: APIHandler {
    static let versions: ClosedRange<Int16> = 0...0
    let groups: GroupCoordinator
    let authorizer: any Authorizer

    func handle(_ request: OffsetDeleteRequest, _ call: Call<OffsetDeleteResponse>) {
        let principal = call.context.principal
        guard authorizer.allows(principal, .delete, on: .group(request.groupID)) else {
            return call.answer(Self.failure(.groupAuthorizationFailed))
        }
        var refused: [TopicPartition: ErrorCode] = [:]
        var deletable: [TopicPartition] = []
        for topic in request.topics {
            let isAllowed = authorizer.allows(principal, .read, on: .topic(topic.name))
            for partition in topic.partitions {
                let partition = TopicPartition(topic.name, PartitionIndex(partition.partitionIndex))
                if !isAllowed {
                    refused[partition] = .topicAuthorizationFailed
                } else if !groups.host.exists(partition) {
                    refused[partition] = .unknownTopicOrPartition
                } else {
                    deletable.append(partition)
                }
            }
        }
        groups.deleteOffsets(request.groupID, deletable) { [deletable, refused] result in
            switch result {
            case .failure(let error):
                call.answer(Self.failure(error.code))
            case .success(let codes):
                var outcomes = refused
                for (partition, code) in zip(deletable, codes) { outcomes[partition] = code }
                call.answer(Self.response(to: request, outcomes))
            }
        }
    }

    private static func failure(_ code: ErrorCode) -> OffsetDeleteResponse {
        var response = OffsetDeleteResponse()
        response.errorCode = code.rawValue
        return response
    }

    private static func response(
        to request: OffsetDeleteRequest, _ outcomes: [TopicPartition: ErrorCode]
    ) -> OffsetDeleteResponse {
        var response = OffsetDeleteResponse()
        response.topics = request.topics.map { topic in
            var answer = OffsetDeleteResponse.OffsetDeleteResponseTopic()
            answer.name = topic.name
            answer.partitions = topic.partitions.map { partition in
                var outcome = OffsetDeleteResponse.OffsetDeleteResponsePartition()
                outcome.partitionIndex = partition.partitionIndex
                let key = TopicPartition(topic.name, PartitionIndex(partition.partitionIndex))
                outcome.errorCode = (outcomes[key] ?? .none).rawValue
                return outcome
            }
            return answer
        }
        return response
    }
}
