import WeirModel
import WeirProtocol

/// IncrementalAlterConfigs (key 44), versions 0–1 (KIP-339): sets (0) and deletes (1) single keys, appends to (2) and
/// subtracts from (3) lists. What is changed counts from the answer on, without a restart.
struct IncrementalAlterConfigsHandler: APIHandler {
    typealias Request = IncrementalAlterConfigsRequest
    static let versions: ClosedRange<Int16> = 0...1

    let broker: Broker

    func handle(_ request: IncrementalAlterConfigsRequest, _ call: Call<IncrementalAlterConfigsResponse>) {
        Task {
            var response = IncrementalAlterConfigsResponse()
            var counts: [String: Int] = [:]
            for resource in request.resources { counts[Self.key(resource), default: 0] += 1 }
            for resource in request.resources {
                var result = IncrementalAlterConfigsResponse.AlterConfigsResourceResponse()
                result.errorMessage = nil
                result.resourceType = resource.resourceType
                result.resourceName = resource.resourceName
                do throws(Refusal) {
                    guard counts[Self.key(resource)] == 1 else {
                        throw Refusal(.invalidRequest, "Each resource must appear at most once.")
                    }
                    try await broker.configs.alter(
                        try ConfigResource(type: resource.resourceType, name: resource.resourceName),
                        try changes(resource), replacing: false, validateOnly: request.validateOnly,
                        call.context.principal)
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
    private static func key(_ resource: IncrementalAlterConfigsRequest.AlterConfigsResource) -> String {
        "\(resource.resourceType) \(resource.resourceName)"
    }

    private func changes(
        _ resource: IncrementalAlterConfigsRequest.AlterConfigsResource
    ) throws(Refusal) -> [ConfigChange] {
        var changes: [ConfigChange] = []
        for config in resource.configs {
            guard let operation = ConfigChange.Operation(rawValue: config.configOperation) else {
                throw Refusal(.invalidRequest, "Unknown operation type \(config.configOperation) for \(config.name)")
            }
            changes.append(ConfigChange(name: config.name, operation: operation, value: config.value))
        }
        return changes
    }
}
