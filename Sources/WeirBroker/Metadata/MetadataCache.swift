public import WeirModel
public import WeirRegistry
import WeirSystem

/// The cluster as this broker knows it. One immutable view at a time; a change replaces it.
public final class MetadataCache: Sendable {
    private let view: Locked<ClusterView>

    init(_ view: ClusterView) { self.view = Locked(view) }

    public var current: ClusterView { view.withLock { $0 } }

    func replace(with new: ClusterView) { view.withLock { $0 = new } }

    /// Why a partition is not served here.
    func missingPartition(_ topic: String, _ index: Int32) -> ErrorCode {
        let view = current
        guard let state = view.state.topics[topic], let index = Int(exactly: index),
            state.partitions.indices.contains(index)
        else { return .unknownTopicOrPartition }
        // It is ours and could not be opened, or it is another's.
        return state.partitions[index].leader == view.localID ? .kafkaStorageError : .notLeaderOrFollower
    }
}

/// The cluster's state at one revision, and what is read out of it often.
public final class ClusterView: Sendable {
    public let state: ClusterState
    /// This broker.
    public let localID: BrokerID

    public init(state: ClusterState, localID: BrokerID) {
        self.state = state
        self.localID = localID
    }

    var clusterID: String { state.clusterID.description }

    /// The broker that is told to be the controller. Every broker takes admin requests, so each names itself.
    var controllerID: BrokerID { localID }

    struct Endpoint: Sendable {
        let id: BrokerID
        let host: String
        let port: Int32
        let rack: String?
    }

    /// Where clients of a listener reach the brokers, by rising id.
    func endpoints(listener: String) -> [Endpoint] {
        state.brokers.sorted { $0.key < $1.key }.compactMap { id, registration in
            guard let endpoint = registration.endpoint(listener) else { return nil }
            return Endpoint(id: id, host: endpoint.host, port: Int32(clamping: endpoint.port), rack: registration.rack)
        }
    }

    /// The partition's leader if it is there, else -1.
    func leader(of partition: PartitionState) -> Int32 {
        guard let leader = partition.leader, state.brokers[leader] != nil else { return -1 }
        return leader.rawValue
    }

    /// Those of the brokers that are not there.
    func offline(_ replicas: [BrokerID]) -> [Int32] {
        replicas.compactMap { state.brokers[$0] == nil ? $0.rawValue : nil }
    }
}
