import DequeModule
import Logging
import NIOCore
import WeirConnection
import WeirModel
import WeirProtocol
import WeirRecords
import WeirSystem

/// Drives the producer's machine: takes batches from the accumulator, finishes and sends them, and settles their outcomes.
///
/// Unchecked: the accumulator is behind its lock; everything else belongs to the cluster's event loop.
final class ProducerCore: @unchecked Sendable {
    /// A finished batch and what it will settle.
    private struct Sealed {
        var bytes: ByteBuffer
        let slot: Int
        let outcome: BatchOutcome
        /// What it counts for in the accumulator.
        let accounted: Int
        let recordCount: Int32
    }

    let cluster: ClusterCore
    let configuration: ProducerConfiguration
    let accumulator: Locked<Accumulator>
    private var machine: ProducerMachine
    private var sealed: [ProducerMachine.BatchID: Sealed] = [:]
    private var requestsInFlight: [BrokerID: Int] = [:]
    /// Memory of settled batches. It goes back with the next pump only, since the request that held it is just being let go.
    private var spent: [ByteBuffer] = []
    private var timer: (at: MonotonicTime, task: Scheduled<Void>)?
    private var observer: Int?

    init(cluster: ClusterCore, configuration: ProducerConfiguration) {
        self.cluster = cluster
        self.configuration = configuration
        accumulator = Locked(Accumulator(configuration: configuration))
        var settings = ProducerMachine.Configuration()
        settings.isIdempotent = configuration.isIdempotent
        settings.inFlightPerPartitionMax = configuration.inFlightRequestsMax
        settings.deliveryTimeoutMs = configuration.deliveryTimeoutMs
        settings.requestBytesMax = max(configuration.batchBytesMax, 1_048_576)
        settings.backoff = Backoff(
            initialMs: cluster.configuration.retryBackoffMs, maximumMs: cluster.configuration.retryBackoffMaxMs)
        machine = ProducerMachine(configuration: settings)
        cluster.onLoop { [weak self] in
            self?.observer = cluster.observeOnLoop { [weak self] in self?.pump() }
        }
    }

    // MARK: From the senders' side

    /// Tells the event loop to come, once.
    func wake() {
        cluster.loop.execute { self.pump() }
    }

    /// Waits until everything sent before is delivered or has failed.
    func flush() async throws(ClientError) {
        let completion = Completion<Bool>()
        let isDone = accumulator.withLock { accumulator in
            if accumulator.unresolved.isEmpty { return true }
            accumulator.flushUpTo = accumulator.newestID
            accumulator.flushWaiters.append((accumulator.newestID, completion))
            return false
        }
        if isDone { return }
        wake()
        _ = try await completion.wait()
    }

    // MARK: On the loop

    private func pump() {
        let now = cluster.clock.monotonic
        let (batches, nextDue) = accumulator.withLock { accumulator in
            accumulator.isWoken = false
            if !spent.isEmpty { accumulator.recycle(spent) }
            return accumulator.take(now: now, random: cluster.random) { partition in
                let slot = machine.slot(of: partition)
                return machine.hasRoom(slot: slot)
            }
        }
        spent.removeAll(keepingCapacity: true)
        for batch in batches { seal(batch) }
        let result = machine.poll(
            now: now,
            leader: { cluster.metadata.view.leader(of: $0) },
            freeRequests: { configuration.inFlightRequestsMax - (requestsInFlight[$0] ?? 0) })
        for failure in result.failures { fail(failure) }
        if result.wantsIdentity { requestIdentity(replacing: result.identityToReplace) }
        for send in result.sends { transmit(send.batches, to: send.broker) }
        if result.needsMetadata { cluster.markStaleOnLoop() }
        var wakeAt = result.wakeAt
        if let nextDue { wakeAt = min(wakeAt ?? nextDue, nextDue) }
        if let wakeAt { arm(at: wakeAt) }
    }

    private func arm(at deadline: MonotonicTime) {
        if let timer, timer.at <= deadline { return }
        timer?.task.cancel()
        let delay = max(0, deadline.nanoseconds &- cluster.clock.monotonic.nanoseconds)
        let task = cluster.loop.assumeIsolated().scheduleTask(in: .nanoseconds(delay + 10_000)) {
            self.timer = nil
            self.pump()
        }
        timer = (deadline, task)
    }

    private func seal(_ batch: Accumulator.OpenBatch) {
        // Its only record was too large after all.
        guard !batch.builder.isEmpty else { return resolve(batch.id, bytes: batch.bytes) }
        let slot = machine.slot(of: batch.outcome.partition)
        do throws(RecordError) {
            let bytes = try batch.builder.finish()
            let count = Int32(clamping: batch.builder.count)
            sealed[batch.id] = Sealed(
                bytes: bytes, slot: slot, outcome: batch.outcome, accounted: batch.bytes, recordCount: count)
            machine.enqueue(
                batch.id, slot: slot, recordCount: count, byteCount: bytes.readableBytes, createdAt: batch.createdAt)
        } catch {
            batch.outcome.finish(
                .failure(
                    ClientError(.serialization, "a batch cannot be built: \(error)", partition: batch.outcome.partition)
                ))
            resolve(batch.id, bytes: batch.bytes)
        }
    }

    private func resolve(_ id: ProducerMachine.BatchID, bytes: Int) {
        let released = accumulator.withLock { $0.resolve(id, bytes: bytes) }
        for completion in released { completion.finish(.success(true)) }
    }

    private func settle(_ id: ProducerMachine.BatchID, _ result: Result<BatchOutcome.Success, ClientError>) {
        guard let batch = sealed.removeValue(forKey: id) else { return }
        // Small ones are not worth keeping.
        if batch.bytes.capacity >= 65_536 { spent.append(batch.bytes) }
        batch.outcome.finish(result)
        resolve(id, bytes: batch.accounted)
    }

    // MARK: Sending

    private func transmit(_ batches: [ProducerMachine.BatchSend], to broker: BrokerID) {
        var request = ProduceRequest()
        request.acks = configuration.acks.rawValue
        request.timeoutMs = Int32(clamping: cluster.configuration.requestTimeoutMs)
        var positions: [String: Int] = [:]
        for batch in batches {
            guard var entry = sealed.removeValue(forKey: batch.id) else { continue }
            if let identity = batch.identity {
                BatchStamp.stamp(&entry.bytes, identity: identity, sequence: batch.sequence)
            }
            sealed[batch.id] = entry
            var partition = ProduceRequest.PartitionProduceData()
            partition.index = batch.partition.partition.rawValue
            partition.records = .deferred(BufferedBytes(buffer: entry.bytes))
            if let position = positions[batch.partition.topic] {
                request.topicData[position].partitionData.append(partition)
            } else {
                var topic = ProduceRequest.TopicProduceData()
                topic.name = batch.partition.topic
                topic.partitionData = [partition]
                positions[batch.partition.topic] = request.topicData.count
                request.topicData.append(topic)
            }
        }
        requestsInFlight[broker, default: 0] += 1
        // The broker may itself wait for its replicas that long.
        let timeout = cluster.configuration.requestTimeoutMs &+ 2_000
        cluster.send(
            request, to: broker, for: .general, timeoutMs: timeout, expectsAnswer: configuration.acks != .none
        ) { result in
            self.requestsInFlight[broker, default: 1] -= 1
            self.answered(batches, result)
            // Not from within a poll: a failure may be reported before `send` returns.
            self.schedulePump()
        }
    }

    private func schedulePump() {
        let isNeeded = accumulator.withLock { accumulator in
            defer { accumulator.isWoken = true }
            return !accumulator.isWoken
        }
        if isNeeded { wake() }
    }

    private func answered(
        _ batches: [ProducerMachine.BatchSend], _ result: Result<ProduceResponse, ClientError>
    ) {
        let response: ProduceResponse
        switch result {
        case .failure(let error):
            cluster.configuration.logger.debug("produce failed", metadata: ["error": "\(error)"])
            for batch in batches {
                finish(batch, error.isRetriable ? .lost : .answered(.unknownServerError), error: error)
            }
            return
        case .success(let answer):
            response = answer
        }
        if configuration.acks == .none {
            for batch in batches { finish(batch, .answered(.none), baseOffset: nil) }
            return
        }
        for batch in batches {
            let topic = response.responses.first { $0.name == batch.partition.topic }
            let index = batch.partition.partition.rawValue
            guard let part = topic?.partitionResponses.first(where: { $0.index == index }) else {
                finish(batch, .lost)
                continue
            }
            let code = ErrorCode(rawValue: part.errorCode)
            var error: ClientError?
            if code != .none {
                let records = part.recordErrors.compactMap { record in
                    record.batchIndexErrorMessage.map { "record \(record.batchIndex): \($0)" }
                }
                let detail = [part.errorMessage].compactMap { $0 } + records
                error = .answered(
                    code, about: "partition \(batch.partition)", detail: detail.joined(separator: "; "),
                    partition: batch.partition)
            }
            finish(
                batch, .answered(code), error: error, baseOffset: part.baseOffset >= 0 ? Offset(part.baseOffset) : nil,
                appendTime: part.logAppendTimeMs >= 0 ? part.logAppendTimeMs : nil)
        }
    }

    private func finish(
        _ batch: ProducerMachine.BatchSend, _ outcome: ProducerMachine.Outcome, error: ClientError? = nil,
        baseOffset: Offset? = nil, appendTime: Int64? = nil
    ) {
        let verdict = machine.finished(
            batch.id, slot: batch.slot, outcome: outcome, now: cluster.clock.monotonic, random: cluster.random)
        switch verdict {
        case .delivered:
            settle(batch.id, .success(BatchOutcome.Success(baseOffset: baseOffset, appendTime: appendTime)))
        case .retried(let needsMetadata):
            if needsMetadata { cluster.markStaleOnLoop() }
        case .failed(let failure):
            fail(failure, error: error)
        }
    }

    private func fail(_ failure: ProducerMachine.Failure, error: ClientError? = nil) {
        settle(failure.id, .failure(error ?? Self.error(for: failure, timeoutMs: configuration.deliveryTimeoutMs)))
    }

    private static func error(for failure: ProducerMachine.Failure, timeoutMs: Int64) -> ClientError {
        switch failure.reason {
        case .refused(let code):
            return .answered(code, about: "partition \(failure.partition)", partition: failure.partition)
        case .expired(let lastFailure, let wasSent):
            let why = lastFailure.map { "; the last answer was \($0.name)" } ?? (wasSent ? "" : "; it was never sent")
            return ClientError(
                .deliveryExpired,
                "a record for \(failure.partition) was not acknowledged within \(timeoutMs) ms\(why)",
                advice: "is the partition's leader up and reachable?", isRetriable: true, brokerCode: lastFailure,
                partition: failure.partition)
        }
    }

    // MARK: Identity

    private func requestIdentity(replacing old: ProducerIdentity?) {
        var request = InitProducerIDRequest()
        request.transactionalID = nil
        request.transactionTimeoutMs = .max
        if let old {
            request.producerID = old.id.rawValue
            request.producerEpoch = old.epoch
        }
        cluster.sendToAnyOnLoop(request) { result in
            let now = self.cluster.clock.monotonic
            switch result {
            case .success(let answer) where answer.errorCode == 0 && answer.producerID >= 0:
                self.machine.identified(
                    ProducerIdentity(id: ProducerID(answer.producerID), epoch: answer.producerEpoch))
            case .success(let answer):
                self.machine.identityFailed(
                    ErrorCode(rawValue: answer.errorCode), now: now, random: self.cluster.random)
            case .failure(let error):
                self.machine.identityFailed(
                    error.code == .unsupported ? .unsupportedVersion : nil, now: now, random: self.cluster.random)
            }
            self.schedulePump()
        }
    }

    // MARK: Closing

    /// Fails what is left and stops; call after a flush.
    func close() {
        cluster.onLoop {
            self.timer?.task.cancel()
            if let observer = self.observer { self.cluster.removeObserverOnLoop(observer) }
            let left = self.sealed
            self.sealed = [:]
            for (id, batch) in left {
                batch.outcome.finish(.failure(.closed))
                self.resolve(id, bytes: batch.accounted)
            }
            let (open, waiters) = self.accumulator.withLock { accumulator in
                accumulator.isClosed = true
                let open = accumulator.take(now: .distantFuture, random: self.cluster.random) { _ in true }.batches
                defer { accumulator.spaceWaiters = [] }
                return (open, accumulator.spaceWaiters)
            }
            for batch in open {
                batch.outcome.finish(.failure(.closed))
                self.resolve(batch.id, bytes: batch.bytes)
            }
            for waiter in waiters { waiter.finish(.failure(.closed)) }
            self.cluster.close()
        }
    }
}

/// A batch's bytes as part of a request, sent from where they lie.
struct BufferedBytes: DeferredBytes {
    let buffer: ByteBuffer
    var count: Int { buffer.readableBytes }
}

/// Writes a producer's identity into a finished batch.
enum BatchStamp {
    /// Sets producer id, epoch and base sequence, and the checksum that covers them.
    static func stamp(_ bytes: inout ByteBuffer, identity: ProducerIdentity, sequence: Int32) {
        bytes.withUnsafeMutableReadableBytes { raw in
            guard raw.count >= RecordBatchHeader.byteCount,
                var header = try? RecordBatchHeader(parsing: UnsafeRawBufferPointer(raw))
            else { return }
            header.producerID = identity.id.rawValue
            header.producerEpoch = identity.epoch
            header.baseSequence = sequence
            header.crc = header.checksum(
                records: UnsafeRawBufferPointer(rebasing: raw[RecordBatchHeader.byteCount...]))
            header.write(to: raw)
        }
    }
}
