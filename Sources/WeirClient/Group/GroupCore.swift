import Logging
import NIOCore
import WeirConnection
import WeirModel
import WeirProtocol
import WeirSystem

/// Drives a consumer's membership of a group.
///
/// Unchecked: everything belongs to the cluster's event loop.
final class GroupCore: @unchecked Sendable {
    let consumer: ConsumerCore
    let configuration: GroupConfiguration
    private let cluster: ClusterCore
    private var machine: GroupMachine
    private let topics: [String]
    /// Where reading stops, for a member that shall end; nil to go on.
    private let until: [TopicPartition: Offset]?
    private var timer: Scheduled<Void>?
    private var commitTimer: Scheduled<Void>?
    private var observer: Int?
    /// What is known to be committed.
    private var committed: [TopicPartition: Int64] = [:]
    /// Partitions that the reader still holds a record of, and what happens when it lets go.
    private var revocation: (partitions: [TopicPartition], deadline: Scheduled<Void>)?
    private var isRefinding = false
    private var isClosed = false
    private var closers: [Completion<Bool>] = []

    init(
        consumer: ConsumerCore, configuration: GroupConfiguration, topics: [String],
        until: [TopicPartition: Offset]?
    ) {
        self.consumer = consumer
        self.configuration = configuration
        self.topics = topics
        self.until = until
        cluster = consumer.cluster
        var settings = GroupMachine.Configuration(groupID: configuration.id)
        settings.instanceID = configuration.instanceID
        settings.assignors = configuration.assignors
        settings.sessionTimeoutMs = configuration.sessionTimeoutMs
        settings.heartbeatMs = configuration.heartbeatMs
        settings.rebalanceTimeoutMs = configuration.rebalanceTimeoutMs
        settings.rack = consumer.configuration.rack.isEmpty ? nil : consumer.configuration.rack
        settings.backoff = Backoff(
            initialMs: cluster.configuration.retryBackoffMs, maximumMs: cluster.configuration.retryBackoffMaxMs)
        machine = GroupMachine(configuration: settings, topics: topics)
    }

    func start() {
        cluster.onLoop {
            self.consumer.group = self
            self.observer = self.cluster.observeOnLoop { [weak self] in self?.metadataChanged() }
            for topic in self.topics { self.check(topic) }
            self.pump()
            self.scheduleCommit()
        }
    }

    /// A topic that does not exist is told to the reader at once.
    private func check(_ topic: String) {
        cluster.awaitTopicOnLoop(topic, unknownGraceMs: 0) { [weak self] result in
            guard let self, !self.isClosed else { return }
            // It may be created later, and is read from then on.
            self.cluster.wantOnLoop(topic)
            if case .failure(let error) = result { self.consumer.report(error) }
        }
    }

    private func metadataChanged() {
        machine.metadataChanged(counts())
        pump()
    }

    private func counts() -> [String: Int] {
        cluster.metadata.view.topics.filter { $0.value.error == .none }.mapValues(\.partitions.count)
    }

    // MARK: The pump

    private func pump() {
        while let action = machine.poll(now: cluster.clock.monotonic) { perform(action) }
        if machine.coordinatorLost, !isRefinding { refind() }
        arm()
    }

    private func arm() {
        timer?.cancel()
        timer = nil
        guard let wakeAt = machine.wakeAt else { return }
        let delay = max(1, wakeAt.milliseconds(since: cluster.clock.monotonic) + 1)
        timer = cluster.loop.assumeIsolated().scheduleTask(in: .milliseconds(delay)) { [weak self] in self?.pump() }
    }

    /// Not at once: a failure may be reported before `send` returns.
    private func schedulePump() { cluster.loop.execute { [weak self] in self?.pump() } }

    private func perform(_ action: GroupMachine.Action) {
        switch action {
        case .findCoordinator: findCoordinator { self.coordinatorFound($0) }
        case .join(let plan): join(plan)
        case .share(let topics): share(topics)
        case .sync(let plan): sync(plan)
        case .heartbeat(let memberID, let generation): heartbeat(memberID, generation)
        case .leave(let memberID): leave(memberID)
        case .revoke(let partitions): revoke(partitions)
        case .lose(let partitions): lose(partitions)
        case .start(let partitions): begin(partitions)
        case .fail(let code): failed(code)
        case .done: done()
        }
    }

    private var now: MonotonicTime { cluster.clock.monotonic }

    // MARK: Coordinator

    private func findCoordinator(_ body: @escaping (Result<BrokerID, ClientError>) -> Void) {
        var request = FindCoordinatorRequest()
        request.coordinatorKeys = [configuration.id]
        cluster.sendToAnyOnLoop(request) { result in
            switch result {
            case .failure(let error): body(.failure(error))
            case .success(let response):
                let (id, code, detail) = response.coordinator(of: self.configuration.id)
                if code != .none {
                    body(.failure(.answered(code, about: "group '\(self.configuration.id)'", detail: detail)))
                } else if self.cluster.metadata.view.brokers[id] == nil {
                    self.cluster.markStaleOnLoop()
                    body(
                        .failure(
                            ClientError(
                                .connectionFailed, "coordinator \(id) is not in the metadata", isRetriable: true)))
                } else {
                    body(.success(id))
                }
            }
        }
    }

    private func coordinatorFound(_ result: Result<BrokerID, ClientError>) {
        switch result {
        case .success(let id): machine.found(coordinator: id)
        case .failure(let error):
            note("no coordinator", error)
            if error.code == .connectionFailed, !cluster.mayStillBootstrapOnLoop { consumer.report(error) }
            machine.coordinatorNotFound(error.brokerCode, now: now, random: cluster.random)
        }
        schedulePump()
    }

    private func refind() {
        isRefinding = true
        findCoordinator { result in
            self.isRefinding = false
            switch result {
            case .success(let id):
                self.machine.refound(coordinator: id)
                self.schedulePump()
            case .failure(let error):
                self.note("no coordinator", error)
                let delay = self.cluster.configuration.retryBackoffMaxMs
                self.cluster.loop.assumeIsolated().scheduleTask(in: .milliseconds(delay)) { [weak self] in self?.pump()
                }
            }
        }
    }

    private func note(_ what: Logger.Message, _ error: ClientError) {
        cluster.configuration.logger.debug(
            what, metadata: ["group": "\(configuration.id)", "error": "\(error)"])
    }

    private func send<R: WireRequest>(
        _ request: R, timeoutMs: Int64? = nil, complete: @escaping (Result<R.Response, ClientError>) -> Void
    ) {
        guard let coordinator = machine.coordinator else {
            return complete(.failure(ClientError(.connectionFailed, "no coordinator is known", isRetriable: true)))
        }
        cluster.send(request, to: coordinator, for: .group, timeoutMs: timeoutMs, complete: complete)
    }

    /// A failure without an answer.
    private func lost(_ error: ClientError) {
        note("no answer from the coordinator", error)
        if error.isRetriable {
            machine.connectionLost(now: now, random: cluster.random)
        } else {
            consumer.report(error)
            machine.connectionLost(now: now, random: cluster.random)
        }
    }

    // MARK: Joining

    private func join(_ plan: GroupMachine.JoinPlan) {
        var request = JoinGroupRequest()
        request.groupID = configuration.id
        request.sessionTimeoutMs = configuration.sessionTimeoutMs
        request.rebalanceTimeoutMs = configuration.rebalanceTimeoutMs
        request.memberID = plan.memberID
        request.groupInstanceID = configuration.instanceID
        request.protocolType = "consumer"
        let rack = machine.configuration.rack
        request.protocols = configuration.assignors.map { assignor in
            var wire = JoinGroupRequest.JoinGroupRequestProtocol()
            wire.name = assignor.rawValue
            wire.metadata = MemberSubscription.metadata(
                topics: plan.topics, owned: plan.owned, generation: plan.generation, rack: rack, for: assignor)
            return wire
        }
        send(request, timeoutMs: Int64(configuration.rebalanceTimeoutMs) + 5_000) { result in
            switch result {
            case .failure(let error): self.lost(error)
            case .success(let response):
                self.machine.joined(
                    GroupMachine.Joined(
                        error: ErrorCode(rawValue: response.errorCode), memberID: response.memberID,
                        generation: response.generationID, protocolName: response.protocolName ?? "",
                        leader: response.leader, skipsAssignment: response.skipAssignment,
                        members: response.members.compactMap {
                            MemberSubscription(
                                memberID: $0.memberID, instanceID: $0.groupInstanceID, metadata: $0.metadata)
                        }), now: self.now, random: self.cluster.random)
            }
            self.schedulePump()
        }
    }

    /// Waits until the partitions of all members' topics are known.
    private func share(_ topics: [String]) {
        var left = topics.count
        guard left > 0 else {
            machine.counted([:])
            return schedulePump()
        }
        for topic in topics {
            cluster.awaitTopicOnLoop(topic, unknownGraceMs: 0) { _ in
                left -= 1
                guard left == 0 else { return }
                self.machine.counted(self.counts())
                self.schedulePump()
            }
        }
    }

    private func sync(_ plan: GroupMachine.SyncPlan) {
        var request = SyncGroupRequest()
        request.groupID = configuration.id
        request.generationID = plan.generation
        request.memberID = plan.memberID
        request.groupInstanceID = configuration.instanceID
        request.protocolType = "consumer"
        request.protocolName = plan.protocolName
        request.assignments = plan.assignments.sorted { $0.key < $1.key }.map { memberID, partitions in
            var wire = SyncGroupRequest.SyncGroupRequestAssignment()
            wire.memberID = memberID
            wire.assignment = MemberSubscription.encode(assignment: partitions)
            return wire
        }
        send(request, timeoutMs: Int64(configuration.rebalanceTimeoutMs) + 5_000) { result in
            switch result {
            case .failure(let error): self.lost(error)
            case .success(let response):
                self.machine.synced(
                    ErrorCode(rawValue: response.errorCode),
                    assignment: MemberSubscription.decode(assignment: response.assignment), now: self.now,
                    random: self.cluster.random)
            }
            self.schedulePump()
        }
    }

    private func heartbeat(_ memberID: String, _ generation: Int32) {
        var request = HeartbeatRequest()
        request.groupID = configuration.id
        request.generationID = generation
        request.memberID = memberID
        request.groupInstanceID = configuration.instanceID
        send(request, timeoutMs: Int64(configuration.sessionTimeoutMs)) { result in
            switch result {
            case .failure(let error): self.lost(error)
            case .success(let response):
                self.machine.heartbeatAnswered(
                    ErrorCode(rawValue: response.errorCode), now: self.now, random: self.cluster.random)
            }
            self.schedulePump()
        }
    }

    private func leave(_ memberID: String) {
        var member = LeaveGroupRequest.MemberIdentity()
        member.memberID = memberID
        member.groupInstanceID = configuration.instanceID
        member.reason = "the consumer is being closed"
        var request = LeaveGroupRequest()
        request.groupID = configuration.id
        request.members = [member]
        send(request, timeoutMs: 5_000) { result in
            switch result {
            case .failure: self.machine.connectionLost(now: self.now, random: self.cluster.random)
            case .success: self.machine.leftGroup()
            }
            self.schedulePump()
        }
    }

    private func failed(_ code: ErrorCode) {
        consumer.report(.answered(code, about: "group '\(configuration.id)'"))
        if isClosed { done() }
    }

    private func done() {
        timer?.cancel()
        commitTimer?.cancel()
        if let observer { cluster.removeObserverOnLoop(observer) }
        consumer.group = nil
        let closers = closers
        self.closers = []
        for closer in closers { closer.finish(.success(true)) }
    }

    // MARK: Partitions come and go

    private func begin(_ partitions: [TopicPartition]) {
        let wanted = partitions
        send(GroupRequests.fetchOffsets(group: configuration.id, partitions: wanted)) { result in
            let found: [TopicPartition: CommittedOffset]
            do throws(ClientError) {
                found = try GroupRequests.offsets(in: try result.get(), group: self.configuration.id)
            } catch {
                return self.retryBegin(wanted, error)
            }
            let owned = Set(self.machine.owned)
            for partition in wanted where owned.contains(partition) && self.consumer.progress[partition] == nil {
                self.start(partition, committed: found[partition])
            }
            if self.until != nil { self.noteUnfinished(found) }
            self.consumer.pump()
            self.tell(.assigned(wanted))
        }
    }

    private func start(_ partition: TopicPartition, committed offset: CommittedOffset?) {
        let end = until?[partition]?.rawValue ?? .max
        if let offset {
            committed[partition] = offset.offset.rawValue
            return consumer.startOnLoop(partition, at: .offset(offset.offset), until: end)
        }
        switch consumer.configuration.startPosition {
        case .earliest: consumer.startOnLoop(partition, at: .earliest, until: end)
        case .latest: consumer.startOnLoop(partition, at: .latest, until: end)
        case .fail:
            consumer.report(
                ClientError(
                    .noOffset, "group '\(configuration.id)' has no committed offset for \(partition)",
                    advice: "commit one, or say where to start", partition: partition))
        }
    }

    /// A member that shall end does so when it has read all its partitions up to their ends.
    private func noteUnfinished(_ found: [TopicPartition: CommittedOffset]) {
        let startsAtEnd = consumer.configuration.startPosition == .latest
        let unfinished = machine.owned.filter { partition in
            guard let progress = consumer.progress[partition], progress.until > 0 else { return false }
            let isNew = found[partition] == nil && committed[partition] == nil
            return isNew && startsAtEnd ? progress.until == .max : !progress.isComplete
        }
        consumer.bound(to: Set(unfinished))
    }

    private func retryBegin(_ partitions: [TopicPartition], _ error: ClientError) {
        guard !isClosed else { return }
        note("cannot read committed offsets", error)
        guard error.isRetriable else { return consumer.report(error) }
        if error.brokerCode != .unstableOffsetCommit {
            machine.commitRefused(.notCoordinator, now: now, random: cluster.random)
        }
        let delay = cluster.configuration.retryBackoffMaxMs / 4 + 1
        cluster.loop.assumeIsolated().scheduleTask(in: .milliseconds(delay)) { [weak self] in
            guard let self, !self.isClosed else { return }
            let owned = Set(self.machine.owned)
            let left = partitions.filter { owned.contains($0) && self.consumer.progress[$0] == nil }
            if !left.isEmpty { self.begin(left) }
        }
        schedulePump()
    }

    /// Stops delivering at once, waits until the reader lets go of the record it has, commits, and hands over.
    private func revoke(_ partitions: [TopicPartition]) {
        for partition in partitions { consumer.progress[partition]?.isStale = true }
        let delay = max(1_000, Int64(configuration.rebalanceTimeoutMs) - 5_000)
        let deadline: Scheduled<Void> = cluster.loop.assumeIsolated().scheduleTask(in: .milliseconds(delay)) {
            [weak self] in self?.finishRevocation()
        }
        revocation = (partitions, deadline)
        readerLetGo()
    }

    /// The reader asked for its next record.
    func readerLetGo() {
        guard let revocation else { return }
        let isHeld = revocation.partitions.contains { consumer.progress[$0]?.isHeld ?? false }
        if !isHeld { finishRevocation() }
    }

    private func finishRevocation() {
        guard let (partitions, deadline) = revocation else { return }
        revocation = nil
        deadline.cancel()
        guard let handler = configuration.onRebalance, !partitions.isEmpty else { return commitRevoked(partitions) }
        let cluster = cluster
        Task {
            await handler(.revoked(partitions))
            cluster.onLoop { self.commitRevoked(partitions) }
        }
    }

    private func commitRevoked(_ partitions: [TopicPartition]) {
        let finish = {
            for partition in partitions {
                self.consumer.stopOnLoop(partition)
                self.committed[partition] = nil
            }
            self.machine.revoked()
            self.schedulePump()
        }
        guard case .automatic = consumer.configuration.commit else { return finish() }
        commit(positions(of: partitions)) { result in
            if case .failure(let error) = result { self.note("offsets of revoked partitions not committed", error) }
            finish()
        }
    }

    private func lose(_ partitions: [TopicPartition]) {
        for partition in partitions {
            consumer.stopOnLoop(partition)
            committed[partition] = nil
        }
        if let (_, deadline) = revocation {
            deadline.cancel()
            revocation = nil
        }
        tell(.lost(partitions))
    }

    private func tell(_ event: RebalanceEvent) {
        guard let handler = configuration.onRebalance else { return }
        Task { await handler(event) }
    }

    // MARK: Commits

    private func scheduleCommit() {
        guard case .automatic(let interval) = consumer.configuration.commit else { return }
        commitTimer = cluster.loop.assumeIsolated().scheduleTask(in: .milliseconds(interval)) { [weak self] in
            guard let self, !self.isClosed else { return }
            if self.machine.isStable {
                self.commit(self.positions(of: self.machine.owned)) { result in
                    if case .failure(let error) = result { self.note("offsets not committed", error) }
                }
            }
            self.scheduleCommit()
        }
    }

    /// What has been processed and not been committed.
    private func positions(of partitions: [TopicPartition]) -> [TopicPartition: CommittedOffset] {
        var found: [TopicPartition: CommittedOffset] = [:]
        for partition in partitions {
            // Never back by itself: the user may have committed a record that is still being read.
            guard let position = consumer.progress[partition]?.position, position >= 0,
                position > committed[partition] ?? -1
            else { continue }
            found[partition] = CommittedOffset(offset: Offset(position))
        }
        return found
    }

    /// After a seek the committed offset may go back.
    func forgetCommitted(_ partition: TopicPartition) { committed[partition] = nil }

    func commitProcessed(_ complete: @escaping (Result<Bool, ClientError>) -> Void) {
        commit(positions(of: machine.owned), complete)
    }

    /// Commits as the present member. Partitions that belong to another by now are refused here, since the coordinator would
    /// take them.
    func commit(
        _ offsets: [TopicPartition: CommittedOffset], _ complete: @escaping (Result<Bool, ClientError>) -> Void
    ) {
        guard !offsets.isEmpty else { return complete(.success(true)) }
        let owned = Set(machine.owned)
        if let gone = offsets.keys.sorted().first(where: { !owned.contains($0) }) {
            return complete(
                .failure(
                    ClientError(
                        .rebalanced, "\(gone) is not this member's any more: its offset is not committed",
                        advice: "its new member reads again what was not committed", partition: gone)))
        }
        let membership = GroupMembership(
            memberID: machine.memberID, instanceID: configuration.instanceID, generation: machine.generation)
        send(GroupRequests.commit(group: configuration.id, member: membership, offsets: offsets)) { result in
            do throws(ClientError) {
                try GroupRequests.check(try result.get())
                for (partition, offset) in offsets { self.committed[partition] = offset.offset.rawValue }
                complete(.success(true))
            } catch {
                if let code = error.brokerCode {
                    self.machine.commitRefused(code, now: self.now, random: self.cluster.random)
                }
                self.schedulePump()
                complete(.failure(error))
            }
        }
    }

    // MARK: Closing

    /// Commits what was processed, leaves, and completes; at the latest after the request timeout.
    func close(_ completion: Completion<Bool>) {
        guard !isClosed else { return completion.finish(.success(true)) }
        isClosed = true
        closers.append(completion)
        commitTimer?.cancel()
        let limit = min(cluster.configuration.requestTimeoutMs, 10_000)
        cluster.loop.assumeIsolated().scheduleTask(in: .milliseconds(limit)) { [weak self] in self?.done() }
        let leave = {
            self.machine.leave()
            self.pump()
        }
        if case .automatic = consumer.configuration.commit, machine.isMember {
            commitProcessed { _ in leave() }
        } else {
            leave()
        }
    }
}
