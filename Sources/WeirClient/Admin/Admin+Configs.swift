public import WeirModel
import WeirProtocol

/// What a configuration belongs to.
public enum ConfigResource: Sendable, Hashable, CustomStringConvertible {
    case topic(String)
    case broker(BrokerID)
    /// The cluster-wide default of all brokers.
    case allBrokers
    case group(String)

    var wire: (type: Int8, name: String) {
        switch self {
        case .topic(let name): (2, name)
        case .broker(let id): (4, String(id.rawValue))
        case .allBrokers: (4, "")
        case .group(let name): (32, name)
        }
    }

    public var description: String {
        switch self {
        case .topic(let name): "topic '\(name)'"
        case .broker(let id): "broker \(id)"
        case .allBrokers: "the brokers' defaults"
        case .group(let name): "group '\(name)'"
        }
    }
}

/// One configuration key of a resource.
public struct ConfigurationEntry: Sendable, Hashable {
    /// Where a value comes from; Kafka's numbers.
    public enum Source: Int8, Sendable {
        case unknown = 0
        case dynamicTopic = 1
        case dynamicBroker = 2
        case dynamicDefaultBroker = 3
        case staticBroker = 4
        case defaultValue = 5
        case dynamicBrokerLogger = 6
        case clientMetrics = 7
        case group = 8
    }

    public let name: String
    /// Nil when it is unset or secret.
    public let value: String?
    public let source: Source
    public let isReadOnly: Bool
    public let isSensitive: Bool
    public let documentation: String?

    /// Whether the resource itself sets the value, rather than inheriting it.
    public var isOverride: Bool { source == .dynamicTopic || source == .group }
}

/// A change of one configuration key.
public struct ConfigChange: Sendable, Hashable {
    public enum Operation: Sendable, Hashable {
        case set(String)
        /// Back to the default.
        case remove
        /// For keys that are lists.
        case append(String)
        case subtract(String)
    }

    public var name: String
    public var operation: Operation

    public init(_ name: String, _ operation: Operation) {
        self.name = name
        self.operation = operation
    }
}

extension Admin {
    /// Every configuration key of a resource with its value in effect, in the order of names.
    public func configuration(
        of resource: ConfigResource, includeDocumentation: Bool = false
    ) async throws(ClientError) -> [ConfigurationEntry] {
        var wire = DescribeConfigsRequest.DescribeConfigsResource()
        (wire.resourceType, wire.resourceName) = resource.wire
        wire.configurationKeys = nil
        var request = DescribeConfigsRequest()
        request.resources = [wire]
        request.includeDocumentation = includeDocumentation
        let wanted = request
        let target = target(for: resource)
        return try await core.retrying { () async throws(ClientError) in
            if case .broker(let id) = target { try await core.learnBrokers(including: id) }
            let response = try await core.call(wanted, to: target)
            guard let result = response.results.first else {
                throw ClientError(.protocolViolation, "DescribeConfigs was answered without \(resource)")
            }
            try Self.check(result.errorCode, about: "\(resource)", detail: result.errorMessage)
            return result.configs.map { config in
                ConfigurationEntry(
                    name: config.name, value: config.value,
                    source: ConfigurationEntry.Source(rawValue: config.configSource) ?? .unknown,
                    isReadOnly: config.readOnly, isSensitive: config.isSensitive,
                    documentation: includeDocumentation ? config.documentation : nil)
            }.sorted { $0.name < $1.name }
        }
    }

    /// Changes some keys of a resource and leaves the others as they are.
    public func alterConfiguration(
        of resource: ConfigResource, _ changes: [ConfigChange], validateOnly: Bool = false
    ) async throws(ClientError) {
        var wire = IncrementalAlterConfigsRequest.AlterConfigsResource()
        (wire.resourceType, wire.resourceName) = resource.wire
        wire.configs = changes.map { change in
            var config = IncrementalAlterConfigsRequest.AlterableConfig()
            config.name = change.name
            switch change.operation {
            case .set(let value): (config.configOperation, config.value) = (0, value)
            case .remove: (config.configOperation, config.value) = (1, nil)
            case .append(let value): (config.configOperation, config.value) = (2, value)
            case .subtract(let value): (config.configOperation, config.value) = (3, value)
            }
            return config
        }
        var request = IncrementalAlterConfigsRequest()
        request.resources = [wire]
        request.validateOnly = validateOnly
        let wanted = request
        let target = target(for: resource)
        try await core.retrying { () async throws(ClientError) in
            if case .broker(let id) = target { try await core.learnBrokers(including: id) }
            let response = try await core.call(wanted, to: target)
            guard let result = response.responses.first else {
                throw ClientError(.protocolViolation, "IncrementalAlterConfigs was answered without \(resource)")
            }
            try Self.check(result.errorCode, about: "\(resource)", detail: result.errorMessage)
        }
    }

    /// A broker answers for its own configuration, the controller for everything else.
    private func target(for resource: ConfigResource) -> ClusterCore.Target {
        if case .broker(let id) = resource { .broker(id) } else { .controller }
    }
}
