import Logging
import WeirModel
import WeirRegistry

/// Changes the settings of topics and brokers: one commit, and the logs follow the new settings when it returns.
final class ConfigAdmin: Sendable {
    private let store: ClusterStore
    private let applier: ClusterApplier
    private let authorizer: any Authorizer
    private let logger: Logger

    init(store: ClusterStore, applier: ClusterApplier, authorizer: any Authorizer, logger: Logger) {
        self.store = store
        self.applier = applier
        self.authorizer = authorizer
        self.logger = logger
    }

    /// - Parameter replacing: Whether settings that the changes do not name are taken back (AlterConfigs).
    func alter(
        _ resource: ConfigResource, _ changes: [ConfigChange], replacing: Bool, validateOnly: Bool,
        _ principal: Principal
    ) async throws(Refusal) {
        let result: Result<[String: String], Refusal>
        do throws(RegistryError) {
            switch resource {
            case .topic(let name):
                guard authorizer.allows(principal, .alterConfigs, on: .topic(name)) else {
                    throw RegistryError.denied
                }
                result = try await alterTopic(name, changes, replacing: replacing, validateOnly: validateOnly)
            case .broker(let id):
                guard authorizer.allows(principal, .alterConfigs, on: .cluster) else { throw RegistryError.denied }
                result = try await alterBroker(id, changes, replacing: replacing, validateOnly: validateOnly)
            }
        } catch {
            if error == .denied {
                if case .topic = resource { throw Refusal(.topicAuthorizationFailed, "Authorization failed.") }
                throw Refusal(.clusterAuthorizationFailed, "Authorization failed.")
            }
            throw TopicAdmin.refusal(error)
        }
        _ = try result.get()
        if !validateOnly {
            logger.info("changed settings of \(resource): \(changes.map(\.name).joined(separator: ", "))")
        }
    }

    private func alterTopic(
        _ name: String, _ changes: [ConfigChange], replacing: Bool, validateOnly: Bool
    ) async throws(RegistryError) -> Result<[String: String], Refusal> {
        let settings = applier.settings
        let result = try await store.alterTopicConfig(name, validateOnly: validateOnly) { current throws(Refusal) in
            for change in changes where TopicConfigs.definition(change.name) == nil {
                throw Refusal(.invalidConfig, TopicConfigs.validate(name: change.name, value: "") ?? change.name)
            }
            let after = try ConfigChange.apply(
                changes, to: replacing ? [:] : current, definition: TopicConfigs.definition,
                inherited: settings.inherited)
            if let problem = TopicConfigs.problem(with: after, broker: settings) {
                throw Refusal(.invalidConfig, problem)
            }
            return after
        }
        applier.apply(store.state)
        return result
    }

    private func alterBroker(
        _ id: BrokerID?, _ changes: [ConfigChange], replacing: Bool, validateOnly: Bool
    ) async throws(RegistryError) -> Result<[String: String], Refusal> {
        let settings = applier.settings
        if let id, id != settings.nodeID {
            return .failure(
                Refusal(
                    .invalidRequest,
                    "Unexpected broker id, expected \(settings.nodeID) or empty string, but received \(id)"))
        }
        let result = try await store.alterBrokerConfig(id, validateOnly: validateOnly) { current throws(Refusal) in
            let after = try ConfigChange.apply(
                changes, to: replacing ? [:] : current, definition: BrokerConfigs.definition,
                inherited: { settings.value($0.name) })
            for (name, value) in after.sorted(by: { $0.key < $1.key }) where current[name] != value {
                if let problem = BrokerConfigs.validate(name: name, value: value) {
                    throw Refusal(.invalidConfig, problem)
                }
                if BrokerConfigs.definition(name)?.isReadOnly ?? true {
                    throw Refusal(.invalidRequest, "Cannot update these configs dynamically: \(name)")
                }
            }
            return after
        }
        applier.apply(store.state)
        return result
    }
}

extension RegistryError {
    /// Only ever seen inside `alter`, which turns it into the resource's own code.
    fileprivate static let denied = RegistryError(.closed, "Authorization failed.")
}
