import Testing
import WeirModel

@Suite struct BrokerSettingsTests {
    private func settings(_ values: [(String, String)], _ source: ConfigSource = .file) throws -> BrokerSettings {
        try BrokerSettings(values: values.map { (key: $0.0, value: $0.1, source: source) })
    }

    private func problem(_ values: (String, String)...) -> String {
        do {
            _ = try settings(values)
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test func defaults() throws {
        let settings = try settings([])
        #expect(settings.nodeID == BrokerID(1))
        #expect(settings.listeners.map(\.description) == ["PLAINTEXT://127.0.0.1:9092"])
        #expect(settings.logDirs == ["weir-data"])
        #expect(settings.numPartitions == 1)
        #expect(settings.autoCreateTopics)
        #expect(settings.offsetsTopicPartitions == 50)
        #expect(settings.groupInitialRebalanceDelayMs == 0)
        #expect(settings.socketRequestMaxBytes == 104_857_600)
        #expect(settings.flushMode == .sync)
        #expect(settings.warnings.isEmpty)
        #expect(settings.offsetsRetentionMs == 604_800_000)
        #expect(settings.messageMaxBytes == 1_048_588)
    }

    @Test func strongerSourcesWinInAnyOrder() throws {
        let entries: [(key: String, value: String, source: ConfigSource)] = [
            ("num.partitions", "2", .file), ("num.partitions", "3", .environment),
            ("num.partitions", "4", .commandLine),
        ]
        #expect(try BrokerSettings(values: entries).numPartitions == 4)
        #expect(try BrokerSettings(values: entries.reversed()).numPartitions == 4)
        #expect(try BrokerSettings(values: Array(entries.dropLast()).reversed()).numPartitions == 3)
        #expect(try BrokerSettings(values: entries).sources["num.partitions"] == .commandLine)
        #expect(try settings([("num.partitions", "5"), ("num.partitions", "6")]).numPartitions == 6)
    }

    @Test func environmentNames() throws {
        let entries = ConfigEntry.environment([
            "WEIR_LOG_SEGMENT_BYTES": "2048", "PATH": "/bin", "WEIR_TEST_PYTHON": "x", "WEIR_PORT": "tcp://1.2.3.4",
            "WEIR_SERVICE_HOST": "1.2.3.4", "WEIR_PORT_9092_TCP": "x",
        ])
        #expect(entries.map(\.key) == ["log.segment.bytes"])
        #expect(try BrokerSettings(entries: entries).topicDefaults.segmentBytes == 2048)
        #expect(ConfigEntry.environmentName(of: "log.segment.bytes") == "WEIR_LOG_SEGMENT_BYTES")
        // Every key has a name in the environment that leads back to it, but Kafka's one in mixed case.
        for definition in BrokerConfigs.all where definition.name != "zookeeper.clientCnxnSocket" {
            let name = ConfigEntry.environmentName(of: definition.name)
            #expect(ConfigEntry.environment([name: ""]).map(\.key) == [definition.name])
        }
    }

    @Test func aForeignVariableIsPassedOverAndAMisspeltOneRefused() throws {
        let foreign = try BrokerSettings(entries: ConfigEntry.environment(["WEIR_BINARY": "/usr/bin/weir"]))
        #expect(foreign.warnings.count == 1)
        #expect(throws: ConfigurationError.self) {
            try BrokerSettings(entries: ConfigEntry.environment(["WEIR_NUM_PARTITION": "2"]))
        }
    }

    @Test func setOptions() throws {
        let entry = try ConfigEntry.commandLine("ssl.cipher.suites=a=b")
        #expect(entry.key == "ssl.cipher.suites")
        #expect(entry.value == "a=b")
        #expect(throws: ConfigurationError("--set x: must be KEY=VALUE")) { try ConfigEntry.commandLine("x") }
        #expect(throws: ConfigurationError.self) { try ConfigEntry.commandLine("=x") }
    }

    @Test func refusalsSayWhereWhatAndWhatIsAllowed() throws {
        let entries = try PropertiesFile.parse("node.id=1\nnum.partitions=0\nnum.partition=1\n", name: "w.properties")
        do {
            _ = try BrokerSettings(entries: entries)
            Issue.record("not refused")
        } catch {
            #expect(
                error.problems == [
                    "w.properties, line 2: Invalid value '0' for configuration num.partitions: must be a whole number "
                        + "from 1 to 100000",
                    "w.properties, line 3: Unknown configuration num.partition; did you mean num.partitions?",
                ])
        }
    }

    @Test func kafkasRetentionChain() throws {
        #expect(try settings([("log.retention.hours", "2")]).topicDefaults.retentionMs == 7_200_000)
        #expect(
            try settings([("log.retention.hours", "2"), ("log.retention.minutes", "3")]).topicDefaults.retentionMs
                == 180_000)
        #expect(
            try settings([("log.retention.minutes", "3"), ("log.retention.ms", "4")]).topicDefaults.retentionMs == 4)
        #expect(try settings([("log.retention.hours", "-1")]).topicDefaults.retentionMs == -1)
        #expect(try settings([("log.roll.hours", "1")]).topicDefaults.segmentMs == 3_600_000)
        let broker = try settings([("log.retention.hours", "2")])
        #expect(TopicSettings(overrides: ["retention.ms": "9"], broker: broker).retentionMs == 9)
        #expect(TopicSettings(overrides: ["segment.bytes": "99"], broker: broker).retentionMs == 7_200_000)
    }

    @Test func everyTopicKeyIsResolved() throws {
        let broker = try settings([])
        let overrides = [
            "segment.bytes": "100", "segment.ms": "101", "segment.jitter.ms": "102", "segment.index.bytes": "103",
            "index.interval.bytes": "104", "preallocate": "true", "flush.mode": "async", "flush.messages": "105",
            "flush.ms": "106", "retention.ms": "107", "retention.bytes": "108", "file.delete.delay.ms": "109",
            "message.timestamp.type": "LogAppendTime", "message.timestamp.before.max.ms": "110",
            "message.timestamp.after.max.ms": "111", "max.message.bytes": "112", "compression.type": "zstd",
            "compression.gzip.level": "5", "compression.lz4.level": "6", "compression.zstd.level": "7",
            "cleanup.policy": "compact,delete", "min.cleanable.dirty.ratio": "0.25", "min.compaction.lag.ms": "113",
            "max.compaction.lag.ms": "114", "delete.retention.ms": "115", "min.insync.replicas": "2",
            "unclean.leader.election.enable": "true",
        ]
        var expected = TopicSettings()
        expected.segmentBytes = 100
        expected.segmentMs = 101
        expected.segmentJitterMs = 102
        expected.segmentIndexBytes = 103
        expected.indexIntervalBytes = 104
        expected.preallocate = true
        expected.flushMode = .async
        expected.flushMessages = 105
        expected.flushMs = 106
        expected.retentionMs = 107
        expected.retentionBytes = 108
        expected.fileDeleteDelayMs = 109
        expected.timestampType = .logAppendTime
        expected.timestampBeforeMaxMs = 110
        expected.timestampAfterMaxMs = 111
        expected.maxMessageBytes = 112
        expected.compressionType = "zstd"
        expected.compressionGzipLevel = 5
        expected.compressionLz4Level = 6
        expected.compressionZstdLevel = 7
        expected.cleanupPolicy = [.compact, .delete]
        expected.minCleanableDirtyRatio = 0.25
        expected.minCompactionLagMs = 113
        expected.maxCompactionLagMs = 114
        expected.deleteRetentionMs = 115
        expected.minInsyncReplicas = 2
        expected.uncleanLeaderElection = true
        #expect(TopicSettings(overrides: overrides, broker: broker) == expected)
    }

    @Test func kafkasKeysAreAcceptedWithAWarning() throws {
        let settings = try settings([
            ("zookeeper.connect", "z:2181"), ("process.roles", "broker,controller"), ("num.io.threads", "8"),
            ("log.cleaner.threads", "2"),
        ])
        #expect(settings.warnings.count == 4)
        #expect(settings.warnings.contains { $0.hasPrefix("zookeeper.connect does not apply to Weir") })
        #expect(settings.warnings.contains { $0.hasPrefix("log.cleaner.threads has no effect yet") })
    }

    @Test func listenersAreRead() throws {
        let settings = try settings([
            ("listeners", "PLAINTEXT://[::1]:0, B://localhost:9093"),
            ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,B:PLAINTEXT"),
            ("advertised.listeners", "B://example.org:19093"),
        ])
        #expect(
            settings.listeners == [
                ListenerAddress(host: "::1", port: 0), ListenerAddress(name: "B", host: "localhost", port: 9093),
            ])
        #expect(settings.advertisedListeners == [ListenerAddress(name: "B", host: "example.org", port: 19093)])
        #expect(ListenerAddress("127.0.0.1:9092")?.description == "PLAINTEXT://127.0.0.1:9092")
        for wrong in ["x", "x:", ":70000x", "a:b:1", "://h:1", "h:-1", "h:65536", "[::1:1", "n m://h:1", "h /:1"] {
            #expect(ListenerAddress(wrong) == nil, "\(wrong)")
        }
        #expect(ListenerAddress(":9092")?.isWildcard == true)
        for (host, loopback) in [
            ("127.0.0.1", true), ("127.9.9.9", true), ("localhost", true), ("::1", true), ("0.0.0.0", false),
            ("127.0.0.1.example.org", false), ("10.0.0.1", false), ("", false),
        ] {
            #expect(ListenerAddress(host: host, port: 1).isLoopback == loopback, "\(host)")
        }
    }

    @Test func contradictionsAreRefused() {
        #expect(problem(("listeners", "PLAINTEXT://0.0.0.0:9092")).contains("--allow-plaintext"))
        #expect(problem(("listeners", "PLAINTEXT://0.0.0.0:9092"), ("allow.plaintext", "true")) == "")
        #expect(problem(("listeners", "SSL://127.0.0.1:9092")).contains("not built yet"))
        #expect(problem(("listeners", "X://127.0.0.1:9092")).contains("listener.security.protocol.map"))
        #expect(problem(("listeners", "")).contains("at least one"))
        #expect(problem(("listeners", "PLAINTEXT://127.0.0.1:1,PLAINTEXT://127.0.0.1:2")).contains("name of its own"))
        #expect(problem(("listeners", "127.0.0.1")).contains("NAME://HOST:PORT"))
        #expect(problem(("advertised.listeners", "PLAINTEXT://0.0.0.0:1")).contains("cannot connect"))
        #expect(problem(("advertised.listeners", "Y://h:1")).contains("no listener named Y"))
        #expect(problem(("group.min.session.timeout.ms", "2000000")).contains("must not exceed"))
        #expect(problem(("broker.heartbeat.interval.ms", "9000")).contains("must be less than"))
        #expect(problem(("log.dirs", "a,a")).contains("log.dirs"))
        #expect(problem(("registry", "etcd://x:1")).contains("not built yet"))
        #expect(problem(("max.connections.per.ip.overrides", "1.2.3.4")).contains("ADDRESS:COUNT"))
        #expect(problem(("max.connections.per.ip.overrides", "1.2.3.4:5,::1:6")) == "")
        #expect(problem(("num.partitions", "20000")).contains("topic.partitions.max"))
    }

    /// The file that comes with Kafka 4, without its comments.
    @Test func kafkasOwnFileIsTaken() throws {
        let file = """
            process.roles=broker,controller
            node.id=1
            controller.quorum.bootstrap.servers=localhost:9093
            listeners=PLAINTEXT://:9092,CONTROLLER://:9093
            inter.broker.listener.name=PLAINTEXT
            advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
            controller.listener.names=CONTROLLER
            listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL
            num.network.threads=3
            num.io.threads=8
            socket.send.buffer.bytes=102400
            socket.receive.buffer.bytes=102400
            socket.request.max.bytes=104857600
            log.dirs=/tmp/kraft-combined-logs
            num.partitions=1
            num.recovery.threads.per.data.dir=2
            offsets.topic.replication.factor=1
            share.coordinator.state.topic.replication.factor=1
            share.coordinator.state.topic.min.isr=1
            transaction.state.log.replication.factor=1
            transaction.state.log.min.isr=1
            log.retention.hours=168
            log.segment.bytes=1073741824
            log.retention.check.interval.ms=300000
            """
        let allow = ConfigEntry(
            key: "allow.plaintext", value: "true", source: .commandLine, origin: "--allow-plaintext")
        let settings = try BrokerSettings(entries: PropertiesFile.parse(file, name: "server.properties") + [allow])
        #expect(settings.listeners.map(\.description) == ["PLAINTEXT://:9092"])
        #expect(settings.advertisedListeners.map(\.hostAndPort) == ["localhost:9092"])
    }

    @Test func brokerIdIsNodeId() throws {
        #expect(try settings([("broker.id", "7")]).nodeID == BrokerID(7))
        #expect(try settings([("broker.id", "7"), ("node.id", "8")]).nodeID == BrokerID(8))
    }

    @Test func dynamicSettingsAreStrongest() throws {
        let settings = try settings([("log.retention.ms", "5"), ("num.partitions", "3")]).applying(
            dynamicForBroker: ["log.retention.ms": "7", "num.partitions": "9"],
            dynamicForAll: ["log.retention.ms": "6", "message.max.bytes": "2000"])
        #expect(settings.topicDefaults.retentionMs == 7)
        #expect(settings.messageMaxBytes == 2000)
        // Read at start only.
        #expect(settings.numPartitions == 3)
        #expect(
            settings.applying(dynamicForBroker: [:], dynamicForAll: [:]).topicDefaults.retentionMs == 5)
    }
}
