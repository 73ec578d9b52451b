public import WeirCoordination
public import WeirModel
import WeirProtocol

// Join, sync, heartbeat, leave; and what administrators see and do of groups.
extension GroupCoordinator {
    /// JoinGroup. `event.freshMemberID` is filled in here.
    public func joinGroup(
        _ groupID: String, _ event: JoinEvent, completion: @escaping @Sendable (JoinOutcome) -> Void
    ) {
        guard !groupID.isEmpty else { return completion(.refused(.invalidGroupID, memberID: event.memberID)) }
        guard let shard = shard(of: groupID) else {
            return completion(.refused(.notCoordinator, memberID: event.memberID))
        }
        var event = event
        event.freshMemberID = makeMemberID(event.instanceID ?? event.clientID)
        shard.join(groupID, event, completion: completion)
    }

    /// SyncGroup.
    public func syncGroup(
        _ groupID: String, _ event: SyncEvent, completion: @escaping @Sendable (SyncOutcome) -> Void
    ) {
        guard !groupID.isEmpty else { return completion(.refused(.invalidGroupID)) }
        guard let shard = shard(of: groupID) else { return completion(.refused(.notCoordinator)) }
        shard.sync(groupID, event, completion: completion)
    }

    /// Heartbeat.
    public func heartbeat(
        _ groupID: String, memberID: String, instanceID: String?, generation: Int32
    ) -> ErrorCode {
        guard !groupID.isEmpty else { return .invalidGroupID }
        guard let shard = shard(of: groupID) else { return .notCoordinator }
        return shard.heartbeat(groupID, memberID: memberID, instanceID: instanceID, generation: generation)
    }

    /// LeaveGroup: the group's own error, or one outcome for each member.
    public func leaveGroup(_ groupID: String, _ members: [LeavingMember]) -> Result<[ErrorCode], GroupError> {
        guard !groupID.isEmpty else { return .failure(GroupError(.invalidGroupID)) }
        guard let shard = shard(of: groupID) else { return .failure(GroupError(.notCoordinator)) }
        return shard.leave(groupID, members)
    }

    /// DescribeGroups for one group; nil when there is none of that name.
    public func describeGroup(_ groupID: String) -> Result<GroupDescription?, GroupError> {
        guard let shard = shard(of: groupID) else { return .failure(GroupError(.notCoordinator)) }
        return shard.describe(groupID)
    }

    /// ListGroups: all groups by id, and an error when some are not known yet.
    public func listGroups() -> (error: ErrorCode, groups: [ListedGroup]) {
        var error = ErrorCode.none
        var groups: [ListedGroup] = []
        for shard in shards {
            switch shard.list() {
            case .success(let listed): groups += listed
            case .failure(let failure): error = failure.code
            }
        }
        return (error, groups.sorted { $0.groupID < $1.groupID })
    }

    /// DeleteGroups for one group: it must have no members. Its offsets go with it.
    public func deleteGroup(_ groupID: String, completion: @escaping @Sendable (ErrorCode) -> Void) {
        guard let shard = shard(of: groupID) else { return completion(.notCoordinator) }
        shard.delete(groupID, completion: completion)
    }
}

/// Why a request about a group is refused as a whole.
public struct GroupError: Error, Hashable, Sendable {
    public let code: ErrorCode
    public init(_ code: ErrorCode) { self.code = code }
}

/// A line of ListGroups.
public struct ListedGroup: Hashable, Sendable {
    public var groupID: String
    public var protocolType: String
    public var state: ClassicGroup.State
}

extension GroupShard {
    func join(_ id: String, _ event: JoinEvent, completion: @escaping @Sendable (JoinOutcome) -> Void) {
        run { state, now, effects in
            let isKnown = state.groups[id] != nil
            // Only a member that is new, or newly back, may make a group.
            guard let code = Self.problem(state) ?? (isKnown || event.memberID.isEmpty ? nil : .unknownMemberID) else {
                let entry = obtainGroup(id, &state, now)
                let waiter = addWaiter(.join(completion), &state)
                onGroup(entry, &state, &effects) { group in ((), group.join(event, waiter: waiter, now: now)) }
                if !isKnown, entry.group.isUnused { state.groups[id] = nil }
                return
            }
            effects.calls.append { completion(.refused(code, memberID: event.memberID)) }
        }
    }

    func sync(_ id: String, _ event: SyncEvent, completion: @escaping @Sendable (SyncOutcome) -> Void) {
        run { state, now, effects in
            // Whoever was waiting cannot know that the coordinator restarted; it has to join again.
            let problem = Self.problem(state).map { $0 == .coordinatorLoadInProgress ? .rebalanceInProgress : $0 }
            guard problem == nil, let entry = state.groups[id] else {
                effects.calls.append { completion(.refused(problem ?? .unknownMemberID)) }
                return
            }
            let waiter = addWaiter(.sync(completion), &state)
            onGroup(entry, &state, &effects) { group in ((), group.sync(event, waiter: waiter, now: now)) }
        }
    }

    func heartbeat(_ id: String, memberID: String, instanceID: String?, generation: Int32) -> ErrorCode {
        run { state, now, effects in
            if let code = Self.problem(state) {
                // The member may well be in the group that is being loaded: it is not told to leave.
                return code == .coordinatorLoadInProgress ? .none : code
            }
            guard let entry = state.groups[id] else { return .unknownMemberID }
            return onGroup(entry, &state, &effects) { group in
                (group.heartbeat(memberID: memberID, instanceID: instanceID, generation: generation, now: now), [])
            }
        }
    }

    func leave(_ id: String, _ members: [LeavingMember]) -> Result<[ErrorCode], GroupError> {
        run { state, now, effects in
            if let code = Self.problem(state) { return .failure(GroupError(code)) }
            guard let entry = state.groups[id] else { return .success(members.map { _ in .unknownMemberID }) }
            return .success(
                onGroup(entry, &state, &effects) { group in
                    let (outcomes, actions) = group.leave(members, now: now)
                    return (outcomes, actions)
                })
        }
    }

    func describe(_ id: String) -> Result<GroupDescription?, GroupError> {
        run { state, _, _ in
            if let code = Self.problem(state) { return .failure(GroupError(code)) }
            return .success(state.groups[id]?.group.summary)
        }
    }

    func list() -> Result<[ListedGroup], GroupError> {
        run { state, _, _ in
            if let code = Self.problem(state) { return .failure(GroupError(code)) }
            return .success(
                state.groups.values.map { entry in
                    ListedGroup(
                        groupID: entry.group.id, protocolType: entry.group.protocolType ?? "", state: entry.group.state)
                })
        }
    }

    func delete(_ id: String, completion: @escaping @Sendable (ErrorCode) -> Void) {
        run { state, now, effects in
            var problem = Self.problem(state)
            if problem == nil, state.groups[id] == nil { problem = .groupIDNotFound }
            if problem == nil, let entry = state.groups[id], entry.group.state != .empty { problem = .nonEmptyGroup }
            guard problem == nil, let entry = state.groups[id] else {
                effects.calls.append { completion(problem ?? .groupIDNotFound) }
                return
            }
            remove(entry, &state, now, &effects, completion: completion)
        }
    }

    /// Takes the group out of service and writes tombstones for all there is of it.
    func remove(
        _ entry: Entry, _ state: inout State, _ now: Moment, _ effects: inout Effects,
        completion: (@Sendable (ErrorCode) -> Void)? = nil
    ) {
        let id = entry.group.id
        let before = entry.group
        onGroup(entry, &state, &effects) { group in ((), group.die(.groupIDNotFound, now: now)) }
        state.groups[id] = nil
        post(.deletion(entry, before), &state, completion: completion) { () throws(WireError) in
            var records: [OffsetsRecord] = []
            for partition in entry.offsets.partitions {
                records.append(try GroupRecords.offset(of: id, partition, nil))
            }
            records.append(try GroupRecords.metadataTombstone(of: id))
            return records
        }
    }
}
