import Testing

@testable import WeirModel

@Suite struct ConfigDefinitionTests {
    static let all = TopicConfigs.all + BrokerConfigs.all

    @Test func namesStandOnce() {
        for definitions in [TopicConfigs.all, BrokerConfigs.all] {
            let names = definitions.map(\.name)
            #expect(Set(names).count == names.count)
            #expect(names == names.sorted())
            #expect(definitions.allSatisfy { !$0.documentation.isEmpty })
        }
    }

    @Test func everyDefaultIsAllowed() {
        for definition in Self.all {
            guard let value = definition.defaultValue else { continue }
            #expect(definition.problem(with: value) == nil, "\(definition.name)")
        }
    }

    /// For every key with bounds, both ends are taken and what lies beyond is refused, with the bounds in the message.
    @Test func boundsAreKept() {
        for definition in Self.all {
            switch definition.bounds {
            case .integers(let range), .integersOr(_, let range):
                let type = definition.type.integerRange
                let lower = max(range.lowerBound, type.lowerBound)
                let upper = min(range.upperBound, type.upperBound)
                #expect(definition.problem(with: String(lower)) == nil, "\(definition.name)")
                #expect(definition.problem(with: String(upper)) == nil, "\(definition.name)")
                var beyond = [Int64]()
                if lower > .min { beyond.append(lower - 1) }
                if upper < .max { beyond.append(upper + 1) }
                if case .integersOr(let special, _) = definition.bounds {
                    #expect(definition.problem(with: String(special)) == nil, "\(definition.name)")
                    beyond.removeAll { $0 == special }
                }
                for value in beyond {
                    let problem = definition.problem(with: String(value))
                    #expect(problem?.contains(definition.name) == true, "\(definition.name)=\(value)")
                    #expect(problem?.contains(String(range.lowerBound)) == true, "\(definition.name)=\(value)")
                }
                #expect(definition.problem(with: "9223372036854775808") != nil, "\(definition.name)")
            case .doubles(let range):
                #expect(definition.problem(with: "\(range.lowerBound)") == nil)
                #expect(definition.problem(with: "\(range.upperBound)") == nil)
                #expect(definition.problem(with: "\(range.upperBound + 0.001)") != nil)
                #expect(definition.problem(with: "nan") != nil)
            case .oneOf(let words):
                for word in words { #expect(definition.problem(with: word) == nil) }
                #expect(definition.problem(with: "no such word")?.contains(words[0]) == true)
            case .someOf(let words):
                #expect(definition.problem(with: words.joined(separator: " , ")) == nil)
                #expect(definition.problem(with: words[0] + ",no such word") != nil)
                #expect(definition.problem(with: "") != nil)
            case .notEmpty:
                if definition.type != .list { #expect(definition.problem(with: "  ") != nil) }
            case .any: break
            }
        }
    }

    @Test func everyTypeRefusesOtherThings() {
        for definition in Self.all {
            switch definition.type {
            case .boolean: #expect(definition.problem(with: "yes") != nil, "\(definition.name)")
            case .int, .short, .long:
                for value in ["", "x", "1.5", "1 2"] {
                    #expect(definition.problem(with: value) != nil, "\(definition.name)")
                }
            case .double: #expect(definition.problem(with: "x") != nil, "\(definition.name)")
            case .string, .list, .password, .className: break
            }
        }
        #expect(TopicConfigs.validate(name: "preallocate", value: " TRUE ") == nil)
        #expect(TopicConfigs.validate(name: "segment.bytes", value: " 1024 ") == nil)
    }

    @Test func secretsAreNotShown() {
        let problem = ConfigDefinition("s", .password, nil, .notEmpty, "").problem(with: " ")
        #expect(problem?.contains("[hidden]") == true)
    }

    @Test(arguments: [
        ("log.retention.hour", "log.retention.hours"), ("log.segment.byte", "log.segment.bytes"),
        ("num.partition", "num.partitions"), ("listener", "listeners"), ("LOG.DIRS", "log.dirs"),
        ("log.retetnion.ms", "log.retention.ms"), ("node.idd", "node.id"),
    ]) func nearestNames(wrong: String, right: String) {
        #expect(BrokerConfigs.nearest(to: wrong) == right)
    }

    @Test func nothingIsNearNonsense() { #expect(BrokerConfigs.nearest(to: "zzzzzzzzzzzzzzzzzzzzzz") == nil) }

    @Test func unknownTopicKeyNamesTheNearest() {
        #expect(
            TopicConfigs.validate(name: "retention.mss", value: "1")
                == "Unknown topic config name: retention.mss; did you mean retention.ms?")
    }

    @Test func topicSynonymsAreBrokerKeysWithTheSameDefault() {
        for topic in TopicConfigs.all where !topic.synonyms.isEmpty {
            for name in topic.brokerSynonyms { #expect(BrokerConfigs.definition(name) != nil, "\(name)") }
            #expect(BrokerSettings().inherited(topic) == topic.defaultValue, "\(topic.name)")
        }
    }

    @Test func typedDefaultsAreTheDefinitionsDefaults() {
        var settings = TopicSettings()
        for definition in TopicConfigs.all {
            guard let value = definition.defaultValue else { continue }
            settings.set(definition.name, value)
        }
        #expect(settings == TopicSettings())
        #expect(BrokerSettings().topicDefaults == TopicSettings())
    }

    @Test func listenerKeysAreKnownByWhatTheyNarrow() {
        #expect(BrokerConfigs.definition("listener.name.internal.ssl.keystore.location") != nil)
        #expect(BrokerConfigs.definition("listener.name.internal.no.such.key") == nil)
        #expect(BrokerConfigs.validate(name: "listener.name.x.max.connections", value: "x") != nil)
    }
}
