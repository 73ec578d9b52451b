public import WeirModel
import WeirProtocol

/// A group in a listing.
public struct GroupListing: Sendable, Hashable {
    public let id: String
    /// Such as `Stable`, `Empty` or `PreparingRebalance`; nil when the broker is too old to say.
    public let state: String?
    /// `consumer` for groups of consumers, empty for groups that only keep offsets.
    public let protocolType: String
    /// `classic` or `consumer`; nil when the broker is too old to say.
    public let type: String?
}

/// A group and its members.
public struct GroupDescription: Sendable {
    public struct Member: Sendable {
        public let id: String
        public let instanceID: String?
        public let clientID: String
        public let host: String
        /// The partitions it reads; empty when the group's protocol is not that of consumers.
        public let assignment: [TopicPartition]
        /// The topics it wants.
        public let subscription: [String]
    }

    public let id: String
    public let state: String
    public let protocolType: String
    /// The assignor in use.
    public let protocolName: String
    public let coordinator: BrokerID
    public let members: [Member]
}

/// An offset that a group has committed for a partition.
public struct CommittedOffset: Sendable, Hashable {
    /// The next record to read.
    public var offset: Offset
    public var leaderEpoch: LeaderEpoch
    public var metadata: String

    public init(offset: Offset, leaderEpoch: LeaderEpoch = .none, metadata: String = "") {
        self.offset = offset
        self.leaderEpoch = leaderEpoch
        self.metadata = metadata
    }
}

extension Admin {
    /// The groups of all brokers, in the order of their names.
    public func groups() async throws(ClientError) -> [GroupListing] {
        let brokers = try await cluster(topics: []).brokers.keys.sorted()
        var found: [String: GroupListing] = [:]
        for broker in brokers {
            let response = try await core.retrying { () async throws(ClientError) in
                try await core.learnBrokers(including: broker)
                let response = try await core.call(ListGroupsRequest(), to: .broker(broker))
                try Self.check(response.errorCode, about: "broker \(broker)")
                return response
            }
            for group in response.groups {
                found[group.groupID] = GroupListing(
                    id: group.groupID, state: group.groupState.isEmpty ? nil : group.groupState,
                    protocolType: group.protocolType, type: group.groupType.isEmpty ? nil : group.groupType)
            }
        }
        return found.values.sorted { $0.id < $1.id }
    }

    /// A group's state and members. Throws when there is no such group (Kafka calls its state `Dead`).
    public func describeGroup(_ id: String) async throws(ClientError) -> GroupDescription {
        try await core.retrying { () async throws(ClientError) in
            let broker = try await coordinator(of: id)
            var request = DescribeGroupsRequest()
            request.groups = [id]
            let response = try await core.call(request, to: .broker(broker))
            guard let group = response.groups.first(where: { $0.groupID == id }) else {
                throw ClientError(.protocolViolation, "DescribeGroups was answered without group '\(id)'")
            }
            try Self.check(group.errorCode, about: "group '\(id)'")
            guard group.groupState != "Dead" else {
                throw ClientError.answered(.groupIDNotFound, about: "group '\(id)'")
            }
            return Self.description(of: group, coordinator: broker)
        }
    }

    private static func description(
        of group: DescribeGroupsResponse.DescribedGroup, coordinator: BrokerID
    ) -> GroupDescription {
        let isConsumer = group.protocolType == "consumer"
        let members = group.members.map { member in
            var assignment: [TopicPartition] = []
            var subscription: [String] = []
            if isConsumer, member.memberAssignment.readableBytes > 0,
                let decoded = try? ConsumerProtocolAssignment.decode(member.memberAssignment)
            {
                assignment = decoded.assignedPartitions.flatMap { topic in
                    topic.partitions.map { TopicPartition(topic.topic, $0) }
                }.sorted()
            }
            if isConsumer, member.memberMetadata.readableBytes > 0,
                let decoded = try? ConsumerProtocolSubscription.decode(member.memberMetadata)
            {
                subscription = decoded.topics.sorted()
            }
            return GroupDescription.Member(
                id: member.memberID, instanceID: member.groupInstanceID, clientID: member.clientID,
                host: member.clientHost, assignment: assignment, subscription: subscription)
        }
        return GroupDescription(
            id: group.groupID, state: group.groupState, protocolType: group.protocolType,
            protocolName: group.protocolData, coordinator: coordinator, members: members.sorted { $0.id < $1.id })
    }

    /// Deletes a group without members, and its offsets.
    public func deleteGroup(_ id: String) async throws(ClientError) {
        try await core.retrying { () async throws(ClientError) in
            let broker = try await coordinator(of: id)
            var request = DeleteGroupsRequest()
            request.groupsNames = [id]
            let response = try await core.call(request, to: .broker(broker))
            guard let result = response.results.first(where: { $0.groupID == id }) else {
                throw ClientError(.protocolViolation, "DeleteGroups was answered without group '\(id)'")
            }
            try Self.check(result.errorCode, about: "group '\(id)'")
        }
    }

    /// The offsets that a group has committed; nil for all partitions it has any for.
    public func committedOffsets(
        group id: String, partitions: [TopicPartition]? = nil
    ) async throws(ClientError) -> [TopicPartition: CommittedOffset] {
        try await core.retrying { () async throws(ClientError) in
            let broker = try await coordinator(of: id)
            let response = try await core.call(
                GroupRequests.fetchOffsets(group: id, partitions: partitions), to: .broker(broker))
            return try GroupRequests.offsets(in: response, group: id)
        }
    }

    /// Sets offsets of a group that has no members.
    public func commitOffsets(
        group id: String, _ offsets: [TopicPartition: CommittedOffset]
    ) async throws(ClientError) {
        try await core.retrying { () async throws(ClientError) in
            let broker = try await coordinator(of: id)
            let response = try await core.call(
                GroupRequests.commit(group: id, member: nil, offsets: offsets), to: .broker(broker))
            try GroupRequests.check(response)
        }
    }

    /// Forgets a group's offsets for partitions that no member reads.
    public func deleteOffsets(group id: String, partitions: [TopicPartition]) async throws(ClientError) {
        var request = OffsetDeleteRequest()
        request.groupID = id
        request.topics = byTopic(partitions).map { topic, partitions in
            var wire = OffsetDeleteRequest.OffsetDeleteRequestTopic()
            wire.name = topic
            wire.partitions = partitions.map { partition in
                var wire = OffsetDeleteRequest.OffsetDeleteRequestPartition()
                wire.partitionIndex = partition.partition.rawValue
                return wire
            }
            return wire
        }
        let wanted = request
        try await core.retrying { () async throws(ClientError) in
            let broker = try await coordinator(of: id)
            let response = try await core.call(wanted, to: .broker(broker))
            try Self.check(response.errorCode, about: "group '\(id)'")
            for topic in response.topics {
                for result in topic.partitions {
                    try Self.check(
                        result.errorCode, about: "group '\(id)', partition \(topic.name)-\(result.partitionIndex)")
                }
            }
        }
    }
}
