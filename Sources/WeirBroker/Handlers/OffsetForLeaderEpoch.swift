import WeirModel
import WeirProtocol
import WeirStorage

/// OffsetForLeaderEpoch (key 23), versions 2–4: where a leader epoch ends in our log (KIP-101, KIP-320), so that a consumer
/// notices a truncation. The answer names the largest epoch that is not above the one asked for.
struct OffsetForLeaderEpochHandler: APIHandler {
    typealias Request = OffsetForLeaderEpochRequest
    static let versions: ClosedRange<Int16> = 2...4

    let broker: Broker

    func handle(_ request: OffsetForLeaderEpochRequest, _ call: Call<OffsetForLeaderEpochResponse>) {
        var response = OffsetForLeaderEpochResponse()
        response.topics = request.topics.map { wanted in
            var result = OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult()
            result.topic = wanted.topic
            let allowed = broker.authorizer.allows(call.context.principal, .describe, on: .topic(wanted.topic))
            result.partitions = wanted.partitions.map { partition in
                var answer = OffsetForLeaderEpochResponse.EpochEndOffset()
                answer.partition = partition.partition
                let code: ErrorCode
                if request.replicaID >= 0 {
                    // Nobody but a broker may speak for a replica, and there is no replication yet.
                    code = .clusterAuthorizationFailed
                } else {
                    code = allowed ? lookUp(wanted.topic, partition, &answer) : .topicAuthorizationFailed
                }
                answer.errorCode = code.rawValue
                return answer
            }
            return result
        }
        call.answer(response)
    }

    private func lookUp(
        _ topic: String, _ wanted: OffsetForLeaderEpochRequest.OffsetForLeaderPartition,
        _ answer: inout OffsetForLeaderEpochResponse.EpochEndOffset
    ) -> ErrorCode {
        guard let partition = broker.partitions.partition(topic, wanted.partition) else {
            return broker.metadata.missingPartition(topic, wanted.partition)
        }
        let fence = partition.check(epoch: wanted.currentLeaderEpoch)
        guard fence == .none else { return fence }
        guard wanted.leaderEpoch >= 0 else { return .none }
        guard let (epoch, end) = partition.log.epochEndOffset(for: LeaderEpoch(wanted.leaderEpoch)) else {
            // Nothing was appended in that epoch or before: an empty log of the current epoch ends where it starts.
            if wanted.leaderEpoch == partition.leaderEpoch.rawValue {
                answer.leaderEpoch = wanted.leaderEpoch
                answer.endOffset = partition.log.endOffset.rawValue
            }
            return .none
        }
        answer.leaderEpoch = epoch.rawValue
        answer.endOffset = end.rawValue
        return .none
    }
}
