import WeirConnection
import WeirModel
import WeirProtocol

/// Looks after a cluster: topics, partitions, configuration, groups and offsets.
///
/// Every call tries again over failures that may pass, up to the configuration's `callTimeoutMs`, and throws a `ClientError`
/// that names what it is about. Safe to use from any task.
public final class Admin: Sendable {
    let core: ClusterCore

    public init(_ configuration: ClientConfiguration) {
        core = ClusterCore(configuration: configuration, createsTopics: false)
    }

    deinit { core.close() }

    /// Closes the connections; calls under way fail with `closed`.
    public func close() { core.close() }

    /// Gives an admin client to `body` and closes it after it, whatever happens.
    @discardableResult
    public static func with<Value>(
        _ configuration: ClientConfiguration, _ body: (Admin) async throws -> Value
    ) async throws -> Value {
        let admin = Admin(configuration)
        defer { admin.close() }
        return try await body(admin)
    }

    // MARK: Cluster

    /// The cluster's brokers and topics as one broker sees them now. Topics nil gives all; an unknown one stands in the
    /// answer with its error.
    public func cluster(topics: [String]? = nil) async throws(ClientError) -> ClusterView {
        var request = MetadataRequest()
        request.allowAutoTopicCreation = false
        request.topics = topics?.map { name in
            var topic = MetadataRequest.MetadataRequestTopic()
            topic.name = name
            return topic
        }
        let wanted = request
        let response = try await core.retrying { () async throws(ClientError) in
            try await core.call(wanted, to: .any)
        }
        return ClusterView(response)
    }

    /// One topic; throws `unknownTopicOrPartition` when there is none.
    public func topic(_ name: String) async throws(ClientError) -> ClusterView.Topic {
        guard let topic = try await cluster(topics: [name]).topics[name] else {
            throw .answered(.unknownTopicOrPartition, about: "topic '\(name)'")
        }
        guard topic.error == .none else { throw .answered(topic.error, about: "topic '\(name)'") }
        return topic
    }

    /// The broker that coordinates a group, and makes its address known.
    func coordinator(of group: String) async throws(ClientError) -> BrokerID {
        var request = FindCoordinatorRequest()
        request.coordinatorKeys = [group]
        let answer = try await core.call(request, to: .any)
        let (node, code, detail) = answer.coordinator(of: group)
        guard code == .none else { throw .answered(code, about: "group '\(group)'", detail: detail) }
        try await core.learnBrokers(including: node)
        return node
    }
}

extension FindCoordinatorResponse {
    /// The answer for one key, whichever fields the version has for it.
    func coordinator(of key: String) -> (node: BrokerID, code: ErrorCode, detail: String?) {
        if let found = coordinators.first(where: { $0.key == key }) {
            return (BrokerID(found.nodeID), ErrorCode(rawValue: found.errorCode), found.errorMessage)
        }
        if !coordinators.isEmpty { return (BrokerID(-1), .coordinatorNotAvailable, nil) }
        return (BrokerID(nodeID), ErrorCode(rawValue: errorCode), errorMessage)
    }
}

extension ClusterCore {
    /// Makes sure that a broker's address is known, asking for metadata when it is not.
    func learnBrokers(including id: BrokerID) async throws(ClientError) {
        let known: Bool = try await perform { $0.finish(.success(self.metadata.view.brokers[id] != nil)) }
        if known { return }
        try await refreshMetadata()
    }

    /// Waits for fresh metadata.
    func refreshMetadata() async throws(ClientError) {
        let _: Bool = try await perform { completion in
            let box = ObserverBox()
            box.id = self.observeOnLoop {
                completion.finish(.success(true))
                if let id = box.id { self.removeObserverOnLoop(id) }
                box.id = nil
            }
            self.loop.assumeIsolated().scheduleTask(in: .milliseconds(self.configuration.requestTimeoutMs)) {
                if let id = box.id { self.removeObserverOnLoop(id) }
                completion.finish(
                    .failure(.timedOut("Metadata", afterMs: self.configuration.requestTimeoutMs)))
            }
            self.markStaleOnLoop()
        }
    }
}

/// Holds an observer's number for the closure that removes it; used on the event loop only.
private final class ObserverBox {
    var id: Int?
}
