public import NIOCore
public import WeirModel

/// A record for `__consumer_offsets`; no value is a tombstone.
public struct OffsetsRecord: Sendable, Equatable {
    public var key: ByteBuffer
    public var value: ByteBuffer?

    public init(key: ByteBuffer, value: ByteBuffer?) {
        self.key = key
        self.value = value
    }

    var byteCount: Int { key.readableBytes + (value?.readableBytes ?? 0) }
}

/// Where clients reach a broker.
public struct BrokerEndpoint: Sendable, Hashable {
    public var nodeID: BrokerID
    public var host: String
    public var port: Int32

    public init(nodeID: BrokerID, host: String, port: Int32) {
        self.nodeID = nodeID
        self.host = host
        self.port = port
    }
}

/// What the group coordinator needs of the broker it lives in. Called from any thread, never under a coordinator's lock.
public protocol GroupCoordinatorHost: Sendable {
    /// Appends the records, in their order and after those of earlier calls for the partition, as one batch if it can.
    /// The completion is called exactly once, on any thread, at once or later: with `.none` when the records are durable
    /// as acks=all means it, else with why they are not.
    func append(
        to partition: PartitionIndex, _ records: [OffsetsRecord],
        completion: @escaping @Sendable (ErrorCode) -> Void)
    /// Reads the partition's log from its start to its end. `each` gets key, value (nil for a tombstone) and offset.
    func replay(
        _ partition: PartitionIndex, _ each: (_ key: ByteBuffer, _ value: ByteBuffer?, _ offset: Offset) -> Void
    ) throws
    /// How many partitions `__consumer_offsets` has, or will have when it is made.
    var offsetsPartitionCount: Int32 { get }
    /// Sees to it that `__consumer_offsets` exists, making it (cleanup.policy=compact, offsets.topic.num.partitions) on the
    /// first need, and that the partitions this broker leads were loaded into the coordinator. Calls back once, at once if
    /// all is in place.
    func prepareOffsetsTopic(completion: @escaping @Sendable (ErrorCode) -> Void)
    /// The broker that leads the offsets partition, as clients of the listener reach it; nil when there is none now.
    func coordinator(of partition: PartitionIndex, listener: String) -> BrokerEndpoint?
    /// Whether the cluster has the topic with that partition.
    func exists(_ partition: TopicPartition) -> Bool
    func topicName(of topicID: UniqueID) -> String?
    func topicID(of topic: String) -> UniqueID?
}
