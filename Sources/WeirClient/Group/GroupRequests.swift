import NIOCore
import WeirConnection
import WeirModel
import WeirProtocol

/// Who a member is to its coordinator.
struct GroupMembership: Sendable, Hashable {
    var memberID: String
    var instanceID: String?
    var generation: Int32
}

/// Builds the offset requests of groups and reads their answers.
enum GroupRequests {
    static func fetchOffsets(group id: String, partitions: [TopicPartition]?) -> OffsetFetchRequest {
        var group = OffsetFetchRequest.OffsetFetchRequestGroup()
        group.groupID = id
        group.topics = partitions.map { partitions in
            byTopic(partitions).map { topic, partitions in
                var wire = OffsetFetchRequest.OffsetFetchRequestTopics()
                wire.name = topic
                wire.partitionIndexes = partitions.map(\.partition.rawValue)
                return wire
            }
        }
        var request = OffsetFetchRequest()
        request.groups = [group]
        request.requireStable = true
        return request
    }

    /// Partitions without a commit are left out.
    static func offsets(
        in response: OffsetFetchResponse, group id: String
    ) throws(ClientError) -> [TopicPartition: CommittedOffset] {
        guard let group = response.answer(for: id) else {
            throw ClientError(.protocolViolation, "OffsetFetch was answered without group '\(id)'")
        }
        let code = ErrorCode(rawValue: group.errorCode)
        guard code == .none else { throw .answered(code, about: "group '\(id)'") }
        var found: [TopicPartition: CommittedOffset] = [:]
        for topic in group.topics {
            for result in topic.partitions {
                let partition = TopicPartition(topic.name, result.partitionIndex)
                let code = ErrorCode(rawValue: result.errorCode)
                guard code == .none else {
                    throw .answered(code, about: "group '\(id)', partition \(partition)", partition: partition)
                }
                guard result.committedOffset >= 0 else { continue }
                found[partition] = CommittedOffset(
                    offset: Offset(result.committedOffset), leaderEpoch: LeaderEpoch(result.committedLeaderEpoch),
                    metadata: result.metadata ?? "")
            }
        }
        return found
    }

    static func commit(
        group id: String, member: GroupMembership?, offsets: [TopicPartition: CommittedOffset]
    ) -> OffsetCommitRequest {
        var request = OffsetCommitRequest()
        request.groupID = id
        if let member {
            request.memberID = member.memberID
            request.groupInstanceID = member.instanceID
            request.generationIDOrMemberEpoch = member.generation
        }
        request.topics = byTopic(Array(offsets.keys)).map { topic, partitions in
            var wire = OffsetCommitRequest.OffsetCommitRequestTopic()
            wire.name = topic
            wire.partitions = partitions.compactMap { partition in
                guard let committed = offsets[partition] else { return nil }
                var wire = OffsetCommitRequest.OffsetCommitRequestPartition()
                wire.partitionIndex = partition.partition.rawValue
                wire.committedOffset = committed.offset.rawValue
                wire.committedLeaderEpoch = committed.leaderEpoch.rawValue
                wire.committedMetadata = committed.metadata
                return wire
            }
            return wire
        }
        return request
    }

    static func check(_ response: OffsetCommitResponse) throws(ClientError) {
        for topic in response.topics {
            for result in topic.partitions {
                let code = ErrorCode(rawValue: result.errorCode)
                let partition = TopicPartition(topic.name, result.partitionIndex)
                guard code == .none else {
                    throw .answered(code, about: "committing \(partition)", partition: partition)
                }
            }
        }
    }
}
