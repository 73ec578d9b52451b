import WeirConnection
import WeirModel
import WeirProtocol
import WeirSystem

/// Always the same number, so that back-off has no jitter to speak of.
struct FixedRandom: RandomSource {
    var value: UInt64 = 0
    func next() -> UInt64 { value }
}

func at(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }

func versions(_ ranges: [APIKey: ClosedRange<Int16>], error: ErrorCode = .none) -> ApiVersionsResponse {
    var response = ApiVersionsResponse()
    response.errorCode = error.rawValue
    response.apiKeys = ranges.sorted { $0.key < $1.key }.map { key, range in
        ApiVersionsResponse.ApiVersion(
            apiKey: key.rawValue, minVersion: range.lowerBound, maxVersion: range.upperBound)
    }
    return response
}

/// A metadata answer: each topic with the leaders of its partitions (nil for none) and their epochs.
func metadata(
    brokers: [Int32] = [1], _ topics: [String: [(leader: Int32?, epoch: Int32)]], errors: [String: ErrorCode] = [:]
) -> MetadataResponse {
    var response = MetadataResponse()
    response.brokers = brokers.map { id in
        var broker = MetadataResponse.MetadataResponseBroker()
        broker.nodeID = id
        broker.host = "broker\(id)"
        broker.port = 9092
        return broker
    }
    response.topics = topics.sorted { $0.key < $1.key }.map { name, partitions in
        var topic = MetadataResponse.MetadataResponseTopic()
        topic.name = name
        topic.errorCode = (errors[name] ?? .none).rawValue
        topic.partitions = partitions.enumerated().map { index, partition in
            var wire = MetadataResponse.MetadataResponsePartition()
            wire.partitionIndex = Int32(index)
            wire.leaderID = partition.leader ?? -1
            wire.leaderEpoch = partition.epoch
            return wire
        }
        return topic
    }
    return response
}
