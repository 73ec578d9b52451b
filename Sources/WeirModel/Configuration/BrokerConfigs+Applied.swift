// The broker keys that Weir acts on, but for the topics' defaults.

extension BrokerConfigs {
    static let identity: [ConfigDefinition] = [
        ConfigDefinition(
            "node.id", .int, "1", .integers(0...Int64(Int32.max)), readOnly: true,
            "This broker's number, different from every other broker's in the cluster. Kafka has no default."),
        ConfigDefinition(
            "broker.id", .int, nil, .integers(0...Int64(Int32.max)), readOnly: true,
            "Kafka's older name of node.id, which wins when both are set."),
        ConfigDefinition(
            "broker.rack", .string, nil, readOnly: true, "The rack or zone this broker stands in, shown to clients."),
        ConfigDefinition(
            "listeners", .list, "PLAINTEXT://127.0.0.1:9092", .notEmpty, readOnly: true,
            "Where the broker listens: NAME://HOST:PORT, comma-separated. Port 0 takes a free one; HOST 0.0.0.0 or an "
                + "empty one is every address. Kafka's default listens on every address."),
        ConfigDefinition(
            "advertised.listeners", .list, nil, readOnly: true,
            "The addresses that clients are told, NAME://HOST:PORT for each listener; without it the listeners' own."),
        ConfigDefinition(
            "listener.security.protocol.map", .list,
            "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL", readOnly: true,
            "Which security protocol each listener name stands for: NAME:PROTOCOL, comma-separated."),
        ConfigDefinition(
            "allow.plaintext", .boolean, "false", readOnly: true,
            "Whether a listener without TLS may stand on an address that is not loopback. Weir's own key; "
                + "--allow-plaintext sets it."),
        ConfigDefinition(
            "registry", .string, "embedded", .notEmpty, readOnly: true,
            "Where the cluster's metadata is kept; embedded is a database in the first data directory, and the only "
                + "one built so far. Weir's own key."),
        ConfigDefinition(
            "broker.session.timeout.ms", .int, "9000", .atLeast(1), readOnly: true,
            effect: .notYet("clusters of several brokers are not built yet"),
            "The milliseconds without a sign of life after which the registry counts this broker as gone."),
        ConfigDefinition(
            "broker.heartbeat.interval.ms", .int, "2000", .atLeast(1), readOnly: true,
            effect: .notYet("clusters of several brokers are not built yet"),
            "The milliseconds between two signs of life to the registry."),
        ConfigDefinition(
            "log.level", .string, "info", .oneOf(["trace", "debug", "info", "notice", "warning", "error", "critical"]),
            readOnly: true, "The least severe messages that are logged. Weir's own key."),
        ConfigDefinition(
            "log.format", .string, "text", .oneOf(["text", "json"]), readOnly: true,
            "How log lines look: text for people, json for machines, one object a line. Weir's own key."),
    ]

    static let storage: [ConfigDefinition] = [
        ConfigDefinition(
            "log.dirs", .list, nil, readOnly: true,
            "The data directory; without it log.dir. --data sets it. More than one, comma-separated, is not built yet."),
        ConfigDefinition(
            "log.dir", .string, "weir-data", .notEmpty, readOnly: true,
            "The data directory when log.dirs is not set. Kafka's default is /tmp/kafka-logs."),
        ConfigDefinition(
            "flusher.threads", .int, "8", .integers(1...64), readOnly: true,
            "How many threads sync dirty logs in parallel, for each data directory. Weir's own key."),
        ConfigDefinition(
            "log.max.open.files", .int, "512", .integers(16...1_000_000), readOnly: true,
            "How many of the logs' files are held open at once; others are opened again when they are needed. Weir's "
                + "own key."),
        ConfigDefinition(
            "log.retention.check.interval.ms", .long, "300000", .atLeast(1), readOnly: true,
            "The milliseconds between two looks for segments past their retention."),
        ConfigDefinition(
            "log.flush.offset.checkpoint.interval.ms", .int, "60000", .atLeast(0), readOnly: true,
            "The milliseconds between two writings of the recovery point, from which a start after a crash reads on."),
        ConfigDefinition(
            "log.flush.start.offset.checkpoint.interval.ms", .int, "60000", .atLeast(0), readOnly: true,
            effect: .notYet("start offsets are written with the recovery points"),
            "The milliseconds between two writings of the logs' start offsets."),
        ConfigDefinition(
            "producer.id.expiration.ms", .int, "86400000", .atLeast(1), readOnly: true,
            "The milliseconds for which a partition remembers an idempotent producer that has gone quiet."),
        ConfigDefinition(
            "producer.id.expiration.check.interval.ms", .int, "600000", .atLeast(1), readOnly: true,
            effect: .notYet("producers are forgotten as their partitions are looked after"),
            "The milliseconds between two looks for idempotent producers to forget."),
        ConfigDefinition(
            "batch.decompressed.max.bytes", .int, "67108864", .atLeast(1024), readOnly: true,
            "The most bytes that a compressed batch may hold once decompressed; a larger one is refused, whatever its "
                + "compressed size. Weir's own key."),
    ]

    static let connections: [ConfigDefinition] = [
        ConfigDefinition(
            "num.network.threads", .int, "0", .integers(0...1024), readOnly: true,
            "How many event loops serve connections; 0 is one for each processor. Kafka's default is 3."),
        ConfigDefinition(
            "socket.request.max.bytes", .int, "104857600", .integers(1024...Int64(Int32.max)), readOnly: true,
            "The largest request in bytes; a connection that announces a larger one is closed."),
        ConfigDefinition(
            "queued.max.request.bytes", .long, "268435456", .integersOr(-1, 1_048_576...Int64.max), readOnly: true,
            "The bytes of requests in memory above which no more are read until some are answered; -1 for no limit. "
                + "Kafka's default is -1."),
        ConfigDefinition(
            "max.connections", .int, "2147483647", .atLeast(0), readOnly: true,
            "The most connections at once; those beyond are closed as they come."),
        ConfigDefinition(
            "max.connections.per.ip", .int, "2147483647", .atLeast(0), readOnly: true,
            "The most connections at once from one address."),
        ConfigDefinition(
            "max.connections.per.ip.overrides", .string, "", readOnly: true,
            "Other limits for single addresses: ADDRESS:COUNT, comma-separated."),
        ConfigDefinition(
            "connections.max.idle.ms", .long, "600000", .integersOr(-1, 1...Int64.max), readOnly: true,
            "The milliseconds without traffic after which a connection is closed; -1 for never."),
        ConfigDefinition(
            "socket.listen.backlog.size", .int, "1024", .integers(1...65_535), readOnly: true,
            "How many connections may wait to be accepted. Kafka's default is 50."),
        ConfigDefinition(
            "socket.send.buffer.bytes", .int, "-1", .integersOr(-1, 1...Int64(Int32.max)), readOnly: true,
            "The sockets' send buffer; -1 leaves it to the system. Kafka's default is 102400."),
        ConfigDefinition(
            "socket.receive.buffer.bytes", .int, "-1", .integersOr(-1, 1...Int64(Int32.max)), readOnly: true,
            "The sockets' receive buffer; -1 leaves it to the system. Kafka's default is 102400."),
        ConfigDefinition(
            "fetch.max.bytes", .int, "57671680", .atLeast(1024), readOnly: true,
            "The most bytes of records in one answer to a fetch, whatever the client asks for; a first batch larger "
                + "than this still goes out whole."),
        ConfigDefinition(
            "max.incremental.fetch.session.cache.slots", .int, "1000", .atLeast(0), readOnly: true,
            "The most incremental fetch sessions that are remembered."),
        ConfigDefinition(
            "shutdown.timeout.ms", .long, "30000", .integers(0...600_000), readOnly: true,
            "The milliseconds a stop waits for requests in flight. Weir's own key."),
    ]

    static let topicsAndGroups: [ConfigDefinition] = [
        ConfigDefinition(
            "num.partitions", .int, "1", .integers(1...100_000), readOnly: true,
            "The partitions of a topic that does not say, one created by its first use included."),
        ConfigDefinition(
            "default.replication.factor", .int, "1", .integers(1...Int64(Int16.max)), readOnly: true,
            "The replicas of a topic that does not say."),
        ConfigDefinition(
            "auto.create.topics.enable", .boolean, "true", readOnly: true,
            "Whether a topic is made when a client first names it."),
        ConfigDefinition(
            "delete.topic.enable", .boolean, "true", readOnly: true, "Whether topics may be deleted."),
        ConfigDefinition(
            "topic.partitions.max", .int, "10000", .integers(1...1_000_000), readOnly: true,
            "The most partitions that one topic may have. Weir's own key."),
        ConfigDefinition(
            "offsets.topic.num.partitions", .int, "50", .integers(1...10_000), readOnly: true,
            "The partitions of the topic that keeps committed offsets. Kafka's number costs nothing here, because a "
                + "partition has no files before its first record, and it never has to change when brokers join."),
        ConfigDefinition(
            "offsets.topic.replication.factor", .short, "3", .integers(1...Int64(Int16.max)), readOnly: true,
            "The replicas of that topic; when there are fewer brokers, as many as there are."),
        ConfigDefinition(
            "offsets.topic.segment.bytes", .int, "104857600", .atLeast(14), readOnly: true,
            "That topic's segment.bytes."),
        ConfigDefinition(
            "offset.metadata.max.bytes", .int, "4096", .atLeast(0), readOnly: true,
            "The longest text that a client may put beside a committed offset."),
        ConfigDefinition(
            "offsets.retention.minutes", .int, "10080", .atLeast(1), readOnly: true,
            "How long a group without members keeps its offsets. While a group has members nothing expires."),
        ConfigDefinition(
            "offsets.retention.check.interval.ms", .long, "600000", .atLeast(1), readOnly: true,
            "The milliseconds between two looks for expired offsets."),
        ConfigDefinition(
            "group.initial.rebalance.delay.ms", .int, "0", .atLeast(0), readOnly: true,
            "How long the first rebalance of an empty group waits for more members. Kafka waits 3000, which makes "
                + "every start feel slow and starves clients that poll for a few seconds only."),
        ConfigDefinition(
            "group.min.session.timeout.ms", .int, "6000", .atLeast(0), readOnly: true,
            "The shortest session timeout a group member may ask for."),
        ConfigDefinition(
            "group.max.session.timeout.ms", .int, "1800000", .atLeast(0), readOnly: true,
            "The longest session timeout a group member may ask for."),
        ConfigDefinition(
            "group.max.size", .int, "2147483647", .atLeast(1), readOnly: true, "The most members of a group."),
    ]
}
