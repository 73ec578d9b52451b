public import WeirModel
import WeirProtocol

/// A topic to be made.
public struct NewTopic: Sendable, Hashable {
    public var name: String
    /// Nil takes the broker's `num.partitions`.
    public var partitions: Int32?
    /// Nil takes the broker's `default.replication.factor`.
    public var replicationFactor: Int16?
    /// Kafka's topic configuration keys.
    public var configuration: [String: String]

    public init(
        _ name: String, partitions: Int32? = nil, replicationFactor: Int16? = nil,
        configuration: [String: String] = [:]
    ) {
        self.name = name
        self.partitions = partitions
        self.replicationFactor = replicationFactor
        self.configuration = configuration
    }
}

/// What a broker made of a `NewTopic`; counts are nil when it is too old to say.
public struct CreatedTopic: Sendable, Hashable {
    public let name: String
    public let id: UniqueID
    public let partitions: Int32?
    public let replicationFactor: Int16?
}

extension Admin {
    /// Makes a topic, or with `validateOnly` only checks that it could be made.
    @discardableResult
    public func createTopic(
        _ topic: NewTopic, validateOnly: Bool = false
    ) async throws(ClientError) -> CreatedTopic {
        if let problem = TopicName.problem(with: topic.name) {
            throw ClientError(.invalidArgument, "topic '\(topic.name)': \(problem)")
        }
        var new = CreateTopicsRequest.CreatableTopic()
        new.name = topic.name
        new.numPartitions = topic.partitions ?? -1
        new.replicationFactor = topic.replicationFactor ?? -1
        new.configs = topic.configuration.sorted { $0.key < $1.key }.map { entry in
            var config = CreateTopicsRequest.CreatableTopicConfig()
            config.name = entry.key
            config.value = entry.value
            return config
        }
        var request = CreateTopicsRequest()
        request.topics = [new]
        request.timeoutMs = Int32(clamping: core.configuration.requestTimeoutMs)
        request.validateOnly = validateOnly
        let wanted = request
        return try await core.retrying { () async throws(ClientError) in
            let response = try await core.call(wanted, to: .controller)
            guard let result = response.topics.first(where: { $0.name == topic.name }) else {
                throw ClientError(.protocolViolation, "CreateTopics was answered without topic '\(topic.name)'")
            }
            let code = ErrorCode(rawValue: result.errorCode)
            guard code == .none else {
                throw ClientError.answered(code, about: "topic '\(topic.name)'", detail: result.errorMessage)
            }
            return CreatedTopic(
                name: topic.name, id: result.topicID,
                partitions: result.numPartitions >= 0 ? result.numPartitions : topic.partitions,
                replicationFactor: result.replicationFactor >= 0 ? result.replicationFactor : topic.replicationFactor)
        }
    }

    /// Deletes a topic and all its records.
    public func deleteTopic(_ name: String) async throws(ClientError) {
        var state = DeleteTopicsRequest.DeleteTopicState()
        state.name = name
        var request = DeleteTopicsRequest()
        request.topics = [state]
        request.timeoutMs = Int32(clamping: core.configuration.requestTimeoutMs)
        let wanted = request
        try await core.retrying { () async throws(ClientError) in
            let response = try await core.call(wanted, to: .controller)
            guard let result = response.responses.first(where: { $0.name == name }) ?? response.responses.first else {
                throw ClientError(.protocolViolation, "DeleteTopics was answered without topic '\(name)'")
            }
            try Self.check(result.errorCode, about: "topic '\(name)'", detail: result.errorMessage)
        }
    }

    /// Grows a topic to that many partitions in all. Keys will go to other partitions than before.
    public func createPartitions(topic name: String, total: Int32, validateOnly: Bool = false) async throws(ClientError)
    {
        var topic = CreatePartitionsRequest.CreatePartitionsTopic()
        topic.name = name
        topic.count = total
        topic.assignments = nil
        var request = CreatePartitionsRequest()
        request.topics = [topic]
        request.timeoutMs = Int32(clamping: core.configuration.requestTimeoutMs)
        request.validateOnly = validateOnly
        let wanted = request
        try await core.retrying { () async throws(ClientError) in
            let response = try await core.call(wanted, to: .controller)
            guard let result = response.results.first else {
                throw ClientError(.protocolViolation, "CreatePartitions was answered without topic '\(name)'")
            }
            try Self.check(result.errorCode, about: "topic '\(name)'", detail: result.errorMessage)
        }
    }

    /// Throws unless the code is `none`; an unknown topic is final here, since admin calls name existing ones.
    static func check(_ code: Int16, about subject: String, detail: String? = nil) throws(ClientError) {
        let code = ErrorCode(rawValue: code)
        guard code != .none else { return }
        var error = ClientError.answered(code, about: subject, detail: detail)
        if code == .unknownTopicOrPartition || code == .unknownTopicID { error.isRetriable = false }
        throw error
    }
}
