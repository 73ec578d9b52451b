import NIOCore
import WeirModel
import WeirProtocol
import WeirStorage
import WeirSystem

/// Fetch (key 1), versions 4–18.
///
/// Answers as soon as `min.bytes` can be read, something is wrong, or `max.wait` is over. Consumers read up to the high
/// watermark. v7 has incremental sessions (KIP-227), v9 fences by leader epoch (KIP-320), v12 tells of diverging epochs, v13
/// goes by topic ids. A request that claims to come from a replica is refused: nobody but the brokers may send one
/// (CVE-2018-1288), and there is no replication yet.
struct FetchHandler: APIHandler {
    typealias Request = FetchRequest
    static let versions: ClosedRange<Int16> = 4...18

    /// Smaller answers are read into the frame; from here on the server sends them from the file.
    static let deferredBytesMin = 32 * 1024
    /// What small ones of one answer may take together: a client that is slow to read holds no more than that in memory.
    static let inlineBytesMax = 256 * 1024

    let broker: Broker

    func handle(_ request: FetchRequest, _ call: Call<FetchResponse>) {
        let version = call.context.apiVersion
        if request.replicaID >= 0 || request.replicaState.replicaID >= 0 { return refuseReplica(request, call) }
        let session: FetchSession?
        let isIncremental: Bool
        switch openSession(request, version) {
        case .none: (session, isIncremental) = (nil, false)
        case .full(let new): (session, isIncremental) = (new, false)
        case .incremental(let known): (session, isIncremental) = (known, true)
        case .refused(let code):
            var response = FetchResponse()
            response.errorCode = code.rawValue
            return call.answer(response)
        }
        let targets =
            if let session {
                session.map { target($0, call.context) }
            } else {
                targets(of: request, call.context)
            }
        let maxBytes = max(0, min(Int(request.maxBytes), broker.fetchMaxBytes))
        let limits = FetchLimits(
            minBytes: min(Int(request.minBytes), maxBytes), maxBytes: maxBytes,
            maxWaitMs: Int64(request.maxWaitMs), readCommitted: request.isolationLevel == 1)
        let pass = FetchTarget.read(targets, limits)
        let complete: @Sendable (FetchPass) -> Void = { pass in
            call.answer(
                Self.response(targets, pass, version, session: session, full: !isIncremental, limits))
        }
        if pass.credit >= limits.minBytes || pass.isUrgent || limits.maxWaitMs <= 0 || targets.isEmpty {
            return complete(pass)
        }
        ParkedFetch(
            targets: targets, limits: limits, seen: pass, connection: call.context.connection, complete: complete
        )
        .park(in: broker.purgatory, seen: pass)
    }

    // MARK: Sessions

    private enum SessionChoice {
        case none
        case full(FetchSession)
        case incremental(FetchSession)
        case refused(ErrorCode)
    }

    /// Session epoch -1: no session, and the end of the one named; 0: a new one; else the next request of the one named.
    private func openSession(_ request: FetchRequest, _ version: Int16) -> SessionChoice {
        guard version >= 7 else { return .none }
        let sessions = broker.fetchSessions
        if request.sessionEpoch == -1 || request.sessionEpoch == 0 {
            if request.sessionID != 0 { sessions.remove(request.sessionID) }
            guard request.sessionEpoch == 0 else { return .none }
            let new = sessions.create(for: request, usesTopicIDs: version >= 13, now: broker.clock.monotonic)
            return new.map { .full($0) } ?? .none
        }
        guard let session = sessions.session(request.sessionID) else { return .refused(.fetchSessionIDNotFound) }
        guard session.usesTopicIDs == (version >= 13) else { return .refused(.fetchSessionTopicIDError) }
        let named = request.topics.reduce(0) { $0 + $1.partitions.count }
        guard sessions.hasRoom(for: session.size + named, adding: named) else {
            // The client begins anew, and is answered without a session.
            sessions.remove(session.id)
            return .refused(.fetchSessionIDNotFound)
        }
        switch session.advance(request, now: broker.clock.monotonic) {
        case .ready: return .incremental(session)
        case .wrongEpoch: return .refused(.invalidFetchSessionEpoch)
        case .empty:
            sessions.remove(session.id)
            return .none
        }
    }

    // MARK: Targets

    private func target(_ entry: FetchSession.Entry, _ context: RequestContext) -> FetchTarget {
        let byID = context.apiVersion >= 13
        let topic =
            byID ? broker.partitions.topic(id: entry.key.topicID) : broker.partitions.topic(entry.key.topic)
        let (partition, refusal) = resolve(topic, entry.key.index, byID: byID, name: entry.key.topic, context)
        return FetchTarget(
            topic: topic?.name ?? entry.key.topic, topicID: topic?.id ?? entry.key.topicID, index: entry.key.index,
            fetchOffset: entry.fetchOffset, maxBytes: entry.maxBytes, currentLeaderEpoch: entry.currentLeaderEpoch,
            lastFetchedEpoch: entry.lastFetchedEpoch, partition: partition, refusal: refusal, entry: entry)
    }

    private func targets(of request: FetchRequest, _ context: RequestContext) -> [FetchTarget] {
        let byID = context.apiVersion >= 13
        var targets: [FetchTarget] = []
        targets.reserveCapacity(request.topics.count)
        for wanted in request.topics {
            let topic = byID ? broker.partitions.topic(id: wanted.topicID) : broker.partitions.topic(wanted.topic)
            for entry in wanted.partitions {
                let (partition, refusal) = resolve(topic, entry.partition, byID: byID, name: wanted.topic, context)
                targets.append(
                    FetchTarget(
                        topic: topic?.name ?? wanted.topic, topicID: topic?.id ?? wanted.topicID,
                        index: entry.partition, fetchOffset: entry.fetchOffset, maxBytes: entry.partitionMaxBytes,
                        currentLeaderEpoch: entry.currentLeaderEpoch, lastFetchedEpoch: entry.lastFetchedEpoch,
                        partition: partition, refusal: refusal, entry: nil))
            }
        }
        return targets
    }

    private func resolve(
        _ topic: Topic?, _ index: Int32, byID: Bool, name: String, _ context: RequestContext
    ) -> (Partition?, ErrorCode) {
        guard let topic else {
            // Who may not read the topic is not told whether it exists.
            if !byID, !broker.authorizer.allows(context.principal, .read, on: .topic(name)) {
                return (nil, .topicAuthorizationFailed)
            }
            return (nil, byID ? .unknownTopicID : .unknownTopicOrPartition)
        }
        guard broker.authorizer.allows(context.principal, .read, on: .topic(topic.name)) else {
            return (nil, .topicAuthorizationFailed)
        }
        guard let partition = topic.partition(index) else {
            return (nil, broker.metadata.missingPartition(topic.name, index))
        }
        return (partition, .none)
    }

    // MARK: Answers

    private static func response(
        _ targets: [FetchTarget], _ pass: FetchPass, _ version: Int16, session: FetchSession?, full: Bool,
        _ limits: FetchLimits
    ) -> FetchResponse {
        var response = FetchResponse()
        response.sessionID = session?.id ?? 0
        let chosen = session?.choose(targets, pass.partitions, full: full)
        var topic = FetchResponse.FetchableTopicResponse()
        var inlineLeft = inlineBytesMax
        for index in targets.indices {
            if let chosen, !chosen[index] { continue }
            let target = targets[index]
            let isSame = version >= 13 ? topic.topicID == target.topicID : topic.topic == target.topic
            if !isSame || topic.partitions.isEmpty {
                if !topic.partitions.isEmpty { response.responses.append(topic) }
                topic = FetchResponse.FetchableTopicResponse()
                topic.topic = target.topic
                topic.topicID = target.topicID
            }
            topic.partitions.append(partition(target, pass.partitions[index], limits, &inlineLeft))
        }
        if !topic.partitions.isEmpty { response.responses.append(topic) }
        return response
    }

    private static func partition(
        _ target: FetchTarget, _ found: FetchedPartition, _ limits: FetchLimits, _ inlineLeft: inout Int
    ) -> FetchResponse.PartitionData {
        var data = FetchResponse.PartitionData()
        data.partitionIndex = target.index
        data.errorCode = found.error.rawValue
        data.highWatermark = found.highWatermark
        data.lastStableOffset = found.highWatermark
        data.logStartOffset = found.logStartOffset
        data.abortedTransactions = limits.readCommitted && found.error == .none ? [] : nil
        if let diverging = found.diverging {
            data.divergingEpoch.epoch = diverging.epoch
            data.divergingEpoch.endOffset = diverging.endOffset
        }
        if found.error == .fencedLeaderEpoch || found.error == .unknownLeaderEpoch {
            data.currentLeader.leaderEpoch = found.leaderEpoch
        }
        // Never null: librdkafka takes null records for a broken answer.
        data.records = .bytes(ByteBuffer())
        guard let slice = found.bytes, slice.count > 0 else { return data }
        do throws(FileError) {
            if slice.count < deferredBytesMin, slice.count <= inlineLeft, let bytes = try slice.readCached() {
                inlineLeft -= slice.count
                data.records = .bytes(bytes)
            } else {
                // Large, or still on the disk, which this thread must not wait for.
                data.records = .deferred(slice)
            }
        } catch {
            data.errorCode = ErrorCode.kafkaStorageError.rawValue
        }
        return data
    }

    private func refuseReplica(_ request: FetchRequest, _ call: Call<FetchResponse>) {
        var response = FetchResponse()
        response.errorCode = ErrorCode.clusterAuthorizationFailed.rawValue
        response.responses = request.topics.map { wanted in
            var topic = FetchResponse.FetchableTopicResponse()
            topic.topic = wanted.topic
            topic.topicID = wanted.topicID
            topic.partitions = wanted.partitions.map { entry in
                var data = FetchResponse.PartitionData()
                data.partitionIndex = entry.partition
                data.errorCode = ErrorCode.clusterAuthorizationFailed.rawValue
                data.highWatermark = -1
                data.records = .bytes(ByteBuffer())
                return data
            }
            return topic
        }
        call.answer(response)
    }
}
