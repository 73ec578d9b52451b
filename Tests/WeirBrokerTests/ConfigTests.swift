import NIOCore
import Testing
import WeirBroker
import WeirModel
import WeirProtocol
import WeirStorage

@Suite("Configurations")
struct ConfigTests {
    private func describe(
        _ broker: TestBroker, type: Int8, _ name: String, keys: [String]? = nil
    ) async throws -> DescribeConfigsResponse.DescribeConfigsResult {
        var resource = DescribeConfigsRequest.DescribeConfigsResource()
        resource.resourceType = type
        resource.resourceName = name
        resource.configurationKeys = keys
        var request = DescribeConfigsRequest()
        request.resources = [resource]
        request.includeSynonyms = true
        request.includeDocumentation = true
        return try #require(try await broker.call(request, version: 4).results.first)
    }

    private func alter(
        _ broker: TestBroker, type: Int8 = 2, _ name: String, _ changes: [(String, Int8, String?)],
        validateOnly: Bool = false
    ) async throws -> Int16 {
        var resource = IncrementalAlterConfigsRequest.AlterConfigsResource()
        resource.resourceType = type
        resource.resourceName = name
        resource.configs = changes.map { key, operation, value in
            var config = IncrementalAlterConfigsRequest.AlterableConfig()
            config.name = key
            config.configOperation = operation
            config.value = value
            return config
        }
        var request = IncrementalAlterConfigsRequest()
        request.resources = [resource]
        request.validateOnly = validateOnly
        return try #require(try await broker.call(request, version: 1).responses.first).errorCode
    }

    @Test func noKeysNamedAreAllKeys() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t", configs: [:])
        #expect(try await describe(broker, type: 2, "t", keys: []).configs.count == TopicConfigs.all.count)
        #expect(
            try await describe(broker, type: 2, "t", keys: ["segment.bytes"]).configs.map(\.name) == ["segment.bytes"])
        await broker.stop()
    }

    @Test func everyTopicKeyIsDescribedWithItsSourceAndSynonyms() async throws {
        let broker = try await TestBroker.start(["log.retention.hours": "2"])
        try await broker.createTopic("t", configs: ["segment.bytes": "1048576"])
        let all = try await describe(broker, type: 2, "t")
        #expect(all.errorCode == 0)
        #expect(Set(all.configs.map(\.name)) == Set(TopicConfigs.all.map(\.name)))
        #expect(all.configs.allSatisfy { $0.documentation?.isEmpty == false && $0.configType > 0 })
        let own = try #require(all.configs.first { $0.name == "segment.bytes" })
        #expect(own.value == "1048576" && own.configSource == 1)
        #expect(own.synonyms.map(\.source) == [1, 5])
        let inherited = try #require(all.configs.first { $0.name == "retention.ms" })
        #expect(inherited.value == "7200000" && inherited.configSource == 4)
        #expect(inherited.synonyms.first?.name == "log.retention.hours" && inherited.synonyms.first?.value == "2")
        let plain = try #require(all.configs.first { $0.name == "max.message.bytes" })
        #expect(plain.configSource == 5)
        let one = try await describe(broker, type: 2, "t", keys: ["retention.ms", "no.such"])
        #expect(one.configs.map(\.name) == ["retention.ms"])
        await broker.stop()
    }

    @Test func brokersAreDescribed() async throws {
        let broker = try await TestBroker.start(["num.partitions": "5"])
        let all = try await describe(broker, type: 4, "1")
        let own = try #require(all.configs.first { $0.name == "num.partitions" })
        #expect(own.value == "5" && own.configSource == 4)
        #expect(own.synonyms.map(\.source) == [4, 5])
        #expect(try await describe(broker, type: 4, "").configs.isEmpty)
        #expect(try await describe(broker, type: 4, "9").errorCode == ErrorCode.invalidRequest.rawValue)
        #expect(try await describe(broker, type: 4, "x").errorCode == ErrorCode.invalidRequest.rawValue)
        #expect(try await describe(broker, type: 77, "x").errorCode == ErrorCode.invalidRequest.rawValue)
        #expect(
            try await describe(broker, type: 2, "nope").errorCode == ErrorCode.unknownTopicOrPartition.rawValue)
        await broker.stop()
    }

    @Test func incrementalChangesTakeEffectAtOnce() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        let log = try #require(broker.broker.partitions.partition("t", 0)).log
        #expect(try await alter(broker, "t", [("max.message.bytes", 0, "100")]) == 0)
        #expect(log.settings.maxMessageBytes == 100)
        let refused = try await broker.produce("t", [String(repeating: "x", count: 200)])
        #expect(refused.errorCode == ErrorCode.messageTooLarge.rawValue)
        #expect(try await alter(broker, "t", [("max.message.bytes", 1, nil)]) == 0)
        #expect(try await broker.produce("t", [String(repeating: "x", count: 200)]).errorCode == 0)
        #expect(try await alter(broker, "t", [("cleanup.policy", 2, "compact")]) == 0)
        #expect(log.settings.cleanupPolicy == [.delete, .compact])
        #expect(try await alter(broker, "t", [("cleanup.policy", 3, "delete")]) == 0)
        #expect(log.settings.cleanupPolicy == [.compact])
        #expect(try await alter(broker, "t", [("retention.ms", 0, "5")], validateOnly: true) == 0)
        #expect(log.settings.retentionMs != 5)
        await broker.stop()
    }

    @Test func errorsOfIncrementalAlterConfigs() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        let cases: [([(String, Int8, String?)], ErrorCode)] = [
            ([("no.such", 0, "1")], .invalidConfig), ([("retention.ms", 0, "x")], .invalidConfig),
            ([("retention.ms", 0, nil)], .invalidRequest), ([("retention.ms", 9, "1")], .invalidRequest),
            ([("retention.ms", 2, "1")], .invalidConfig),
            ([("retention.ms", 0, "1"), ("retention.ms", 0, "2")], .invalidRequest),
        ]
        for (changes, expected) in cases {
            #expect(try await alter(broker, "t", changes) == expected.rawValue, "\(changes)")
        }
        #expect(
            try await alter(broker, "nope", [("retention.ms", 0, "1")])
                == ErrorCode.unknownTopicOrPartition.rawValue)
        #expect(
            try await alter(broker, type: 4, "1", [("log.dirs", 0, "/x")]) == ErrorCode.invalidRequest.rawValue)
        await broker.stop()
    }

    @Test func brokerSettingsReachTopics() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        let log = try #require(broker.broker.partitions.partition("t", 0)).log
        #expect(try await alter(broker, type: 4, "", [("message.max.bytes", 0, "5000")]) == 0)
        #expect(log.settings.maxMessageBytes == 5_000)
        #expect(try await alter(broker, type: 4, "1", [("message.max.bytes", 0, "6000")]) == 0)
        #expect(log.settings.maxMessageBytes == 6_000)
        let view = try #require(
            try await describe(broker, type: 2, "t").configs.first { $0.name == "max.message.bytes" })
        #expect(view.configSource == 2 && view.synonyms.map(\.source) == [2, 3, 5])
        await broker.stop()
    }

    @Test func alterConfigsReplacesEverything() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t", configs: ["retention.ms": "7", "segment.bytes": "1048576"])
        var config = AlterConfigsRequest.AlterableConfig()
        config.name = "retention.ms"
        config.value = "9"
        var resource = AlterConfigsRequest.AlterConfigsResource()
        resource.resourceType = 2
        resource.resourceName = "t"
        resource.configs = [config]
        var request = AlterConfigsRequest()
        request.resources = [resource]
        #expect(try await broker.call(request, version: 2).responses.map(\.errorCode) == [0])
        let all = try await describe(broker, type: 2, "t").configs.filter { $0.configSource == 1 }
        #expect(all.map(\.name) == ["retention.ms"] && all.map(\.value) == ["9"])
        request.resources = [resource, resource]
        let twice = try await broker.call(request, version: 2)
        #expect(twice.responses.allSatisfy { $0.errorCode == ErrorCode.invalidRequest.rawValue })
        await broker.stop()
    }
}
