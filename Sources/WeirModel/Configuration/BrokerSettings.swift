/// A broker's configuration, checked, resolved and typed.
///
/// Every setting is the strongest of: dynamic for this broker, dynamic for all brokers, command line, environment, file,
/// default. Units are in the names; documentation of each key: `BrokerConfigs`.
public struct BrokerSettings: Sendable {
    /// What was set explicitly, by Kafka's names, the strongest of each.
    public private(set) var values: [String: String] = [:]
    /// Where each of `values` was set.
    public private(set) var sources: [String: ConfigSource] = [:]
    /// Settings kept in the registry for this broker.
    public private(set) var dynamicForBroker: [String: String] = [:]
    /// Settings kept in the registry for all brokers.
    public private(set) var dynamicForAll: [String: String] = [:]
    /// What to tell the operator: keys that do not apply to Weir or have no effect yet. One sentence each.
    public private(set) var warnings: [String] = []
    /// The settings of a topic that sets nothing itself.
    public private(set) var topicDefaults = TopicSettings()

    // Identity and listeners.
    public private(set) var nodeID = BrokerID(1)
    public private(set) var rack: String?
    public private(set) var listeners: [ListenerAddress] = []
    /// What clients are told, by listener name; a listener that is not here is advertised as it is.
    public private(set) var advertisedListeners: [ListenerAddress] = []
    public private(set) var allowPlaintext = false
    /// `embedded`, or where else the cluster's metadata is kept.
    public private(set) var registry = "embedded"
    public private(set) var brokerSessionTimeoutMs: Int64 = 0
    public private(set) var brokerHeartbeatIntervalMs: Int64 = 0
    public private(set) var logLevel = "info"
    public private(set) var logFormat = "text"

    // Storage.
    public private(set) var logDirs: [String] = []
    public private(set) var flushMode = FlushMode.sync
    public private(set) var flusherThreads = 0
    public private(set) var logMaxOpenFiles = 0
    public private(set) var logRetentionCheckIntervalMs: Int64 = 0
    public private(set) var logFlushOffsetCheckpointIntervalMs: Int64 = 0
    public private(set) var logFlushStartOffsetCheckpointIntervalMs: Int64 = 0
    public private(set) var producerIDExpirationMs: Int64 = 0
    public private(set) var producerIDExpirationCheckIntervalMs: Int64 = 0
    public private(set) var messageMaxBytes = 0
    public private(set) var logCleanerEnable = true
    public private(set) var logCleanerBackoffMs: Int64 = 0
    public private(set) var logCleanerDedupeBufferSize: Int64 = 0
    public private(set) var logCleanerIOBufferSize = 0
    public private(set) var logCleanerIOBufferLoadFactor = 0.0
    public private(set) var logCleanerIOMaxBytesPerSecond = 0.0
    public private(set) var batchDecompressedMaxBytes = 0

    // Connections and requests.
    /// Event loops; 0 is one for each processor.
    public private(set) var numNetworkThreads = 0
    public private(set) var socketRequestMaxBytes = 0
    /// -1 for no limit.
    public private(set) var queuedMaxRequestBytes = 0
    public private(set) var maxConnections = 0
    public private(set) var maxConnectionsPerIP = 0
    /// Other limits for single addresses.
    public private(set) var maxConnectionsPerIPOverrides: [String: Int] = [:]
    /// -1 for never.
    public private(set) var connectionsMaxIdleMs: Int64 = 0
    public private(set) var socketListenBacklogSize = 0
    /// -1 leaves it to the system.
    public private(set) var socketSendBufferBytes = 0
    /// -1 leaves it to the system.
    public private(set) var socketReceiveBufferBytes = 0
    public private(set) var fetchMaxBytes = 0
    public private(set) var maxIncrementalFetchSessionCacheSlots = 0
    public private(set) var shutdownTimeoutMs: Int64 = 0

    // Topics and groups.
    public private(set) var numPartitions: Int32 = 0
    public private(set) var defaultReplicationFactor: Int16 = 0
    public private(set) var autoCreateTopics = false
    public private(set) var deleteTopicEnable = false
    public private(set) var topicPartitionsMax: Int32 = 0
    public private(set) var offsetsTopicPartitions: Int32 = 0
    public private(set) var offsetsTopicReplicationFactor: Int16 = 0
    public private(set) var offsetsTopicSegmentBytes = 0
    public private(set) var offsetMetadataMaxBytes = 0
    public private(set) var offsetsRetentionMs: Int64 = 0
    public private(set) var offsetsRetentionCheckIntervalMs: Int64 = 0
    public private(set) var groupInitialRebalanceDelayMs: Int64 = 0
    public private(set) var groupMinSessionTimeoutMs: Int64 = 0
    public private(set) var groupMaxSessionTimeoutMs: Int64 = 0
    public private(set) var groupMaxSize = 0
    public private(set) var transactionMaxTimeoutMs: Int64 = 0

    /// The defaults.
    public init() { resolve() }

    /// Takes settings of any sources in any order; among those of one source the last wins.
    public init(entries: [ConfigEntry]) throws(ConfigurationError) {
        var problems: [String] = []
        var foreign: [String] = []
        for entry in entries {
            if entry.isForeign {
                foreign.append("\(entry.origin) is not a setting of Weir's and is passed over")
                continue
            }
            if let problem = BrokerConfigs.validate(name: entry.key, value: entry.value) {
                problems.append("\(entry.origin): \(problem)")
            }
            if let earlier = sources[entry.key], earlier > entry.source { continue }
            values[entry.key] = entry.value
            sources[entry.key] = entry.source
        }
        guard problems.isEmpty else { throw ConfigurationError(problems) }
        warnings = foreign + Self.warnings(about: values.keys.sorted())
        resolve()
        problems = contradictions()
        guard problems.isEmpty else { throw ConfigurationError(problems) }
    }

    /// The same without the places the settings came from.
    public init(values: [(key: String, value: String, source: ConfigSource)]) throws(ConfigurationError) {
        try self.init(
            entries: values.map { ConfigEntry(key: $0.key, value: $0.value, source: $0.source, origin: $0.key) })
    }

    /// The same settings with those of the registry on top. Settings that only count at start stay as they are.
    public func applying(dynamicForBroker: [String: String], dynamicForAll: [String: String]) -> BrokerSettings {
        var settings = self
        settings.dynamicForBroker = dynamicForBroker.filter { Self.isDynamic($0.key) }
        settings.dynamicForAll = dynamicForAll.filter { Self.isDynamic($0.key) }
        settings.resolve()
        return settings
    }

    /// The value of a key as text: what was set, else the default; nil when there is neither.
    public func value(_ key: String) -> String? {
        dynamicForBroker[key] ?? dynamicForAll[key] ?? values[key] ?? BrokerConfigs.definition(key)?.defaultValue
    }

    private static func isDynamic(_ key: String) -> Bool {
        BrokerConfigs.definition(key).map { !$0.isReadOnly } ?? false
    }

    private static func warnings(about keys: [String]) -> [String] {
        keys.compactMap { key in
            switch BrokerConfigs.definition(key)?.effect {
            case .notYet(let reason): "\(key) has no effect yet: \(reason)"
            case .notApplicable(let reason): "\(key) does not apply to Weir: \(reason)"
            case .applies, nil: nil
            }
        }
    }
}

extension BrokerSettings {
    private func integer(_ key: String) -> Int { Int(truncatingIfNeeded: long(key)) }
    private func long(_ key: String) -> Int64 { value(key).flatMap(ConfigValue.integer) ?? 0 }
    private func int32(_ key: String) -> Int32 { Int32(clamping: long(key)) }
    private func int16(_ key: String) -> Int16 { Int16(clamping: long(key)) }
    private func double(_ key: String) -> Double { value(key).flatMap(ConfigValue.double) ?? 0 }
    private func boolean(_ key: String) -> Bool { value(key).flatMap(ConfigValue.boolean) ?? false }
    private func text(_ key: String) -> String { value(key).map(ConfigValue.trimmed) ?? "" }
    private func list(_ key: String) -> [String] { value(key).map(ConfigValue.list) ?? [] }

    private mutating func resolve() {
        resolveIdentity()
        resolveStorage()
        resolveConnections()
        resolveTopicsAndGroups()
        topicDefaults = TopicSettings()
        for definition in TopicConfigs.all {
            guard let value = inherited(definition) else { continue }
            topicDefaults.set(definition.name, value)
        }
    }

    /// What a topic's key is when the topic does not set it, in the topic key's unit.
    public func inherited(_ definition: ConfigDefinition) -> String? {
        for synonym in definition.synonyms {
            guard let value = value(synonym.name) else { continue }
            guard synonym.factor > 1, let number = ConfigValue.integer(value) else { return value }
            // A negative number of hours or minutes means no limit, whichever it is.
            if number < 0 { return "-1" }
            let (product, overflow) = number.multipliedReportingOverflow(by: synonym.factor)
            return String(overflow ? Int64.max : product)
        }
        return definition.defaultValue
    }

    private mutating func resolveIdentity() {
        let explicitNode = values["node.id"] == nil ? values["broker.id"] : nil
        nodeID = BrokerID(explicitNode.flatMap(ConfigValue.integer).map { Int32(clamping: $0) } ?? int32("node.id"))
        rack = value("broker.rack").map(ConfigValue.trimmed)
        // A Kafka file of a combined node names a listener for its controller, which Weir has no use for.
        let controllers = Set(list("controller.listener.names").map { $0.uppercased() })
        func served(_ key: String) -> [ListenerAddress] {
            list(key).compactMap { ListenerAddress($0) }.filter { !controllers.contains($0.name) }
        }
        listeners = served("listeners")
        advertisedListeners = served("advertised.listeners")
        allowPlaintext = boolean("allow.plaintext")
        registry = text("registry")
        brokerSessionTimeoutMs = long("broker.session.timeout.ms")
        brokerHeartbeatIntervalMs = long("broker.heartbeat.interval.ms")
        logLevel = text("log.level")
        logFormat = text("log.format")
    }

    private mutating func resolveStorage() {
        let several = list("log.dirs")
        logDirs = several.isEmpty ? [text("log.dir")] : several
        flushMode = FlushMode(rawValue: text("flush.mode")) ?? .sync
        flusherThreads = integer("flusher.threads")
        logMaxOpenFiles = integer("log.max.open.files")
        logRetentionCheckIntervalMs = long("log.retention.check.interval.ms")
        logFlushOffsetCheckpointIntervalMs = long("log.flush.offset.checkpoint.interval.ms")
        logFlushStartOffsetCheckpointIntervalMs = long("log.flush.start.offset.checkpoint.interval.ms")
        producerIDExpirationMs = long("producer.id.expiration.ms")
        producerIDExpirationCheckIntervalMs = long("producer.id.expiration.check.interval.ms")
        messageMaxBytes = integer("message.max.bytes")
        logCleanerEnable = boolean("log.cleaner.enable")
        logCleanerBackoffMs = long("log.cleaner.backoff.ms")
        logCleanerDedupeBufferSize = long("log.cleaner.dedupe.buffer.size")
        logCleanerIOBufferSize = integer("log.cleaner.io.buffer.size")
        logCleanerIOBufferLoadFactor = double("log.cleaner.io.buffer.load.factor")
        logCleanerIOMaxBytesPerSecond = double("log.cleaner.io.max.bytes.per.second")
        batchDecompressedMaxBytes = integer("batch.decompressed.max.bytes")
    }

    private mutating func resolveConnections() {
        numNetworkThreads = integer("num.network.threads")
        socketRequestMaxBytes = integer("socket.request.max.bytes")
        queuedMaxRequestBytes = integer("queued.max.request.bytes")
        maxConnections = integer("max.connections")
        maxConnectionsPerIP = integer("max.connections.per.ip")
        maxConnectionsPerIPOverrides = [:]
        for item in list("max.connections.per.ip.overrides") {
            guard let colon = item.lastIndex(of: ":"), let count = Int(item[item.index(after: colon)...]) else {
                continue
            }
            maxConnectionsPerIPOverrides[ConfigValue.trimmed(String(item[..<colon]))] = count
        }
        connectionsMaxIdleMs = long("connections.max.idle.ms")
        socketListenBacklogSize = integer("socket.listen.backlog.size")
        socketSendBufferBytes = integer("socket.send.buffer.bytes")
        socketReceiveBufferBytes = integer("socket.receive.buffer.bytes")
        fetchMaxBytes = integer("fetch.max.bytes")
        maxIncrementalFetchSessionCacheSlots = integer("max.incremental.fetch.session.cache.slots")
        shutdownTimeoutMs = long("shutdown.timeout.ms")
    }

    private mutating func resolveTopicsAndGroups() {
        numPartitions = int32("num.partitions")
        defaultReplicationFactor = int16("default.replication.factor")
        autoCreateTopics = boolean("auto.create.topics.enable")
        deleteTopicEnable = boolean("delete.topic.enable")
        topicPartitionsMax = int32("topic.partitions.max")
        offsetsTopicPartitions = int32("offsets.topic.num.partitions")
        offsetsTopicReplicationFactor = int16("offsets.topic.replication.factor")
        offsetsTopicSegmentBytes = integer("offsets.topic.segment.bytes")
        offsetMetadataMaxBytes = integer("offset.metadata.max.bytes")
        offsetsRetentionMs = long("offsets.retention.minutes") &* 60_000
        offsetsRetentionCheckIntervalMs = long("offsets.retention.check.interval.ms")
        groupInitialRebalanceDelayMs = long("group.initial.rebalance.delay.ms")
        groupMinSessionTimeoutMs = long("group.min.session.timeout.ms")
        groupMaxSessionTimeoutMs = long("group.max.session.timeout.ms")
        groupMaxSize = integer("group.max.size")
        transactionMaxTimeoutMs = long("transaction.max.timeout.ms")
    }
}
