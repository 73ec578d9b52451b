import Testing
import WeirModel

@Suite struct ConfigListingTests {
    private typealias Synonym = ConfigDescription.Synonym

    private func entry(_ name: String, _ list: [ConfigDescription]) throws -> ConfigDescription {
        try #require(list.first { $0.name == name })
    }

    @Test func everyTopicKeyIsListed() {
        let list = ConfigListing.topic(overrides: [:], broker: BrokerSettings())
        #expect(list.map(\.name) == TopicConfigs.all.map(\.name))
        for entry in list {
            #expect(entry.source == .default, "\(entry.name)")
            #expect(entry.value == TopicConfigs.definition(entry.name)?.defaultValue, "\(entry.name)")
            #expect(entry.synonyms.first?.source == .default || entry.synonyms.isEmpty, "\(entry.name)")
            #expect(!entry.isReadOnly)
        }
    }

    @Test func synonymsStandInKafkasOrder() throws {
        let broker = try BrokerSettings(values: [("log.retention.minutes", "10", .file)]).applying(
            dynamicForBroker: ["log.retention.ms": "1"], dynamicForAll: ["log.retention.ms": "2"])
        let own = try entry("retention.ms", ConfigListing.topic(overrides: ["retention.ms": "3"], broker: broker))
        #expect(own.value == "3")
        #expect(own.source == .topic)
        #expect(
            own.synonyms == [
                Synonym(name: "retention.ms", value: "3", source: .topic),
                Synonym(name: "log.retention.ms", value: "1", source: .dynamicBroker),
                Synonym(name: "log.retention.ms", value: "2", source: .dynamicDefaultBroker),
                Synonym(name: "log.retention.minutes", value: "10", source: .staticBroker),
                Synonym(name: "log.retention.hours", value: "168", source: .default),
            ])
        let inherited = try entry("retention.ms", ConfigListing.topic(overrides: [:], broker: broker))
        #expect(inherited.value == "1")
        #expect(inherited.source == .dynamicBroker)
    }

    @Test func staticSettingsInOtherUnitsAreConverted() throws {
        let broker = try BrokerSettings(values: [("log.retention.minutes", "10", .file)])
        let entry = try entry("retention.ms", ConfigListing.topic(overrides: [:], broker: broker))
        #expect(entry.value == "600000")
        #expect(entry.source == .staticBroker)
        #expect(entry.type == .long)
    }

    @Test func onlyTheNamedAreListed() {
        let list = ConfigListing.topic(
            overrides: [:], broker: BrokerSettings(), names: ["segment.ms", "no.such.key", "cleanup.policy"])
        #expect(list.map(\.name) == ["cleanup.policy", "segment.ms"])
    }

    @Test func brokerKeys() throws {
        let broker = try BrokerSettings(values: [
            ("num.partitions", "4", .commandLine), ("ssl.key.password", "secret", .file),
            ("zookeeper.connect", "z", .file),
        ])
        let list = ConfigListing.broker(broker)
        let partitions = try entry("num.partitions", list)
        #expect(partitions.value == "4")
        #expect(partitions.source == .staticBroker)
        #expect(partitions.isReadOnly)
        #expect(
            partitions.synonyms == [
                Synonym(name: "num.partitions", value: "4", source: .staticBroker),
                Synonym(name: "num.partitions", value: "1", source: .default),
            ])
        let secret = try entry("ssl.key.password", list)
        #expect(secret.value == nil)
        #expect(secret.isSensitive)
        #expect(secret.synonyms == [Synonym(name: "ssl.key.password", value: nil, source: .staticBroker)])
        #expect(try entry("zookeeper.connect", list).value == "z")
        #expect(!list.contains { $0.name == "zookeeper.session.timeout.ms" })
        #expect(try !entry("log.retention.ms", list).isReadOnly)
        #expect(try entry("message.max.bytes", list).value == "1048588")
    }

    @Test func brokerDefaults() {
        let list = ConfigListing.brokerDefaults(["log.retention.ms": "5"])
        #expect(list.map(\.name) == ["log.retention.ms"])
        #expect(list.first?.source == .dynamicDefaultBroker)
    }
}

@Suite struct ConfigAlterationTests {
    private let broker = BrokerSettings()

    private func change(_ name: String, _ operation: ConfigOperation, _ value: String?) -> ConfigChange {
        ConfigChange(name: name, operation: operation, value: value)
    }

    private func refusal(_ changes: ConfigChange..., to before: [String: String] = [:]) -> Refusal? {
        do {
            _ = try ConfigAlteration.topic(changes, to: before, broker: broker)
            return nil
        } catch { return error }
    }

    @Test func setAndDelete() throws {
        let after = try ConfigAlteration.topic(
            [change("retention.ms", .set, "5"), change("segment.ms", .delete, nil), change("flush.ms", .delete, nil)],
            to: ["segment.ms": "1", "segment.bytes": "1000"], broker: broker)
        #expect(after == ["retention.ms": "5", "segment.bytes": "1000"])
    }

    @Test func appendAndSubtract() throws {
        func apply(_ operation: ConfigOperation, _ value: String, _ before: String?) throws -> String? {
            let overrides = before.map { ["cleanup.policy": $0] } ?? [:]
            return try ConfigAlteration.topic(
                [change("cleanup.policy", operation, value)], to: overrides, broker: broker)["cleanup.policy"]
        }
        // Lists start from what the topic inherits.
        #expect(try apply(.append, "compact", nil) == "delete,compact")
        #expect(try apply(.append, "compact", "compact") == "compact")
        #expect(try apply(.append, "delete,compact", "compact") == "compact,delete")
        #expect(try apply(.subtract, "delete", "compact,delete") == "compact")
        #expect(refusal(change("cleanup.policy", .subtract, "delete"))?.code == .invalidConfig)
    }

    @Test func refusals() {
        #expect(refusal(change("retention.ms", .append, "1"))?.code == .invalidConfig)
        #expect(refusal(change("retention.ms", .subtract, "1"))?.code == .invalidConfig)
        #expect(refusal(change("retention.ms", .set, nil))?.code == .invalidRequest)
        #expect(refusal(change("retention.ms", .set, "x"))?.code == .invalidConfig)
        #expect(refusal(change("no.such.key", .set, "x"))?.code == .invalidConfig)
        #expect(refusal(change("no.such.key", .delete, nil))?.code == .invalidConfig)
        #expect(refusal(change("flush.ms", .set, "1"), change("flush.ms", .delete, nil))?.code == .invalidRequest)
        #expect(
            refusal(change("min.compaction.lag.ms", .set, "10"), change("max.compaction.lag.ms", .set, "5"))?.code
                == .invalidConfig)
        #expect(throws: Refusal.self) { try ConfigChange(name: "x", operation: Int8(4), value: nil) }
    }

    @Test func replacing() throws {
        let after = try ConfigAlteration.replacingTopic(
            with: [(name: "retention.ms", value: "5"), (name: "segment.ms", value: nil)], broker: broker)
        #expect(after == ["retention.ms": "5"])
    }

    @Test func brokerSettings() throws {
        let after = try ConfigAlteration.broker(
            [change("log.retention.ms", .set, "5"), change("log.cleanup.policy", .append, "compact")], to: [:],
            broker: broker)
        #expect(after == ["log.retention.ms": "5", "log.cleanup.policy": "delete,compact"])
        do {
            _ = try ConfigAlteration.broker([change("node.id", .set, "5")], to: [:], broker: broker)
            Issue.record("not refused")
        } catch {
            #expect(error.code == .invalidRequest)
        }
    }
}
