import WeirModel
import WeirProtocol
import WeirRegistry

/// DeleteTopics (key 20), versions 1–6: by name, from v6 also by id. Requests that wait on the topic are answered at once.
struct DeleteTopicsHandler: APIHandler {
    typealias Request = DeleteTopicsRequest
    typealias Result = DeleteTopicsResponse.DeletableTopicResult
    static let versions: ClosedRange<Int16> = 1...6

    let broker: Broker

    func handle(_ request: DeleteTopicsRequest, _ call: Call<DeleteTopicsResponse>) {
        Task {
            var response = DeleteTopicsResponse()
            let wanted =
                call.context.apiVersion >= 6
                ? request.topics
                : request.topicNames.map { name in
                    var topic = DeleteTopicsRequest.DeleteTopicState()
                    topic.name = name
                    return topic
                }
            var seen: Set<UniqueID> = []
            for topic in wanted {
                var result = Result()
                result.name = topic.name
                result.topicID = topic.topicID
                do throws(Refusal) {
                    try await delete(topic, call.context, &seen, &result)
                } catch {
                    result.errorCode = error.code.rawValue
                    result.errorMessage = error.message
                }
                response.responses.append(result)
            }
            call.answer(response)
        }
    }

    private func delete(
        _ wanted: DeleteTopicsRequest.DeleteTopicState, _ context: RequestContext, _ seen: inout Set<UniqueID>,
        _ result: inout Result
    ) async throws(Refusal) {
        guard broker.settings.deleteTopicEnable else {
            // Below version 3 clients do not know the code.
            throw Refusal(
                context.apiVersion < 3 ? .invalidRequest : .topicDeletionDisabled, "delete.topic.enable is false")
        }
        let state = broker.metadata.current.state
        let isByID = wanted.topicID != .zero
        if isByID, wanted.name != nil {
            throw Refusal(.invalidRequest, "a topic is named by its name or by its id, not by both")
        }
        let topic = isByID ? state.topic(id: wanted.topicID) : wanted.name.flatMap { state.topics[$0] }
        if let name = topic?.name ?? wanted.name {
            guard broker.authorizer.allows(context.principal, .delete, on: .topic(name)) else {
                // Whoever may not see the topic is not told its name.
                throw Refusal(.topicAuthorizationFailed, "Authorization failed.")
            }
        }
        guard let topic else {
            throw Refusal(
                isByID ? .unknownTopicID : .unknownTopicOrPartition, "This server does not host this topic-partition.")
        }
        result.name = topic.name
        result.topicID = topic.id
        guard seen.insert(topic.id).inserted else {
            throw Refusal(.invalidRequest, "the topic is named twice")
        }
        if TopicName.isInternal(topic.name) {
            throw Refusal(.invalidTopic, "\(topic.name) is the broker's own")
        }
        try await broker.topics.delete(topic)
    }
}
