import WeirModel
import WeirProtocol
import WeirRegistry

/// DescribeConfigs (key 32), versions 1–4: every key of a topic or broker, with its value, where it comes from, and, when
/// asked, what it would be otherwise. v3 adds types and documentation. A broker with an empty name stands for what was set
/// for all brokers.
struct DescribeConfigsHandler: APIHandler {
    typealias Request = DescribeConfigsRequest
    typealias Result = DescribeConfigsResponse.DescribeConfigsResult
    static let versions: ClosedRange<Int16> = 1...4

    let broker: Broker

    func handle(_ request: DescribeConfigsRequest, _ call: Call<DescribeConfigsResponse>) {
        var response = DescribeConfigsResponse()
        response.results = request.resources.map { resource in
            var result = Result()
            result.errorMessage = nil
            result.resourceType = resource.resourceType
            result.resourceName = resource.resourceName
            do throws(Refusal) {
                let views = try views(of: resource, call.context)
                // No keys named are all keys, as null is.
                let wanted = resource.configurationKeys.flatMap { $0.isEmpty ? nil : Set($0) }
                result.configs = views.filter { wanted?.contains($0.name) ?? true }.map { encode($0, request) }
            } catch {
                result.errorCode = error.code.rawValue
                result.errorMessage = error.message
            }
            return result
        }
        call.answer(response)
    }

    private func views(
        of resource: DescribeConfigsRequest.DescribeConfigsResource, _ context: RequestContext
    ) throws(Refusal) -> [ConfigView] {
        switch try ConfigResource(type: resource.resourceType, name: resource.resourceName) {
        case .topic(let name):
            guard broker.authorizer.allows(context.principal, .describeConfigs, on: .topic(name)) else {
                throw Refusal(.topicAuthorizationFailed, "Authorization failed.")
            }
            if let problem = TopicName.problem(with: name) { throw Refusal(.invalidTopic, problem) }
            let state = broker.metadata.current.state
            guard state.topics[name] != nil else {
                throw Refusal(.unknownTopicOrPartition, "This server does not host this topic-partition.")
            }
            return ConfigView.topic(overrides: state.topicConfigs[name] ?? [:], broker.settings)
        case .broker(let id):
            guard broker.authorizer.allows(context.principal, .describeConfigs, on: .cluster) else {
                throw Refusal(.clusterAuthorizationFailed, "Authorization failed.")
            }
            guard let id else { return ConfigView.clusterDefaults(broker.settings) }
            guard id == broker.settings.nodeID else {
                throw Refusal(
                    .invalidRequest,
                    "Unexpected broker id, expected \(broker.settings.nodeID) or empty string, but received \(id)")
            }
            return ConfigView.broker(broker.settings)
        }
    }

    private func encode(
        _ view: ConfigView, _ request: DescribeConfigsRequest
    ) -> DescribeConfigsResponse.DescribeConfigsResourceResult {
        var entry = DescribeConfigsResponse.DescribeConfigsResourceResult()
        entry.name = view.name
        entry.value = view.value
        entry.readOnly = view.isReadOnly
        entry.isDefault = view.source == .defaultConfig
        entry.configSource = view.source.rawValue
        entry.isSensitive = view.isSensitive
        entry.configType = view.definition.type.rawValue
        entry.documentation = request.includeDocumentation ? view.definition.documentation : nil
        if request.includeSynonyms {
            entry.synonyms = view.synonyms.map { synonym in
                var other = DescribeConfigsResponse.DescribeConfigsSynonym()
                other.name = synonym.name
                other.value = synonym.value
                other.source = synonym.source.rawValue
                return other
            }
        }
        return entry
    }
}
