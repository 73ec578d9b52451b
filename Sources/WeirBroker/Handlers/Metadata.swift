import WeirModel
import WeirProtocol
import WeirRegistry

/// Metadata (key 3), versions 0–13: the brokers, and the partitions and leaders of topics.
///
/// v0: an empty list means all topics; v1+: null does, and an empty list none. v4+ says whether unknown topics may be made,
/// earlier ones always may. v8+ can ask for the operations that the client is allowed. v10 has topic ids, v12 finds by them.
/// A topic made here is there when the answer goes out, so that the client need not ask again.
struct MetadataHandler: APIHandler {
    typealias Request = MetadataRequest
    typealias TopicResponse = MetadataResponse.MetadataResponseTopic
    static let versions: ClosedRange<Int16> = 0...13

    let broker: Broker

    func handle(_ request: MetadataRequest, _ call: Call<MetadataResponse>) {
        let missing = namesToCreate(request, call.context)
        if missing.isEmpty { return call.answer(response(request, call.context, failures: [:])) }
        Task {
            var failures: [String: ErrorCode] = [:]
            for name in missing {
                if let error = await broker.topics.createAutomatically(name) { failures[name] = error.code }
            }
            call.answer(response(request, call.context, failures: failures))
        }
    }

    /// The topics that the request makes.
    private func namesToCreate(_ request: MetadataRequest, _ context: RequestContext) -> [String] {
        guard let topics = request.topics, !topics.isEmpty else { return [] }
        guard broker.settings.autoCreateTopics, context.apiVersion < 4 || request.allowAutoTopicCreation else {
            return []
        }
        let known = broker.metadata.current.state.topics
        var names: [String] = []
        // Large requests come too: looking each name up in a list would hold the event loop for minutes.
        var seen: Set<String> = []
        for topic in topics where topic.topicID == .zero {
            guard let name = topic.name, known[name] == nil, TopicName.problem(with: name) == nil else { continue }
            guard broker.authorizer.allows(context.principal, .describe, on: .topic(name)), mayCreate(name, context)
            else { continue }
            if seen.insert(name).inserted { names.append(name) }
        }
        return names
    }

    private func mayCreate(_ name: String, _ context: RequestContext) -> Bool {
        broker.authorizer.allows(context.principal, .create, on: .cluster)
            || broker.authorizer.allows(context.principal, .create, on: .topic(name))
    }

    // MARK: The answer

    private func response(
        _ request: MetadataRequest, _ context: RequestContext, failures: [String: ErrorCode]
    ) -> MetadataResponse {
        let view = broker.metadata.current
        var response = MetadataResponse()
        response.clusterID = view.clusterID
        response.controllerID = view.controllerID.rawValue
        response.brokers = view.endpoints(listener: context.listener).map { endpoint in
            var entry = MetadataResponse.MetadataResponseBroker()
            entry.nodeID = endpoint.id.rawValue
            entry.host = endpoint.host
            entry.port = endpoint.port
            entry.rack = endpoint.rack
            return entry
        }
        if request.includeClusterAuthorizedOperations {
            response.clusterAuthorizedOperations = broker.authorizer.allowedOperations(context.principal, on: .cluster)
        }
        // The message reads v0's empty list as null too.
        if request.topics == nil {
            response.topics = view.state.topics.values.sorted { $0.name < $1.name }.compactMap { topic in
                guard broker.authorizer.allows(context.principal, .describe, on: .topic(topic.name)) else { return nil }
                return describe(topic, view, request, context)
            }
        } else {
            response.topics = (request.topics ?? []).map { describe($0, view, request, context, failures) }
        }
        return response
    }

    private func describe(
        _ wanted: MetadataRequest.MetadataRequestTopic, _ view: ClusterView, _ request: MetadataRequest,
        _ context: RequestContext, _ failures: [String: ErrorCode]
    ) -> TopicResponse {
        if wanted.topicID != .zero {
            guard let topic = view.state.topic(id: wanted.topicID) else {
                return refusal(name: nil, id: wanted.topicID, .unknownTopicID)
            }
            guard broker.authorizer.allows(context.principal, .describe, on: .topic(topic.name)) else {
                return refusal(name: nil, id: wanted.topicID, .topicAuthorizationFailed)
            }
            return describe(topic, view, request, context)
        }
        guard let name = wanted.name else { return refusal(name: "", id: .zero, .invalidTopic) }
        guard broker.authorizer.allows(context.principal, .describe, on: .topic(name)) else {
            return refusal(name: name, id: .zero, .topicAuthorizationFailed)
        }
        if let topic = view.state.topics[name] { return describe(topic, view, request, context) }
        if TopicName.problem(with: name) != nil { return refusal(name: name, id: .zero, .invalidTopic) }
        return refusal(name: name, id: .zero, failures[name] ?? .unknownTopicOrPartition)
    }

    private func refusal(name: String?, id: UniqueID, _ code: ErrorCode) -> TopicResponse {
        var topic = TopicResponse()
        topic.errorCode = code.rawValue
        topic.name = name
        topic.topicID = id
        topic.isInternal = name.map { TopicName.isInternal($0) } ?? false
        return topic
    }

    private func describe(
        _ state: TopicState, _ view: ClusterView, _ request: MetadataRequest, _ context: RequestContext
    ) -> TopicResponse {
        var topic = TopicResponse()
        topic.name = state.name
        topic.topicID = state.id
        topic.isInternal = TopicName.isInternal(state.name)
        topic.partitions = state.partitions.enumerated().map { index, state in
            var partition = MetadataResponse.MetadataResponsePartition()
            partition.partitionIndex = Int32(clamping: index)
            partition.leaderID = view.leader(of: state)
            partition.errorCode = (partition.leaderID < 0 ? ErrorCode.leaderNotAvailable : .none).rawValue
            partition.leaderEpoch = state.leaderEpoch.rawValue
            partition.replicaNodes = state.replicas.map(\.rawValue)
            partition.isrNodes = state.isr.map(\.rawValue)
            partition.offlineReplicas = view.offline(state.replicas)
            return partition
        }
        if request.includeTopicAuthorizedOperations {
            topic.topicAuthorizedOperations =
                broker.authorizer.allowedOperations(context.principal, on: .topic(state.name))
        }
        return topic
    }
}
