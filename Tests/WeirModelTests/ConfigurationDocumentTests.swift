import Foundation
import Testing

@testable import WeirModel

/// docs/configuration.md ends with tables of every key, made from the definitions. This keeps them the same:
/// `WEIR_TEST_WRITE_DOCS=1 swift test --filter ConfigurationDocumentTests` writes them anew.
@Suite struct ConfigurationDocumentTests {
    private static let marker = "<!-- Below this line the page is made from the definitions in WeirModel. -->\n"

    private var path: String {
        var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
        parts += ["docs", "configuration.md"]
        return parts.joined(separator: "/")
    }

    @Test func thePageIsWhatTheDefinitionsSay() throws {
        let page = try String(contentsOfFile: path, encoding: .utf8)
        let head = try #require(page.range(of: Self.marker), "the page has no marker")
        let expected = page[..<head.upperBound] + Self.tables()
        if ProcessInfo.processInfo.environment["WEIR_TEST_WRITE_DOCS"] == "1" {
            try String(expected).write(toFile: path, atomically: true, encoding: .utf8)
            return
        }
        #expect(
            page == String(expected),
            "docs/configuration.md is not what the definitions say; write it with WEIR_TEST_WRITE_DOCS=1")
    }

    /// Every key that stands in the written part of the page is one.
    @Test func theWrittenPartNamesRealKeys() throws {
        let page = try String(contentsOfFile: path, encoding: .utf8)
        let head = try #require(page.range(of: Self.marker))
        for match in page[..<head.lowerBound].matches(of: /`([a-z]+(?:\.[a-z]+)+)(?:=[^`]*)?`/) {
            let key = String(match.1)
            if key.hasSuffix(".properties") || key.hasSuffix(".name") { continue }
            #expect(BrokerConfigs.definition(key) != nil || TopicConfigs.definition(key) != nil, "\(key)")
        }
    }

    static func tables() -> String {
        var page = "\n## Topic keys\n\n"
        page += table(TopicConfigs.all.filter(\.hasEffect), withSynonyms: true)
        page += "\n### Topic keys without effect yet\n\nAccepted, checked, kept and described.\n\n"
        page += table(TopicConfigs.all.filter { !$0.hasEffect }, withSynonyms: true)
        page +=
            "\n## Broker keys\n\nA key marked *dynamic* can be changed while the broker runs, for one broker or for all.\n\n"
        page += table(BrokerConfigs.all.filter(\.hasEffect), withSynonyms: false)
        page += "\n### Broker keys without effect yet\n\nAccepted with a warning, and checked.\n\n"
        page += reasons(of: BrokerConfigs.all) { effect in
            if case .notYet(let reason) = effect { return reason }
            return nil
        }
        page += "\n### Kafka's keys that do not apply to Weir\n\nAccepted with a warning.\n\n"
        page += reasons(of: BrokerConfigs.all) { effect in
            if case .notApplicable(let reason) = effect { return reason }
            return nil
        }
        return page
    }

    private static func table(_ definitions: [ConfigDefinition], withSynonyms: Bool) -> String {
        var page = "| key | default | allowed | what it does |\n|---|---|---|---|\n"
        for definition in definitions {
            var text = definition.documentation
            if case .notYet(let reason) = definition.effect { text += " **No effect yet:** \(reason)." }
            if withSynonyms, !definition.synonyms.isEmpty {
                text += " Broker: " + definition.brokerSynonyms.map { "`\($0)`" }.joined(separator: ", ") + "."
            }
            if !withSynonyms, !definition.isReadOnly { text += " *Dynamic.*" }
            page += "| `\(definition.name)` | \(shown(definition.defaultValue)) | \(definition.allowed) | \(text) |\n"
        }
        return page
    }

    private static func shown(_ value: String?) -> String {
        switch value {
        case nil: "not set"
        case "": "empty"
        case String(Int64.max): "no limit"
        case let value?: "`\(value)`"
        }
    }

    private static func reasons(of definitions: [ConfigDefinition], _ reason: (ConfigEffect) -> String?) -> String {
        var keys: [String: [String]] = [:]
        for definition in definitions {
            if let reason = reason(definition.effect) { keys[reason, default: []].append("`\(definition.name)`") }
        }
        return keys.sorted { $0.key < $1.key }.map { reason, names in
            "- \(reason.prefix(1).uppercased() + reason.dropFirst()): \(names.joined(separator: ", ")).\n"
        }.joined()
    }
}
