import WeirModel
import WeirProtocol

/// OffsetCommit (key 8), versions 2–10: a group's offsets, answered once they are durable.
///
/// v2–4 bring a retention time, v6 the leader epoch, v7 static members, v10 names topics by id.
struct OffsetCommitHandler: APIHandler {
    static let versions: ClosedRange<Int16> = 2...10
    let groups: GroupCoordinator
    let authorizer: any Authorizer

    private struct Commit: Sendable {
        var response: OffsetCommitResponse
        /// Where the partitions that are written stand in the response.
        var written: [(topic: Int, partition: Int)] = []
    }

    func handle(_ request: OffsetCommitRequest, _ call: Call<OffsetCommitResponse>) {
        let context = call.context
        var commit = Commit(response: OffsetCommitResponse())
        var offsets: [(partition: TopicPartition, offset: Int64, leaderEpoch: Int32, metadata: String)] = []
        let isGroupAllowed = authorizer.allows(context.principal, .read, on: .group(request.groupID))
        for (topicIndex, topic) in request.topics.enumerated() {
            var answer = OffsetCommitResponse.OffsetCommitResponseTopic()
            answer.name = topic.name
            answer.topicID = topic.topicID
            let resolved = isGroupAllowed ? name(of: topic, context) : .failure(GroupError(.groupAuthorizationFailed))
            for partition in topic.partitions {
                var outcome = OffsetCommitResponse.OffsetCommitResponsePartition()
                outcome.partitionIndex = partition.partitionIndex
                switch resolved.flatMap({ check(partition, of: $0) }) {
                case .success(let key):
                    commit.written.append((topicIndex, answer.partitions.count))
                    offsets.append(
                        (
                            key, partition.committedOffset, partition.committedLeaderEpoch,
                            partition.committedMetadata ?? ""
                        ))
                case .failure(let error):
                    outcome.errorCode = error.code.rawValue
                }
                answer.partitions.append(outcome)
            }
            commit.response.topics.append(answer)
        }
        // With nothing left to write the group's own rules are of no interest: every partition has its error.
        if offsets.isEmpty && !request.topics.isEmpty { return call.answer(commit.response) }
        groups.commitOffsets(
            request.groupID, memberID: request.memberID, instanceID: request.groupInstanceID,
            generation: request.generationIDOrMemberEpoch,
            retentionMs: request.retentionTimeMs >= 0 ? request.retentionTimeMs : nil, offsets
        ) { [commit] code in
            var response = commit.response
            for place in commit.written {
                response.topics[place.topic].partitions[place.partition].errorCode = code.rawValue
            }
            call.answer(response)
        }
    }

    private func name(
        of topic: OffsetCommitRequest.OffsetCommitRequestTopic, _ context: RequestContext
    ) -> Result<String, GroupError> {
        let name: String
        if context.apiVersion >= 10 {
            guard let known = groups.host.topicName(of: topic.topicID) else {
                return .failure(GroupError(.unknownTopicID))
            }
            name = known
        } else {
            name = topic.name
        }
        guard authorizer.allows(context.principal, .read, on: .topic(name)) else {
            return .failure(GroupError(.topicAuthorizationFailed))
        }
        return .success(name)
    }

    private func check(
        _ partition: OffsetCommitRequest.OffsetCommitRequestPartition, of topic: String
    ) -> Result<TopicPartition, GroupError> {
        let key = TopicPartition(topic, PartitionIndex(partition.partitionIndex))
        guard groups.host.exists(key) else { return .failure(GroupError(.unknownTopicOrPartition)) }
        guard (partition.committedMetadata?.utf8.count ?? 0) <= groups.offsetMetadataBytesMax else {
            return .failure(GroupError(.offsetMetadataTooLarge))
        }
        return .success(key)
    }
}
