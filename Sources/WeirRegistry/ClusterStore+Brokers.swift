public import WeirModel

/// A range of producer ids that nobody else is given.
public typealias ProducerIDBlock = Range<Int64>

extension ClusterStore {
    /// Changes a topic's settings.
    ///
    /// - Parameter change: From the settings before to those after; asked again when others changed them meanwhile.
    /// - Returns: The settings afterwards; refused with 3 when there is no such topic, and as `change` refuses.
    public func alterTopicConfig(
        _ topic: String, validateOnly: Bool = false, _ change: ([String: String]) throws(Refusal) -> [String: String]
    ) async throws(RegistryError) -> Result<[String: String], Refusal> {
        try await transact { state throws(Refusal) in
            guard state.topics[topic] != nil, let topicRevision = state.entryRevisions[RegistryKey.topic(topic)] else {
                throw Refusal(.unknownTopicOrPartition, "The topic '\(topic)' does not exist.")
            }
            let plan = try Self.alter(
                state, key: RegistryKey.topicConfig(topic), before: state.topicConfigs[topic], validateOnly, change)
            guard case .commit(let guards, let writes, let result) = plan else { return plan }
            return .commit(
                guards: guards + [.unchanged(RegistryKey.topic(topic), since: topicRevision)], writes: writes,
                result: result)
        }
    }

    /// Changes the dynamic settings of a broker, or with nil those of all brokers.
    ///
    /// - Returns: The settings afterwards; refused as `change` refuses.
    public func alterBrokerConfig(
        _ broker: BrokerID?, validateOnly: Bool = false,
        _ change: ([String: String]) throws(Refusal) -> [String: String]
    ) async throws(RegistryError) -> Result<[String: String], Refusal> {
        try await transact { state throws(Refusal) in
            let name = broker.map(\.description) ?? "default"
            return try Self.alter(
                state, key: RegistryKey.brokerConfig(broker), before: state.brokerConfigs[name], validateOnly, change)
        }
    }

    private static func alter(
        _ state: ClusterState, key: String, before: [String: String]?, _ validateOnly: Bool,
        _ change: ([String: String]) throws(Refusal) -> [String: String]
    ) throws(Refusal) -> Plan<[String: String]> {
        let after = try change(before ?? [:])
        if validateOnly || after == before ?? [:] { return .done(after) }
        let unchanged: RegistryGuard = state.entryRevisions[key].map { .unchanged(key, since: $0) } ?? .absent(key)
        let write: RegistryWrite = after.isEmpty ? .delete(key) : .put(key, RegistryJSON.encode(after))
        return .commit(guards: [unchanged], writes: [write], result: after)
    }

    /// Puts a broker among those that are there, in one commit with a new broker epoch.
    ///
    /// - Parameters:
    ///   - incarnation: A new id for each start of the process; the same one registers again.
    ///   - directories: The directory ids of its `meta.properties`.
    ///   - session: The lease that the registration lives by; nil keeps it until it is replaced.
    /// - Returns: The registration; refused with 101 while another process holds the same id.
    public func registerBroker(
        _ id: BrokerID, endpoints: [BrokerEndpoint], rack: String? = nil, incarnation: UniqueID,
        directories: [UniqueID], session: SessionID? = nil
    ) async throws(RegistryError) -> Result<BrokerRegistration, Refusal> {
        try await transact { state throws(Refusal) in
            if let other = state.brokers[id], other.incarnation != incarnation {
                throw Refusal(
                    .duplicateBrokerRegistration,
                    "Another process is registered as broker \(id). If it is gone, its registration ends with its "
                        + "session; otherwise give this one another node.id.")
            }
            let epoch = (state.brokerEpochs[id] ?? 0) &+ 1
            let registration = BrokerRegistration(
                id: id, endpoints: endpoints, rack: rack, incarnation: incarnation, directories: directories,
                epoch: epoch,
                isFenced: false)
            let keys = [RegistryKey.broker(id), RegistryKey.brokerEpoch(id)]
            return .commit(
                guards: keys.map { key in
                    state.entryRevisions[key].map { .unchanged(key, since: $0) } ?? .absent(key)
                },
                writes: [
                    .put(RegistryKey.brokerEpoch(id), RegistryJSON.encode(StoredBrokerEpoch(epoch: epoch))),
                    .put(RegistryKey.broker(id), registration.bytes, session: session),
                ], result: registration)
        }
    }

    /// Takes a broker away, if it still is this incarnation.
    public func unregisterBroker(_ id: BrokerID, incarnation: UniqueID) async throws(RegistryError) {
        try await transact { state throws(RegistryError) -> Plan<Void> in
            let key = RegistryKey.broker(id)
            guard state.brokers[id]?.incarnation == incarnation, let revision = state.entryRevisions[key] else {
                return .done(())
            }
            return .commit(guards: [.unchanged(key, since: revision)], writes: [.delete(key)], result: ())
        }.get()
    }

    /// Hands out producer ids that were never handed out before.
    public func allocateProducerIDs(_ count: Int = 1000) async throws(RegistryError) -> ProducerIDBlock {
        try await transact { state throws(RegistryError) -> Plan<ProducerIDBlock> in
            let first = state.nextProducerID
            let (end, overflow) = first.addingReportingOverflow(Int64(max(1, count)))
            if overflow { throw RegistryError(.unavailable, "there are no producer ids left") }
            let key = RegistryKey.producerIDs
            let unchanged: RegistryGuard = state.entryRevisions[key].map { .unchanged(key, since: $0) } ?? .absent(key)
            return .commit(
                guards: [unchanged], writes: [.put(key, RegistryJSON.encode(StoredProducerIDs(next: end)))],
                result: first..<end)
        }.get()
    }
}
