/// Every topic configuration of Kafka 4.x, the three that 4.0 removed (older tools still set them), and Weir's own.
///
/// Source: Kafka's `TopicConfig`, `LogConfig` and `ServerTopicConfigSynonyms`.
public enum TopicConfigs {
    /// All of them, by name.
    public static let all: [ConfigDefinition] = (segments + times + limits + compaction + replication + tiered)
        .sorted { $0.name < $1.name }

    private static let byName: [String: ConfigDefinition] = Dictionary(
        uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// What is known of a key; nil when it is no topic configuration.
    public static func definition(_ name: String) -> ConfigDefinition? { byName[name] }

    /// Why a setting is refused; nil when it is fine.
    public static func validate(name: String, value: String) -> String? {
        guard let definition = definition(name) else {
            let hint = Spelling.nearest(to: name, among: all.map(\.name)).map { "; did you mean \($0)?" } ?? ""
            return "Unknown topic config name: \(name)\(hint)"
        }
        return definition.problem(with: value)
    }

    /// Why settings that are fine one by one do not go together; nil when they do.
    public static func problem(with overrides: [String: String], broker: BrokerSettings) -> String? {
        for (name, value) in overrides.sorted(by: { $0.key < $1.key }) {
            if let problem = validate(name: name, value: value) { return problem }
        }
        let settings = TopicSettings(overrides: overrides, broker: broker)
        if settings.minCompactionLagMs > settings.maxCompactionLagMs {
            return "conflict between min.compaction.lag.ms (\(settings.minCompactionLagMs)) and "
                + "max.compaction.lag.ms (\(settings.maxCompactionLagMs)): the first must not exceed the second"
        }
        return nil
    }

    static let hour: Int64 = 3_600_000
    static let minute: Int64 = 60_000
    private static let replicationMissing = ConfigEffect.notYet("replication is not built yet")
    private static let tieredMissing = ConfigEffect.notYet("tiered storage is not built yet")

    private static let segments: [ConfigDefinition] = [
        ConfigDefinition(
            "segment.bytes", .int, "1073741824", .atLeast(14), synonyms: [ConfigSynonym("log.segment.bytes")],
            "The size in bytes at which a segment of the log is closed and the next begun. Retention removes whole "
                + "segments."),
        ConfigDefinition(
            "segment.ms", .long, "604800000", .atLeast(1),
            synonyms: [ConfigSynonym("log.roll.ms"), ConfigSynonym("log.roll.hours", factor: hour)],
            "The age in milliseconds at which a segment is closed even if it is not full."),
        ConfigDefinition(
            "segment.jitter.ms", .long, "0", .atLeast(0),
            synonyms: [ConfigSynonym("log.roll.jitter.ms"), ConfigSynonym("log.roll.jitter.hours", factor: hour)],
            "The most milliseconds by which segment.ms is shortened at random, so that segments do not all roll at "
                + "once."),
        ConfigDefinition(
            "segment.index.bytes", .int, "10485760", .atLeast(4), synonyms: [ConfigSynonym("log.index.size.max.bytes")],
            "The most bytes an offset index takes; a full one closes its segment."),
        ConfigDefinition(
            "index.interval.bytes", .int, "4096", .atLeast(0), synonyms: [ConfigSynonym("log.index.interval.bytes")],
            "How many bytes of log lie between two index entries."),
        ConfigDefinition(
            "preallocate", .boolean, "false", synonyms: [ConfigSynonym("log.preallocate")],
            "Whether a new segment's whole size is reserved on disk at once rather than step by step."),
        ConfigDefinition(
            "flush.mode", .string, "sync", .oneOf(["sync", "async"]), synonyms: [ConfigSynonym("flush.mode")],
            "When a record counts as written. sync: when it is on disk; consumers see it from then on and acks=all "
                + "waits for it. async: when it is in the page cache, as in Kafka; a power cut may lose records that "
                + "were acknowledged and read. Weir's own key."),
        ConfigDefinition(
            "flush.messages", .long, "9223372036854775807", .atLeast(1),
            synonyms: [ConfigSynonym("log.flush.interval.messages")],
            "How many records may be written before the log is synced, with flush.mode=async; with sync, every write is "
                + "synced at once."),
        ConfigDefinition(
            "flush.ms", .long, "9223372036854775807", .atLeast(0),
            synonyms: [ConfigSynonym("log.flush.interval.ms"), ConfigSynonym("log.flush.scheduler.interval.ms")],
            "How many milliseconds may pass before a written record is synced, with flush.mode=async, where the largest "
                + "value means about ten seconds; with sync, every write is synced at once."),
    ]

    private static let times: [ConfigDefinition] = [
        ConfigDefinition(
            "retention.ms", .long, "604800000", .atLeast(-1),
            synonyms: [
                ConfigSynonym("log.retention.ms"), ConfigSynonym("log.retention.minutes", factor: minute),
                ConfigSynonym("log.retention.hours", factor: hour),
            ],
            "The age in milliseconds after which a segment is removed when cleanup.policy has delete; -1 keeps for "
                + "ever."),
        ConfigDefinition(
            "retention.bytes", .long, "-1", synonyms: [ConfigSynonym("log.retention.bytes")],
            "The size in bytes of a partition above which its oldest segments are removed when cleanup.policy has "
                + "delete; -1 for no limit."),
        ConfigDefinition(
            "file.delete.delay.ms", .long, "60000", .atLeast(0),
            synonyms: [ConfigSynonym("log.segment.delete.delay.ms")],
            "The milliseconds between taking a file out of the log and removing it from disk."),
        ConfigDefinition(
            "message.timestamp.type", .string, "CreateTime", .oneOf(["CreateTime", "LogAppendTime"]),
            synonyms: [ConfigSynonym("log.message.timestamp.type")],
            "Whose time a record carries: the producer's (CreateTime) or the broker's at the append (LogAppendTime)."),
        ConfigDefinition(
            "message.timestamp.before.max.ms", .long, "9223372036854775807", .atLeast(0),
            synonyms: [ConfigSynonym("log.message.timestamp.before.max.ms")],
            "The most milliseconds a record's timestamp may lie before the broker's clock; ignored with "
                + "LogAppendTime."),
        ConfigDefinition(
            "message.timestamp.after.max.ms", .long, "3600000", .atLeast(0),
            synonyms: [ConfigSynonym("log.message.timestamp.after.max.ms")],
            "The most milliseconds a record's timestamp may lie after the broker's clock; ignored with "
                + "LogAppendTime."),
        ConfigDefinition(
            "message.timestamp.difference.max.ms", .long, "9223372036854775807", .atLeast(0),
            effect: .notYet("removed in Kafka 4.0; set the before and after bounds instead"),
            "Removed in Kafka 4.0 for message.timestamp.before.max.ms and message.timestamp.after.max.ms."),
    ]

    private static let limits: [ConfigDefinition] = [
        ConfigDefinition(
            "max.message.bytes", .int, "1048588", .atLeast(0), synonyms: [ConfigSynonym("message.max.bytes")],
            "The largest record batch in bytes, compressed, that the topic takes."),
        ConfigDefinition(
            "compression.type", .string, "producer",
            .oneOf(["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"]),
            synonyms: [ConfigSynonym("compression.type")],
            "The codec in which batches are stored; producer keeps each batch as it came."),
        ConfigDefinition(
            "compression.gzip.level", .int, "-1", .integersOr(-1, 1...9),
            synonyms: [ConfigSynonym("compression.gzip.level")],
            "The level when compression.type is gzip; -1 is the library's own."),
        ConfigDefinition(
            "compression.lz4.level", .int, "9", .integers(1...17),
            synonyms: [ConfigSynonym("compression.lz4.level")], "The level when compression.type is lz4."),
        ConfigDefinition(
            "compression.zstd.level", .int, "3", .integers(-131_072...22),
            synonyms: [ConfigSynonym("compression.zstd.level")], "The level when compression.type is zstd."),
        ConfigDefinition(
            "message.format.version", .string, "3.0-IV1", .notEmpty,
            effect: .notYet("removed in Kafka 4.0; the format is always version 2"),
            "Removed in Kafka 4.0: records are always stored in format version 2."),
        ConfigDefinition(
            "message.downconversion.enable", .boolean, "true",
            effect: .notYet("removed in Kafka 4.0; nothing is ever converted down"),
            "Removed in Kafka 4.0: consumers of formats before version 2 are not served."),
    ]

    private static let compaction: [ConfigDefinition] = [
        ConfigDefinition(
            "cleanup.policy", .list, "delete", .someOf(["delete", "compact"]),
            synonyms: [ConfigSynonym("log.cleanup.policy")],
            "What happens to old segments: delete removes them by age and size, compact keeps the newest record of "
                + "each key. With compact, records without a key are refused."),
        ConfigDefinition(
            "min.cleanable.dirty.ratio", .double, "0.5", .doubles(0...1),
            synonyms: [ConfigSynonym("log.cleaner.min.cleanable.ratio")],
            "The share of a log that must be uncompacted before compaction takes it up."),
        ConfigDefinition(
            "min.compaction.lag.ms", .long, "0", .atLeast(0),
            synonyms: [ConfigSynonym("log.cleaner.min.compaction.lag.ms")],
            "The milliseconds for which a record stays uncompacted."),
        ConfigDefinition(
            "max.compaction.lag.ms", .long, "9223372036854775807", .atLeast(1),
            synonyms: [ConfigSynonym("log.cleaner.max.compaction.lag.ms")],
            "The milliseconds after which a record must have been looked at by compaction."),
        ConfigDefinition(
            "delete.retention.ms", .long, "86400000", .atLeast(0),
            synonyms: [ConfigSynonym("log.cleaner.delete.retention.ms")],
            "The milliseconds for which compaction keeps a tombstone."),
    ]

    private static let replication: [ConfigDefinition] = [
        ConfigDefinition(
            "min.insync.replicas", .int, "1", .atLeast(1),
            synonyms: [ConfigSynonym("min.insync.replicas")],
            "How many replicas must be in sync for acks=all to be accepted."),
        ConfigDefinition(
            "unclean.leader.election.enable", .boolean, "false", effect: replicationMissing,
            synonyms: [ConfigSynonym("unclean.leader.election.enable")],
            "Whether a replica that was not in sync may lead when no other can, losing records."),
        ConfigDefinition(
            "leader.replication.throttled.replicas", .list, "", effect: replicationMissing,
            "The replicas, as partition:broker or *, whose replication is throttled on the leader's side."),
        ConfigDefinition(
            "follower.replication.throttled.replicas", .list, "", effect: replicationMissing,
            "The replicas, as partition:broker or *, whose replication is throttled on the follower's side."),
    ]

    private static let tiered: [ConfigDefinition] = [
        ConfigDefinition(
            "remote.storage.enable", .boolean, "false", effect: tieredMissing,
            "Whether closed segments are copied to remote storage."),
        ConfigDefinition(
            "remote.log.copy.disable", .boolean, "false", effect: tieredMissing,
            "Whether segments stop being copied to remote storage."),
        ConfigDefinition(
            "remote.log.delete.on.disable", .boolean, "false", effect: tieredMissing,
            "Whether remote segments are removed when remote storage is turned off for the topic."),
        ConfigDefinition(
            "local.retention.ms", .long, "-2", .atLeast(-2), effect: tieredMissing,
            synonyms: [ConfigSynonym("log.local.retention.ms")],
            "The age at which a segment that is in remote storage is removed here; -2 means retention.ms."),
        ConfigDefinition(
            "local.retention.bytes", .long, "-2", .atLeast(-2), effect: tieredMissing,
            synonyms: [ConfigSynonym("log.local.retention.bytes")],
            "The size above which segments that are in remote storage are removed here; -2 means retention.bytes."),
    ]
}
