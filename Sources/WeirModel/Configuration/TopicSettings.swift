/// Whose time a record carries.
public enum TimestampType: UInt8, Sendable, Hashable {
    case createTime = 0
    case logAppendTime = 1
}

/// When a record counts as written: on disk, or in the page cache.
public enum FlushMode: String, Sendable, Hashable {
    case sync
    case async
}

/// What happens to old segments.
public struct CleanupPolicy: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let delete = CleanupPolicy(rawValue: 1)
    public static let compact = CleanupPolicy(rawValue: 2)
}

/// A topic's configuration, resolved and typed: the topic's own setting, else the broker's, else the default.
///
/// Units are in the names; `-1` means no limit where a limit is meant. Documentation of each key: `TopicConfigs`.
public struct TopicSettings: Sendable, Equatable {
    public var segmentBytes = 1_073_741_824
    public var segmentMs: Int64 = 604_800_000
    public var segmentJitterMs: Int64 = 0
    public var segmentIndexBytes = 10_485_760
    public var indexIntervalBytes = 4096
    public var preallocate = false
    public var flushMode = FlushMode.sync
    public var flushMessages = Int64.max
    public var flushMs = Int64.max
    public var retentionMs: Int64 = 604_800_000
    public var retentionBytes: Int64 = -1
    public var fileDeleteDelayMs: Int64 = 60_000
    public var timestampType = TimestampType.createTime
    public var timestampBeforeMaxMs = Int64.max
    public var timestampAfterMaxMs: Int64 = 3_600_000
    public var maxMessageBytes = 1_048_588
    /// `producer`, `uncompressed` or a codec's name.
    public var compressionType = "producer"
    public var compressionGzipLevel = -1
    public var compressionLz4Level = 9
    public var compressionZstdLevel = 3
    public var cleanupPolicy = CleanupPolicy.delete
    public var minCleanableDirtyRatio = 0.5
    public var minCompactionLagMs: Int64 = 0
    public var maxCompactionLagMs = Int64.max
    public var deleteRetentionMs: Int64 = 86_400_000
    public var minInsyncReplicas = 1
    public var uncleanLeaderElection = false

    /// The defaults, as if nothing was set anywhere.
    public init() {}

    /// Resolves a topic's settings. A value that does not parse (none does, once validated) leaves the default.
    ///
    /// - Parameters:
    ///   - overrides: The topic's own settings by Kafka's names; unknown names are passed over.
    ///   - broker: The broker's, which give the defaults.
    public init(overrides: [String: String], broker: BrokerSettings) {
        self = broker.topicDefaults
        for (name, value) in overrides { set(name, value) }
    }

    /// Takes one setting, if name and value are understood.
    mutating func set(_ name: String, _ value: String) {
        guard let definition = TopicConfigs.definition(name), definition.problem(with: value) == nil else { return }
        switch definition.type {
        case .int, .short, .long:
            guard let number = ConfigValue.integer(value) else { return }
            if let path = Self.integers[name] { self[keyPath: path] = Int(truncatingIfNeeded: number) }
            if let path = Self.longs[name] { self[keyPath: path] = number }
        case .boolean:
            guard let flag = ConfigValue.boolean(value) else { return }
            if name == "preallocate" { preallocate = flag }
            if name == "unclean.leader.election.enable" { uncleanLeaderElection = flag }
        case .double:
            guard let number = ConfigValue.double(value) else { return }
            if name == "min.cleanable.dirty.ratio" { minCleanableDirtyRatio = number }
        case .list:
            guard name == "cleanup.policy" else { return }
            cleanupPolicy = ConfigValue.list(value).reduce(into: []) { policy, word in
                policy.insert(word == "compact" ? .compact : .delete)
            }
        case .string, .password, .className:
            let word = ConfigValue.trimmed(value)
            switch name {
            case "message.timestamp.type": timestampType = word == "LogAppendTime" ? .logAppendTime : .createTime
            case "flush.mode": flushMode = FlushMode(rawValue: word) ?? flushMode
            case "compression.type": compressionType = word
            default: return
            }
        }
    }

    private static let integers: [String: any WritableKeyPath<TopicSettings, Int> & Sendable] = [
        "segment.bytes": \.segmentBytes,
        "segment.index.bytes": \.segmentIndexBytes,
        "index.interval.bytes": \.indexIntervalBytes,
        "max.message.bytes": \.maxMessageBytes,
        "compression.gzip.level": \.compressionGzipLevel,
        "compression.lz4.level": \.compressionLz4Level,
        "compression.zstd.level": \.compressionZstdLevel,
        "min.insync.replicas": \.minInsyncReplicas,
    ]

    private static let longs: [String: any WritableKeyPath<TopicSettings, Int64> & Sendable] = [
        "segment.ms": \.segmentMs,
        "segment.jitter.ms": \.segmentJitterMs,
        "flush.messages": \.flushMessages,
        "flush.ms": \.flushMs,
        "retention.ms": \.retentionMs,
        "retention.bytes": \.retentionBytes,
        "file.delete.delay.ms": \.fileDeleteDelayMs,
        "message.timestamp.before.max.ms": \.timestampBeforeMaxMs,
        "message.timestamp.after.max.ms": \.timestampAfterMaxMs,
        "min.compaction.lag.ms": \.minCompactionLagMs,
        "max.compaction.lag.ms": \.maxCompactionLagMs,
        "delete.retention.ms": \.deleteRetentionMs,
    ]
}
