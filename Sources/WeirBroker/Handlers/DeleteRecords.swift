import WeirModel
import WeirProtocol
import WeirStorage
import WeirSystem

/// DeleteRecords (key 21), versions 0–2: moves the start of partitions forward. Offset -1 means the high watermark.
struct DeleteRecordsHandler: APIHandler {
    typealias Request = DeleteRecordsRequest
    static let versions: ClosedRange<Int16> = 0...2

    let broker: Broker

    func handle(_ request: DeleteRecordsRequest, _ call: Call<DeleteRecordsResponse>) {
        // Moving the start writes a checkpoint: not a thing for the event loop.
        broker.workers.submit {
            var response = DeleteRecordsResponse()
            response.topics = request.topics.map { topic(for: $0, call.context) }
            let isAny = response.topics.contains { $0.partitions.contains { $0.errorCode == 0 } }
            if isAny, !broker.logs.saveStartOffsets() { Self.refuse(&response) }
            call.answer(response)
        }
    }

    /// The disk did not take the new starts: what was not refused before is now.
    private static func refuse(_ response: inout DeleteRecordsResponse) {
        for topic in response.topics.indices {
            for index in response.topics[topic].partitions.indices
            where response.topics[topic].partitions[index].errorCode == 0 {
                response.topics[topic].partitions[index].errorCode = ErrorCode.kafkaStorageError.rawValue
                response.topics[topic].partitions[index].lowWatermark = -1
            }
        }
    }

    private func topic(
        for wanted: DeleteRecordsRequest.DeleteRecordsTopic, _ context: RequestContext
    ) -> DeleteRecordsResponse.DeleteRecordsTopicResult {
        var result = DeleteRecordsResponse.DeleteRecordsTopicResult()
        result.name = wanted.name
        let allowed = broker.authorizer.allows(context.principal, .delete, on: .topic(wanted.name))
        result.partitions = wanted.partitions.map { partition in
            var answer = DeleteRecordsResponse.DeleteRecordsPartitionResult()
            answer.partitionIndex = partition.partitionIndex
            answer.lowWatermark = -1
            guard allowed else {
                answer.errorCode = ErrorCode.topicAuthorizationFailed.rawValue
                return answer
            }
            do throws(ReadError) {
                answer.lowWatermark = try delete(wanted.name, partition).rawValue
            } catch {
                answer.errorCode = error.code.rawValue
            }
            return answer
        }
        return result
    }

    private func delete(
        _ topic: String, _ wanted: DeleteRecordsRequest.DeleteRecordsPartition
    ) throws(ReadError) -> Offset {
        if TopicName.isInternal(topic) { throw ReadError(.invalidTopic, "\(topic) is the broker's own") }
        guard let partition = broker.partitions.partition(topic, wanted.partitionIndex) else {
            throw ReadError(
                broker.metadata.missingPartition(topic, wanted.partitionIndex), "\(topic) has no such partition here")
        }
        guard partition.log.settings.cleanupPolicy.contains(.delete) else {
            throw ReadError(.policyViolation, "\(topic) is compacted: its records are not deleted by their offset")
        }
        let highWatermark = partition.log.highWatermark
        let offset = wanted.offset == -1 ? highWatermark : Offset(wanted.offset)
        guard offset >= .zero, offset <= highWatermark else {
            throw ReadError(.offsetOutOfRange, "\(offset) is beyond the high watermark \(highWatermark)")
        }
        return try partition.log.deleteRecords(before: offset)
    }
}
