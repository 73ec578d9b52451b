public import NIOCore
public import WeirModel
public import WeirRecords

/// How a producer batches, waits and retries. The defaults are Kafka's unless a comment says otherwise.
public struct ProducerConfiguration: Sendable {
    /// Which acknowledgement a record waits for.
    public enum Acks: Int16, Sendable, Hashable {
        /// None: what is lost on the way is never known.
        case none = 0
        /// The leader has appended it.
        case leader = 1
        /// Every in-sync replica has it.
        case all = -1
    }

    public var acks = Acks.all
    /// Lets the broker drop duplicates that retries make, and keeps each partition in order. Needs `acks` all.
    public var isIdempotent = true
    public var compression = CompressionCodec.none
    /// The codec's own level; nil for its default.
    public var compressionLevel: Int?
    /// How long a batch waits for more records before it is sent, in milliseconds.
    public var lingerMs: Int64 = 5
    /// A batch is sent when it has that many bytes before compression. As in librdkafka; Java's default is 16 KiB.
    public var batchBytesMax = 1_000_000
    /// Records not yet acknowledged take at most about that much memory, in bytes; beyond it `send` suspends.
    public var bufferBytesMax = 64 << 20
    /// A larger record is refused before it is sent, in bytes.
    public var recordBytesMax = 1_048_576
    /// A record that is not acknowledged after that long fails, in milliseconds.
    public var deliveryTimeoutMs: Int64 = 120_000
    /// Produce requests that may be under way to one broker at a time.
    public var inFlightRequestsMax = 5
    /// How long `send` waits for a topic that does not exist yet, in milliseconds: the broker may create it.
    public var topicTimeoutMs: Int64 = 10_000
    /// Whether an unknown topic is created by the broker, if its configuration allows that.
    public var createsTopics = true
    /// Chooses the partition for a key; nil takes Kafka's murmur2. Gets the key and the number of partitions.
    public var partitioner: (@Sendable (ByteBuffer, Int) -> Int)?

    public init() {}

    func problem() -> String? {
        if isIdempotent, acks != .all { return "idempotence needs acks all" }
        if lingerMs < 0 { return "the linger time is negative" }
        if batchBytesMax < 1 || bufferBytesMax < 1 { return "batch and buffer sizes must be positive" }
        if deliveryTimeoutMs < lingerMs { return "the delivery timeout is shorter than the linger time" }
        if inFlightRequestsMax < 1 { return "at least one request must be allowed in flight" }
        if isIdempotent, inFlightRequestsMax > 5 { return "idempotence allows at most 5 requests in flight" }
        return nil
    }
}

/// A record to be sent.
public struct ProducerRecord: Sendable, Hashable {
    /// Nil lets the key decide, or chance when there is no key.
    public var partition: PartitionIndex?
    public var key: ByteBuffer?
    /// Nil is a tombstone on a compacted topic.
    public var value: ByteBuffer?
    public var headers: [RecordHeader]
    /// Milliseconds since 1970; nil takes the time of `send`.
    public var timestamp: Int64?

    public init(
        key: ByteBuffer? = nil, value: ByteBuffer?, headers: [RecordHeader] = [], partition: PartitionIndex? = nil,
        timestamp: Int64? = nil
    ) {
        self.partition = partition
        self.key = key
        self.value = value
        self.headers = headers
        self.timestamp = timestamp
    }

    public init(key: String? = nil, value: String, headers: [RecordHeader] = []) {
        self.init(key: key.map { ByteBuffer(string: $0) }, value: ByteBuffer(string: value), headers: headers)
    }
}
