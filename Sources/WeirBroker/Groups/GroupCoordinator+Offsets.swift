public import WeirCoordination
public import WeirModel
import WeirProtocol

// Committing, fetching, deleting and expiring offsets.
extension GroupCoordinator {
    /// OffsetCommit for the given partitions, which are all written or none. Completes when they are durable.
    ///
    /// - Parameter retentionMs: how long the offsets last if the client said so (v2–4).
    public func commitOffsets(
        _ groupID: String, memberID: String, instanceID: String?, generation: Int32, retentionMs: Int64? = nil,
        _ offsets: [(partition: TopicPartition, offset: Int64, leaderEpoch: Int32, metadata: String)],
        completion: @escaping @Sendable (ErrorCode) -> Void
    ) {
        guard let shard = shard(of: groupID) else { return completion(.notCoordinator) }
        let now = parts.now.wall
        let expireTimestamp = retentionMs.map { now.addingReportingOverflow($0) }.map {
            $0.overflow ? .max : $0.partialValue
        }
        shard.commit(
            groupID, memberID: memberID, instanceID: instanceID, generation: generation,
            offsets.map { commit in
                (
                    commit.partition,
                    CommittedOffset(
                        offset: commit.offset, leaderEpoch: commit.leaderEpoch, metadata: commit.metadata,
                        commitTimestamp: now, expireTimestamp: expireTimestamp)
                )
            }, completion: completion)
    }

    /// OffsetFetch: the group's offsets that are in force, all of them or those asked for. Partitions without one, and all
    /// of a group that does not exist, are left out.
    public func fetchOffsets(
        _ groupID: String, _ partitions: [TopicPartition]?
    ) -> Result<[TopicPartition: CommittedOffset], GroupError> {
        guard let shard = shard(of: groupID) else { return .failure(GroupError(.notCoordinator)) }
        return shard.fetch(groupID, partitions)
    }

    /// OffsetDelete. Completes with the group's error, or with one for each partition in the given order.
    public func deleteOffsets(
        _ groupID: String, _ partitions: [TopicPartition],
        completion: @escaping @Sendable (Result<[ErrorCode], GroupError>) -> Void
    ) {
        guard !groupID.isEmpty else { return completion(.failure(GroupError(.invalidGroupID))) }
        guard let shard = shard(of: groupID) else { return completion(.failure(GroupError(.notCoordinator))) }
        shard.deleteOffsets(groupID, partitions, completion: completion)
    }
}

extension GroupShard {
    func commit(
        _ id: String, memberID: String, instanceID: String?, generation: Int32,
        _ writes: [(partition: TopicPartition, offset: CommittedOffset?)],
        completion: @escaping @Sendable (ErrorCode) -> Void
    ) {
        run { state, now, effects in
            var problem = Self.problem(state)
            // A consumer that assigns its partitions itself makes a group by committing; a member cannot.
            if problem == nil, state.groups[id] == nil, generation >= 0 { problem = .illegalGeneration }
            if let problem {
                effects.calls.append { completion(problem) }
                return
            }
            let isKnown = state.groups[id] != nil
            let entry = obtainGroup(id, &state, now)
            let code = onGroup(entry, &state, &effects) { group in
                (group.admitCommit(memberID: memberID, instanceID: instanceID, generation: generation, now: now), [])
            }
            guard code == .none, !writes.isEmpty else {
                if !isKnown { state.groups[id] = nil }
                effects.calls.append { completion(code) }
                return
            }
            write(writes, of: entry, &state, completion: completion)
        }
    }

    /// Queues offsets and tombstones of a group.
    private func write(
        _ writes: [(partition: TopicPartition, offset: CommittedOffset?)], of entry: Entry, _ state: inout State,
        completion: (@Sendable (ErrorCode) -> Void)? = nil
    ) {
        for write in writes { entry.offsets.began(write.partition) }
        post(.offsets(entry, writes), &state, completion: completion) { () throws(WireError) in
            var records: [OffsetsRecord] = []
            for write in writes {
                records.append(try GroupRecords.offset(of: entry.group.id, write.partition, write.offset))
            }
            return records
        }
    }

    func fetch(
        _ id: String, _ partitions: [TopicPartition]?
    ) -> Result<[TopicPartition: CommittedOffset], GroupError> {
        run { state, _, _ in
            if let code = Self.problem(state) { return .failure(GroupError(code)) }
            let committed = state.groups[id]?.offsets.committed ?? [:]
            guard let partitions else { return .success(committed) }
            var found: [TopicPartition: CommittedOffset] = [:]
            for partition in partitions { found[partition] = committed[partition] }
            return .success(found)
        }
    }

    func deleteOffsets(
        _ id: String, _ partitions: [TopicPartition],
        completion: @escaping @Sendable (Result<[ErrorCode], GroupError>) -> Void
    ) {
        run { state, now, effects in
            var problem = Self.problem(state)
            if problem == nil { problem = offsetDeletionProblem(state.groups[id]?.group) }
            guard problem == nil, let entry = state.groups[id] else {
                let code = problem ?? .groupIDNotFound
                effects.calls.append { completion(.failure(GroupError(code))) }
                return
            }
            let outcomes: [ErrorCode] = partitions.map { partition in
                entry.group.isSubscribed(to: partition.topic) ? .groupSubscribedToTopic : .none
            }
            let writes = zip(partitions, outcomes).compactMap { partition, outcome in
                outcome == .none && entry.offsets.knows(partition) ? partition : nil
            }
            guard !writes.isEmpty else {
                effects.calls.append { completion(.success(outcomes)) }
                return
            }
            write(writes.map { ($0, nil) }, of: entry, &state) { error in
                completion(error == .none ? .success(outcomes) : .failure(GroupError(error)))
            }
        }
    }

    /// A group with members must be one whose subscriptions can be read.
    private func offsetDeletionProblem(_ group: ClassicGroup?) -> ErrorCode? {
        guard let group, group.state != .dead else { return .groupIDNotFound }
        if group.state == .empty { return nil }
        return group.protocolType == ConsumerSubscription.protocolType ? nil : .nonEmptyGroup
    }

    func deleteOffsets(ofTopic topic: String) {
        run { state, _, _ in
            guard state.phase == .active else { return }
            for entry in state.groups.values {
                let gone = entry.offsets.partitions.filter { $0.topic == topic }
                if !gone.isEmpty { write(gone.map { ($0, nil) }, of: entry, &state) }
            }
        }
    }

    func expire(retentionMs: Int64) {
        run { state, now, effects in
            guard state.phase == .active else { return }
            for entry in Array(state.groups.values) {
                let expired = entry.offsets.expired(in: entry.group, now: now, retentionMs: retentionMs)
                if entry.group.isUnused, entry.offsets.partitions.count == expired.count {
                    remove(entry, &state, now, &effects)
                } else if !expired.isEmpty {
                    write(expired.map { ($0, nil) }, of: entry, &state)
                }
            }
        }
    }
}
