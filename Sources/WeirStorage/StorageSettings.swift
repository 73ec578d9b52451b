// WeirStorage: partition logs on disk, in Kafka's file formats: segments, indices, producer state, checkpoints,
// recovery, retention, and the flushers that make appended records durable.
// It knows nothing of requests, connections, replicas or the registry; everything about the outside comes through
// WeirSystem's seams. No async/await here: appends and reads run to the end on the caller's thread.

/// How a data directory works. Per-topic behaviour is in `TopicSettings`.
public struct StorageSettings: Sendable, Equatable {
    /// How many logs are synced at the same time, 1 to 64.
    public var flushersMax = 4
    /// How many segment and index files stay open, at least 16. Files being synced or sent are open beside it.
    public var openFilesMax = 512
    /// Milliseconds after its last batch that an idempotent producer is forgotten (`producer.id.expiration.ms`).
    public var producerExpirationMs: Int64 = 86_400_000
    /// Milliseconds between checks for segments that are too old or too many (`log.retention.check.interval.ms`).
    public var retentionCheckIntervalMs: Int64 = 300_000
    /// Milliseconds between checkpoints of recovery points (`log.flush.offset.checkpoint.interval.ms`).
    public var checkpointIntervalMs: Int64 = 60_000
    /// Bytes of a log after which its recovery point moves without waiting for the interval: what a restart after a
    /// crash reads at most, about, for each log.
    public var checkpointBytes: Int64 = 64 << 20
    /// Milliseconds that data of a `flush.mode=async` topic without `flush.ms` stays unsynced, about.
    public var asyncFlushMs: Int64 = 10_000
    /// Bytes of the file system to keep free: below it appends are refused. Nil: 5 % between 1 and 10 GiB, and at most
    /// a quarter of the file system.
    public var diskReserveBytes: Int64?
    /// How compaction works.
    public var cleaner = CleanerSettings()

    public init() {}
}

/// Something the operator should read in the log.
public struct StorageNotice: Sendable, Equatable {
    public enum Level: Sendable, Equatable { case info, warning, error }
    public let level: Level
    public let message: String
}
