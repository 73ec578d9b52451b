import WeirProtocol

/// The page docs/protocol-support.md, made from what the handlers declare, so that it cannot say anything else than what the
/// broker does.
public enum ProtocolSupport {
    public static func markdown(_ handlers: HandlerTable) -> String {
        var text = """
            # Protocol support

            The Kafka APIs that a Weir broker answers, with the versions that ApiVersions advertises. This page is made from
            the handlers' own ranges (`ProtocolSupport.markdown`), and a test holds it to them.

            | key | API | versions | flexible from |
            |----:|-----|----------|---------------|

            """
        for (key, versions) in handlers.supported {
            let range =
                versions.count == 1 ? "\(versions.lowerBound)" : "\(versions.lowerBound)–\(versions.upperBound)"
            let flexible = handlers.firstFlexible(key).map { $0 == .max ? "never" : "v\($0)" } ?? ""
            text += "| \(key.rawValue) | \(key.name) | \(range) | \(flexible) |\n"
        }
        text += """

            Produce 0–2 are advertised because old librdkafka looks for them (KAFKA-18659); whatever version carries them, records
            must be in format v2. An unknown version of ApiVersions gets error 35 with the list in the form of v0; an unknown key
            or version of anything else closes the connection. Transactions (keys 24–28) are not there yet: InitProducerId with a
            transactional id answers UNSUPPORTED_VERSION.

            """
        return text
    }
}
