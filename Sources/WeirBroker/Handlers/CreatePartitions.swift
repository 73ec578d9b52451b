import WeirModel
import WeirProtocol
import WeirRegistry

/// CreatePartitions (key 37), versions 0–3: more partitions for topics that exist. `count` is the new total.
struct CreatePartitionsHandler: APIHandler {
    typealias Request = CreatePartitionsRequest
    static let versions: ClosedRange<Int16> = 0...3

    let broker: Broker

    func handle(_ request: CreatePartitionsRequest, _ call: Call<CreatePartitionsResponse>) {
        Task {
            var response = CreatePartitionsResponse()
            var counts: [String: Int] = [:]
            for topic in request.topics { counts[topic.name, default: 0] += 1 }
            var told: Set<String> = []
            for topic in request.topics {
                guard told.insert(topic.name).inserted else { continue }
                var result = CreatePartitionsResponse.CreatePartitionsTopicResult()
                result.name = topic.name
                do throws(Refusal) {
                    if (counts[topic.name] ?? 0) > 1 { throw Refusal(.invalidRequest, "Duplicate topic name.") }
                    try await grow(topic, validateOnly: request.validateOnly, call.context)
                } catch {
                    result.errorCode = error.code.rawValue
                    result.errorMessage = error.message
                }
                response.results.append(result)
            }
            call.answer(response)
        }
    }

    private func grow(
        _ wanted: CreatePartitionsRequest.CreatePartitionsTopic, validateOnly: Bool, _ context: RequestContext
    ) async throws(Refusal) {
        guard broker.authorizer.allows(context.principal, .alter, on: .topic(wanted.name)) else {
            throw Refusal(.topicAuthorizationFailed, "Authorization failed.")
        }
        let view = broker.metadata.current
        guard let topic = view.state.topics[wanted.name] else {
            throw Refusal(.unknownTopicOrPartition, "This server does not host this topic-partition.")
        }
        if TopicName.isInternal(topic.name) {
            throw Refusal(
                .invalidTopic, "the partitions of \(topic.name) cannot change: groups are placed by their number")
        }
        try await broker.topics.grow(
            wanted.name, to: wanted.count,
            assignment: wanted.assignments.map { $0.map { $0.brokerIDs.map { BrokerID($0) } } },
            validateOnly: validateOnly)
    }
}
