import WeirModel
import WeirProtocol
import WeirStorage
import WeirSystem

/// ListOffsets (key 2), versions 1–11: the offset that belongs to a time, or to one of the special timestamps.
///
/// -1 latest: the high watermark. -2 earliest. v7: -3, the record with the largest timestamp. v8: -4, the earliest local
/// offset, the same as the earliest here. v9: -5, the last tiered offset, and v11: -6, the first that waits to be tiered:
/// nothing is tiered, so -1. v4 fences by leader epoch and answers with the offset's epoch.
struct ListOffsetsHandler: APIHandler {
    typealias Request = ListOffsetsRequest
    typealias PartitionResponse = ListOffsetsResponse.ListOffsetsPartitionResponse
    static let versions: ClosedRange<Int16> = 1...11

    let broker: Broker

    func handle(_ request: ListOffsetsRequest, _ call: Call<ListOffsetsResponse>) {
        // Looking for a time reads indices and batches, which may have to come from the disk: not on the event loop.
        let reads = request.topics.contains { $0.partitions.contains { $0.timestamp >= 0 || $0.timestamp == -3 } }
        if reads { broker.workers.submit { answer(request, call) } } else { answer(request, call) }
    }

    private func answer(_ request: ListOffsetsRequest, _ call: Call<ListOffsetsResponse>) {
        var response = ListOffsetsResponse()
        var seen: Set<TopicPartition> = []
        for wanted in request.topics {
            var topic = ListOffsetsResponse.ListOffsetsTopicResponse()
            topic.name = wanted.name
            let allowed = broker.authorizer.allows(call.context.principal, .describe, on: .topic(wanted.name))
            let found = broker.partitions.topic(wanted.name)
            for partition in wanted.partitions {
                var answer = PartitionResponse()
                answer.partitionIndex = partition.partitionIndex
                let code: ErrorCode
                if request.replicaID >= 0 {
                    code = .clusterAuthorizationFailed
                } else if !allowed {
                    code = .topicAuthorizationFailed
                } else if !seen.insert(TopicPartition(wanted.name, PartitionIndex(partition.partitionIndex))).inserted {
                    code = .invalidRequest
                } else if let local = found?.partition(partition.partitionIndex) {
                    code = lookUp(partition, in: local, call.context.apiVersion, &answer)
                } else {
                    code = broker.metadata.missingPartition(wanted.name, partition.partitionIndex)
                }
                answer.errorCode = code.rawValue
                topic.partitions.append(answer)
            }
            response.topics.append(topic)
        }
        call.answer(response)
    }

    private func lookUp(
        _ wanted: ListOffsetsRequest.ListOffsetsPartition, in partition: Partition, _ version: Int16,
        _ answer: inout PartitionResponse
    ) -> ErrorCode {
        let fence = partition.check(epoch: wanted.currentLeaderEpoch)
        guard fence == .none else { return fence }
        let log = partition.log
        switch wanted.timestamp {
        case -1:
            answer.offset = log.highWatermark.rawValue
            answer.leaderEpoch = partition.leaderEpoch.rawValue
        case -2:
            answer.offset = log.startOffset.rawValue
            answer.leaderEpoch = partition.leaderEpoch.rawValue
        case -4 where version >= 8:
            answer.offset = log.startOffset.rawValue
            answer.leaderEpoch = partition.leaderEpoch.rawValue
        case -3 where version >= 7:
            return fill(&answer, log) { () throws(ReadError) in try log.maxTimestampOffset() }
        case -5 where version >= 9:
            break
        case -6 where version >= 11:
            break
        case ..<0:
            return .unsupportedVersion
        default:
            return fill(&answer, log) { () throws(ReadError) in try log.offset(forTimestamp: wanted.timestamp) }
        }
        return .none
    }

    /// Only what consumers may read counts.
    private func fill(
        _ answer: inout PartitionResponse, _ log: PartitionLog,
        _ look: () throws(ReadError) -> TimestampedOffset?
    ) -> ErrorCode {
        do throws(ReadError) {
            guard let found = try look(), found.offset < log.highWatermark else { return .none }
            answer.offset = found.offset.rawValue
            answer.timestamp = found.timestamp
            answer.leaderEpoch = found.leaderEpoch.rawValue
            return .none
        } catch {
            return error.code
        }
    }
}
