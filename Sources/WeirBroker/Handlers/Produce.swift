import NIOCore
import WeirModel
import WeirProtocol
import WeirRecords
import WeirStorage
import WeirSystem

/// Produce (key 0), versions 0–13: appends one record batch to each partition named.
///
/// Versions 0–2 are advertised because old librdkafka looks for them (KAFKA-18659); whatever they carry must be a magic-2
/// batch all the same. acks=0 is not answered, and closes the connection on an error; acks=1 is answered after the append;
/// acks=all once the high watermark has passed the batch. v7 allows zstd, v8 tells which records are wrong, v13 goes by topic
/// ids. Requests of one connection may be in flight together: they are appended in the order they came.
struct ProduceHandler: APIHandler {
    typealias Request = ProduceRequest
    static let versions: ClosedRange<Int16> = 0...13
    static let ordering = RequestOrdering.pipelined

    let broker: Broker

    func handle(_ request: ProduceRequest, _ call: Call<ProduceResponse>) {
        var response = ProduceResponse()
        response.responses.reserveCapacity(request.topicData.count)
        var waits: [Wait] = []
        var failed: ErrorCode?
        let refusal = refusal(of: request)
        for data in request.topicData {
            var answers = ProduceResponse.TopicProduceResponse()
            answers.name = data.name
            answers.topicID = data.topicID
            answers.partitionResponses.reserveCapacity(data.partitionData.count)
            let (topic, problem) = refusal == .none ? topic(data, call.context) : (nil, refusal)
            for partitionData in data.partitionData {
                var answer = ProduceResponse.PartitionProduceResponse()
                answer.index = partitionData.index
                if let topic {
                    let place = ParkedProduce.Place(
                        topic: response.responses.count, partition: answers.partitionResponses.count)
                    append(partitionData, topic, acks: request.acks, call.context, place, &answer, &waits)
                } else {
                    answer.fail(problem)
                }
                if answer.errorCode != 0 { failed = ErrorCode(rawValue: answer.errorCode) }
                answers.partitionResponses.append(answer)
            }
            response.responses.append(answers)
        }
        if request.acks == 0 {
            // The only way to tell a client that expects no answer.
            if let failed { return call.close("a Produce request with acks=0 failed: \(failed)") }
            return call.answerNothing()
        }
        if waits.isEmpty { return call.answer(response) }
        park(response, waits, timeoutMs: request.timeoutMs, call)
    }

    // MARK: One partition

    /// A batch that was appended and is not yet below the high watermark.
    private struct Wait {
        let partition: Partition
        let needed: Offset
        let place: ParkedProduce.Place
    }

    private func refusal(of request: ProduceRequest) -> ErrorCode {
        guard request.acks >= -1, request.acks <= 1 else { return .invalidRequiredAcks }
        // There is no transaction coordinator, so nobody can hold a transactional id.
        return request.transactionalID == nil ? .none : .invalidTxnState
    }

    private func topic(_ data: ProduceRequest.TopicProduceData, _ context: RequestContext) -> (Topic?, ErrorCode) {
        let byID = context.apiVersion >= 13
        let found = byID ? broker.partitions.topic(id: data.topicID) : broker.partitions.topic(data.name)
        guard broker.authorizer.allows(context.principal, .write, on: .topic(found?.name ?? data.name)) else {
            return (nil, .topicAuthorizationFailed)
        }
        guard let found else { return (nil, byID ? .unknownTopicID : .unknownTopicOrPartition) }
        // What the broker keeps in its own topics must not be forged.
        if found.isInternal { return (nil, .invalidTopic) }
        return (found, .none)
    }

    private func append(
        _ data: ProduceRequest.PartitionProduceData, _ topic: Topic, acks: Int16, _ context: RequestContext,
        _ place: ParkedProduce.Place, _ answer: inout ProduceResponse.PartitionProduceResponse, _ waits: inout [Wait]
    ) {
        guard let partition = topic.partition(data.index) else {
            return answer.fail(broker.metadata.missingPartition(topic.name, data.index))
        }
        if acks == -1, partition.inSyncReplicaCount < topic.settings.minInsyncReplicas {
            return answer.fail(.notEnoughReplicas)
        }
        guard case .bytes(let bytes) = data.records else { return answer.fail(.invalidRecord) }
        do throws(BatchRefusal) {
            let batch = try BatchValidator.validate(
                bytes, rules: topic.batchRules(nowMs: broker.clock.wallMilliseconds, version: context.apiVersion))
            try append(batch, to: partition, acks: acks, place, &answer, &waits)
        } catch {
            answer.fail(error)
        }
    }

    private func append(
        _ batch: ValidatedBatch, to partition: Partition, acks: Int16, _ place: ParkedProduce.Place,
        _ answer: inout ProduceResponse.PartitionProduceResponse, _ waits: inout [Wait]
    ) throws(BatchRefusal) {
        do throws(AppendError) {
            let result = try partition.log.append(batch, leaderEpoch: partition.leaderEpoch, origin: .client)
            answer.baseOffset = result.baseOffset.rawValue
            answer.logAppendTimeMs = result.logAppendTimeMs
            answer.logStartOffset = result.logStartOffset.rawValue
            if acks == -1 {
                let needed = result.lastOffset + 1
                // On an asynchronously flushed topic the append itself has moved the high watermark.
                if !result.highWatermarkAdvanced, partition.log.highWatermark < needed {
                    waits.append(Wait(partition: partition, needed: needed, place: place))
                }
            }
        } catch {
            answer.fail(error.code)
        }
    }

    // MARK: Waiting

    private func park(
        _ response: ProduceResponse, _ waits: [Wait], timeoutMs: Int32, _ call: Call<ProduceResponse>
    ) {
        let parked = ParkedProduce(call: call, response: response, places: waits.map(\.place))
        for (index, wait) in waits.enumerated() {
            if !wait.partition.park(parked, index: index, needed: wait.needed) {
                parked.settle(index, .unknownTopicOrPartition)
            } else {
                let highWatermark = wait.partition.log.highWatermark
                if highWatermark >= wait.needed { wait.partition.wake(highWatermark) }
            }
        }
        if !parked.isSettled { broker.purgatory.park(parked, milliseconds: Int64(timeoutMs)) }
    }
}

extension ProduceResponse.PartitionProduceResponse {
    fileprivate mutating func fail(_ code: ErrorCode) {
        errorCode = code.rawValue
        baseOffset = -1
    }

    fileprivate mutating func fail(_ refusal: BatchRefusal) {
        fail(refusal.code)
        errorMessage = refusal.message
        recordErrors = refusal.recordErrors.map { error in
            var entry = ProduceResponse.BatchIndexAndErrorMessage()
            entry.batchIndex = error.index
            entry.batchIndexErrorMessage = error.message
            return entry
        }
    }
}

extension Topic {
    /// What a batch for this topic has to satisfy.
    fileprivate func batchRules(nowMs: Int64, version: Int16) -> BatchRules {
        var rules = batchRules
        rules.nowMs = nowMs
        rules.produceVersion = version
        return rules
    }
}
