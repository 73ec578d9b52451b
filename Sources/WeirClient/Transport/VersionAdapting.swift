import WeirProtocol

/// A request that says the same thing in different fields in different versions: filled in as for the newest, and brought
/// into the shape of the negotiated version just before it is encoded.
protocol VersionAdapting {
    mutating func adapt(to version: Int16)
}

extension MetadataRequest: VersionAdapting {
    /// Before v4 the broker's own setting decides about auto-creation.
    mutating func adapt(to version: Int16) {
        if version < 4 { allowAutoTopicCreation = true }
    }
}

extension FindCoordinatorRequest: VersionAdapting {
    mutating func adapt(to version: Int16) {
        guard version < 4 else { return }
        key = coordinatorKeys.first ?? key
        coordinatorKeys = []
    }
}

extension DeleteTopicsRequest: VersionAdapting {
    mutating func adapt(to version: Int16) {
        guard version < 6 else { return }
        topicNames = topics.compactMap(\.name)
        topics = []
    }
}

extension OffsetFetchRequest: VersionAdapting {
    mutating func adapt(to version: Int16) {
        if version < 7 { requireStable = false }
        guard version < 8, let group = groups.first else { return }
        groupID = group.groupID
        topics = group.topics?.map { wanted in
            var topic = OffsetFetchRequestTopic()
            topic.name = wanted.name
            topic.partitionIndexes = wanted.partitionIndexes
            return topic
        }
        groups = []
    }
}

extension OffsetFetchResponse {
    /// The answer for one group, whichever fields the version has for it.
    func answer(for groupID: String) -> OffsetFetchResponseGroup? {
        if let group = groups.first(where: { $0.groupID == groupID }) { return group }
        guard groups.isEmpty else { return nil }
        var group = OffsetFetchResponseGroup()
        group.groupID = groupID
        group.errorCode = errorCode
        group.topics = topics.map { old in
            var topic = OffsetFetchResponseTopics()
            topic.name = old.name
            topic.partitions = old.partitions.map { old in
                var partition = OffsetFetchResponsePartitions()
                partition.partitionIndex = old.partitionIndex
                partition.committedOffset = old.committedOffset
                partition.committedLeaderEpoch = old.committedLeaderEpoch
                partition.metadata = old.metadata
                partition.errorCode = old.errorCode
                return partition
            }
            return topic
        }
        return group
    }
}

extension LeaveGroupRequest: VersionAdapting {
    mutating func adapt(to version: Int16) {
        guard version < 3 else { return }
        memberID = members.first?.memberID ?? memberID
        members = []
    }
}

extension DescribeConfigsRequest: VersionAdapting {
    mutating func adapt(to version: Int16) {
        if version < 3 { includeDocumentation = false }
    }
}

extension ListGroupsRequest: VersionAdapting {
    mutating func adapt(to version: Int16) {
        if version < 4 { statesFilter = [] }
        if version < 5 { typesFilter = [] }
    }
}

extension ListOffsetsRequest: VersionAdapting {
    mutating func adapt(to version: Int16) {
        if version < 2 { isolationLevel = 0 }
    }
}

extension JoinGroupRequest: VersionAdapting {
    mutating func adapt(to version: Int16) {
        if version < 5 { groupInstanceID = nil }
    }
}

extension SyncGroupRequest: VersionAdapting {
    mutating func adapt(to version: Int16) {
        if version < 3 { groupInstanceID = nil }
    }
}

extension HeartbeatRequest: VersionAdapting {
    mutating func adapt(to version: Int16) {
        if version < 3 { groupInstanceID = nil }
    }
}

extension OffsetCommitRequest: VersionAdapting {
    mutating func adapt(to version: Int16) {
        if version < 7 { groupInstanceID = nil }
    }
}
