import SystemPackage
import WeirModel
import WeirProtocol
import WeirStorage
import WeirSystem

/// DescribeLogDirs (key 35), versions 1–5: what the data directory holds. v4 tells the file system's size and free space.
struct DescribeLogDirsHandler: APIHandler {
    typealias Request = DescribeLogDirsRequest
    static let versions: ClosedRange<Int16> = 1...5

    let broker: Broker

    func handle(_ request: DescribeLogDirsRequest, _ call: Call<DescribeLogDirsResponse>) {
        guard broker.authorizer.allows(call.context.principal, .describe, on: .cluster) else {
            var response = DescribeLogDirsResponse()
            response.errorCode = ErrorCode.clusterAuthorizationFailed.rawValue
            return call.answer(response)
        }
        // Sizes come from the file system.
        broker.workers.submit {
            var response = DescribeLogDirsResponse()
            var result = DescribeLogDirsResponse.DescribeLogDirsResult()
            result.logDir = broker.logs.directory.description
            result.errorCode = (broker.logs.isOnline ? ErrorCode.none : .kafkaStorageError).rawValue
            if broker.logs.isOnline {
                if let space = broker.logs.space {
                    result.totalBytes = space.total
                    result.usableBytes = space.usable
                }
                result.topics = topics(request)
            }
            response.results = [result]
            call.answer(response)
        }
    }

    private func topics(_ request: DescribeLogDirsRequest) -> [DescribeLogDirsResponse.DescribeLogDirsTopic] {
        guard let wanted = request.topics else {
            return broker.partitions.topics.sorted { $0.name < $1.name }.map { topic in
                describe(topic, topic.partitions.indices.map { Int32(clamping: $0) })
            }
        }
        return wanted.compactMap { wanted in
            broker.partitions.topic(wanted.topic).map { describe($0, wanted.partitions) }
        }
    }

    private func describe(_ topic: Topic, _ indices: [Int32]) -> DescribeLogDirsResponse.DescribeLogDirsTopic {
        var result = DescribeLogDirsResponse.DescribeLogDirsTopic()
        result.name = topic.name
        result.partitions = indices.compactMap { index in
            guard let partition = topic.partition(index) else { return nil }
            var entry = DescribeLogDirsResponse.DescribeLogDirsPartition()
            entry.partitionIndex = index
            entry.partitionSize = partition.log.sizeBytes
            return entry
        }
        return result
    }
}
