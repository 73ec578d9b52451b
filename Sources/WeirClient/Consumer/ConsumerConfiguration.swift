/// How a consumer reads. The defaults are Kafka's unless a comment says otherwise.
public struct ConsumerConfiguration: Sendable {
    /// Which records of transactions are read.
    public enum Isolation: Int8, Sendable, Hashable {
        case readUncommitted = 0
        /// Only records whose transaction was committed; reading stops before open transactions.
        case readCommitted = 1
    }

    /// Where a group member starts in a partition for which the group has no committed offset.
    public enum StartPosition: Sendable, Hashable {
        case earliest
        case latest
        /// Throws `noOffset`.
        case fail
    }

    /// What happens when the next records to read are no longer in the log: deleted by retention before they were read, or
    /// cut off with a failed leader. Kafka's `auto.offset.reset` skips them without a word.
    public enum LossPolicy: Sendable, Hashable {
        /// Throws `dataLoss` with the lost offsets and reads nothing of the partition until `seek` says where to go on.
        case report
        /// Goes on with the earliest record there is.
        case skipToEarliest
        /// Goes on at the end.
        case skipToLatest
    }

    /// When a group's offsets are committed.
    public enum Commit: Sendable, Hashable {
        /// Regularly, in a rebalance and at the end: records count as processed when the next one is asked for.
        case automatic(intervalMs: Int64)
        /// By `commit` only.
        case manual
    }

    public var isolation = Isolation.readUncommitted
    public var startPosition = StartPosition.latest
    public var lossPolicy = LossPolicy.report
    public var commit = Commit.automatic(intervalMs: 5_000)
    /// How long a broker waits for `fetchBytesMin`, in milliseconds.
    public var fetchWaitMs: Int32 = 500
    public var fetchBytesMin: Int32 = 1
    /// The most bytes of one answer; a single batch may be larger.
    public var fetchBytesMax: Int32 = 50 << 20
    /// The most bytes of one partition in an answer; a single batch may be larger.
    public var partitionBytesMax: Int32 = 1 << 20
    /// How much is fetched ahead of the reader, in bytes.
    public var prefetchBytesMax = 64 << 20
    /// The same for one partition.
    public var partitionPrefetchBytesMax = 4 << 20
    /// A batch that decompresses to more is an error, in bytes.
    public var decompressedBytesMax = 256 << 20
    /// Whether batches' checksums are checked.
    public var checksChecksums = true
    /// Whether reading an unknown topic lets the broker create it. Off, unlike in Java.
    public var createsTopics = false
    /// This client's rack, for reading from the nearest replica.
    public var rack = ""

    public init() {}

    func problem() -> String? {
        if fetchWaitMs < 0 { return "the fetch wait is negative" }
        if fetchBytesMax < 1 || partitionBytesMax < 1 { return "fetch sizes must be positive" }
        if case .automatic(let interval) = commit, interval < 1 { return "the commit interval must be positive" }
        return nil
    }
}
