import NIOCore
import WeirCoordination
import WeirModel
import WeirProtocol

/// The coordinator's state as records of `__consumer_offsets`, both ways.
enum GroupRecords {
    static func metadata(of group: String, _ snapshot: GroupSnapshot) throws(WireError) -> OffsetsRecord {
        var value = GroupMetadataValue()
        value.protocolType = snapshot.protocolType
        value.generation = snapshot.generation
        value.protocolName = snapshot.protocolName
        value.leader = snapshot.leader
        value.currentStateTimestamp = snapshot.stateTimestamp
        value.members = snapshot.members.map { member in
            var stored = GroupMetadataValue.MemberMetadata()
            stored.memberID = member.memberID
            stored.groupInstanceID = member.instanceID
            stored.clientID = member.clientID
            stored.clientHost = member.clientHost
            stored.rebalanceTimeout = member.rebalanceTimeoutMs
            stored.sessionTimeout = member.sessionTimeoutMs
            stored.subscription = ByteBuffer(bytes: member.subscription)
            stored.assignment = ByteBuffer(bytes: member.assignment)
            return stored
        }
        return OffsetsRecord(key: try OffsetsTopicKey.group(group).encode(), value: try value.encode())
    }

    static func metadataTombstone(of group: String) throws(WireError) -> OffsetsRecord {
        OffsetsRecord(key: try OffsetsTopicKey.group(group).encode(), value: nil)
    }

    /// The offset's record; for nil its tombstone.
    static func offset(
        of group: String, _ partition: TopicPartition, _ offset: CommittedOffset?
    ) throws(WireError) -> OffsetsRecord {
        let key = try OffsetsTopicKey.offset(
            group: group, topic: partition.topic, partition: partition.partition.rawValue
        ).encode()
        guard let offset else { return OffsetsRecord(key: key, value: nil) }
        var value = OffsetCommitValue()
        value.offset = offset.offset
        value.leaderEpoch = offset.leaderEpoch
        value.metadata = offset.metadata
        value.commitTimestamp = offset.commitTimestamp
        value.expireTimestamp = offset.expireTimestamp ?? -1
        return OffsetsRecord(key: key, value: try value.encode())
    }

    static func snapshot(_ buffer: ByteBuffer) throws(WireError) -> GroupSnapshot {
        let value = try GroupMetadataValue.decode(buffer)
        return GroupSnapshot(
            protocolType: value.protocolType, generation: value.generation, protocolName: value.protocolName,
            leader: value.leader, stateTimestamp: value.currentStateTimestamp,
            members: value.members.map { member in
                GroupSnapshot.Member(
                    memberID: member.memberID, instanceID: member.groupInstanceID, clientID: member.clientID,
                    clientHost: member.clientHost, rebalanceTimeoutMs: member.rebalanceTimeout,
                    sessionTimeoutMs: member.sessionTimeout, subscription: Array(member.subscription.readableBytesView),
                    assignment: Array(member.assignment.readableBytesView))
            })
    }

    static func committedOffset(_ buffer: ByteBuffer) throws(WireError) -> CommittedOffset {
        let value = try OffsetCommitValue.decode(buffer)
        return CommittedOffset(
            offset: value.offset, leaderEpoch: value.leaderEpoch, metadata: value.metadata,
            commitTimestamp: value.commitTimestamp,
            expireTimestamp: value.expireTimestamp >= 0 ? value.expireTimestamp : nil)
    }
}

/// A partition of `__consumer_offsets` as it is read back: later records win, tombstones delete.
struct GroupReplay {
    private(set) var groups: [String: GroupSnapshot] = [:]
    private(set) var offsets: [String: GroupOffsets] = [:]
    /// Records that could not be understood, with why; the log gets a line for each.
    private(set) var problems: [(offset: Offset, problem: String)] = []

    mutating func take(key: ByteBuffer, value: ByteBuffer?, at position: Offset) {
        do throws(WireError) {
            switch try OffsetsTopicKey.decode(key) {
            case .offset(let group, let topic, let partition):
                let offset: CommittedOffset?
                if let value { offset = try GroupRecords.committedOffset(value) } else { offset = nil }
                offsets[group, default: GroupOffsets()].replay(
                    TopicPartition(topic, PartitionIndex(partition)), offset)
                if offsets[group]?.isEmpty == true { offsets[group] = nil }
            case .group(let group):
                if let value { groups[group] = try GroupRecords.snapshot(value) } else { groups[group] = nil }
            case .unknown(let version):
                problems.append((position, "the key has the unknown version \(version)"))
            }
        } catch {
            problems.append((position, "\(error)"))
        }
    }
}
