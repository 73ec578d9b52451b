import WeirModel
import WeirProtocol

/// AlterConfigs (key 33), versions 0–2: replaces all settings of a topic or broker with the given ones. Old tools use it;
/// IncrementalAlterConfigs does not lose what others set.
struct AlterConfigsHandler: APIHandler {
    typealias Request = AlterConfigsRequest
    static let versions: ClosedRange<Int16> = 0...2

    let broker: Broker

    func handle(_ request: AlterConfigsRequest, _ call: Call<AlterConfigsResponse>) {
        Task {
            var response = AlterConfigsResponse()
            var counts: [String: Int] = [:]
            for resource in request.resources { counts[Self.key(resource), default: 0] += 1 }
            for resource in request.resources {
                var result = AlterConfigsResponse.AlterConfigsResourceResponse()
                result.errorMessage = nil
                result.resourceType = resource.resourceType
                result.resourceName = resource.resourceName
                do throws(Refusal) {
                    guard counts[Self.key(resource)] == 1 else {
                        throw Refusal(.invalidRequest, "Each resource must appear at most once.")
                    }
                    let changes = resource.configs.map {
                        ConfigChange(name: $0.name, operation: .set, value: $0.value)
                    }
                    try await broker.configs.alter(
                        try ConfigResource(type: resource.resourceType, name: resource.resourceName), changes,
                        replacing: true, validateOnly: request.validateOnly, call.context.principal)
                } catch {
                    result.errorCode = error.code.rawValue
                    result.errorMessage = error.message
                }
                response.responses.append(result)
            }
            call.answer(response)
        }
    }

    /// What a resource is told from others by.
    private static func key(_ resource: AlterConfigsRequest.AlterConfigsResource) -> String {
        "\(resource.resourceType) \(resource.resourceName)"
    }
}
