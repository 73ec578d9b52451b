// The broker keys of log compaction, but for the topics' defaults.

extension BrokerConfigs {
    static let cleaner: [ConfigDefinition] = [
        ConfigDefinition(
            "log.cleaner.enable", .boolean, "true", readOnly: true,
            "Whether topics with cleanup.policy=compact are compacted, __consumer_offsets among them."),
        ConfigDefinition(
            "log.cleaner.threads", .int, "1", .atLeast(0), readOnly: true,
            effect: .notYet("one log is compacted at a time, for each data directory"),
            "How many logs are compacted at a time."),
        ConfigDefinition(
            "log.cleaner.backoff.ms", .long, "15000", .atLeast(0), readOnly: true,
            "The milliseconds until the next look when no log needs compaction."),
        ConfigDefinition(
            "log.cleaner.dedupe.buffer.size", .long, "134217728", .atLeast(1_048_576), readOnly: true,
            "The most bytes for the table of keys of the log that is being compacted, 24 a key; more keys than fit are "
                + "taken in several passes. Less is taken for a small log."),
        ConfigDefinition(
            "log.cleaner.io.buffer.size", .int, "524288", .integers(1024...Int64(Int32.max)), readOnly: true,
            "The bytes that compaction reads, and writes, at a time."),
        ConfigDefinition(
            "log.cleaner.io.buffer.load.factor", .double, "0.9", .doubles(0.01...1), readOnly: true,
            "The share of the table of keys that may be filled; a fuller one is slower."),
        ConfigDefinition(
            "log.cleaner.io.max.bytes.per.second", .double, "1.7976931348623157E308",
            readOnly: true,
            "The most bytes that compaction reads and writes in a second, together."),
    ]
}
