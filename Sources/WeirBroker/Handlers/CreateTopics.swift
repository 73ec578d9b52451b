import WeirModel
import WeirProtocol
import WeirRegistry

/// CreateTopics (key 19), versions 2–7.
///
/// v4+ takes -1 for the default counts, v5 answers with the topic's configuration, v7 with its id. A topic is there for every
/// client of this broker when the answer goes out. With validate-only everything is checked and nothing made.
struct CreateTopicsHandler: APIHandler {
    typealias Request = CreateTopicsRequest
    typealias Result = CreateTopicsResponse.CreatableTopicResult
    static let versions: ClosedRange<Int16> = 2...7

    let broker: Broker

    func handle(_ request: CreateTopicsRequest, _ call: Call<CreateTopicsResponse>) {
        var results: [Result] = []
        var wanted: [(place: Int, topic: NewTopic)] = []
        var counts: [String: Int] = [:]
        for topic in request.topics { counts[topic.name, default: 0] += 1 }
        var told: Set<String> = []
        for topic in request.topics where told.insert(topic.name).inserted {
            var result = Result()
            result.name = topic.name
            result.errorMessage = nil
            do throws(Refusal) {
                // Told once for each name.
                if (counts[topic.name] ?? 0) > 1 { throw Refusal(.invalidRequest, "Duplicate topic name.") }
                wanted.append((results.count, try check(topic, call.context)))
            } catch {
                result.fail(error)
            }
            results.append(result)
        }
        let answers = results
        let topics = wanted
        Task {
            var response = CreateTopicsResponse()
            response.topics = answers
            let made = await broker.topics.create(topics.map(\.topic), validateOnly: request.validateOnly)
            for ((place, topic), result) in zip(topics, made) {
                switch result {
                case .success(let state):
                    describe(topic, state, call.context, &response.topics[place])
                    if request.validateOnly { response.topics[place].topicID = .zero }
                case .failure(let refusal): response.topics[place].fail(refusal)
                }
            }
            call.answer(response)
        }
    }

    private func check(
        _ topic: CreateTopicsRequest.CreatableTopic, _ context: RequestContext
    ) throws(Refusal) -> NewTopic {
        guard
            broker.authorizer.allows(context.principal, .create, on: .cluster)
                || broker.authorizer.allows(context.principal, .create, on: .topic(topic.name))
        else { throw Refusal(.topicAuthorizationFailed, "Authorization failed.") }
        if context.apiVersion < 4, topic.assignments.isEmpty, topic.numPartitions == -1 || topic.replicationFactor == -1
        {
            throw Refusal(
                topic.numPartitions == -1 ? .invalidPartitions : .invalidReplicationFactor,
                "defaults for the number of partitions and replicas need version 4")
        }
        let wish = TopicWish(
            name: topic.name, partitions: topic.numPartitions, replicationFactor: topic.replicationFactor,
            assignments: topic.assignments.map { ($0.partitionIndex, $0.brokerIDs) },
            configs: topic.configs.map { ($0.name, $0.value) })
        return try wish.resolved(broker.metadata.current.state, broker.settings)
    }

    private func describe(
        _ topic: NewTopic, _ state: TopicState, _ context: RequestContext, _ result: inout Result
    ) {
        result.topicID = state.id
        result.numPartitions = Int32(clamping: state.partitions.count)
        result.replicationFactor = Int16(clamping: state.partitions.first?.replicas.count ?? 0)
        guard broker.authorizer.allows(context.principal, .describeConfigs, on: .topic(topic.name)) else {
            result.topicConfigErrorCode = ErrorCode.topicAuthorizationFailed.rawValue
            result.numPartitions = -1
            result.replicationFactor = -1
            result.configs = []
            return
        }
        result.configs = ConfigView.topic(overrides: topic.configs, broker.settings).map { config in
            var entry = CreateTopicsResponse.CreatableTopicConfigs()
            entry.name = config.name
            entry.value = config.value
            entry.readOnly = config.isReadOnly
            entry.configSource = config.source.rawValue
            entry.isSensitive = config.isSensitive
            return entry
        }
    }
}

extension CreateTopicsHandler.Result {
    fileprivate mutating func fail(_ error: Refusal) {
        errorCode = error.code.rawValue
        errorMessage = error.message
        configs = []
    }
}
