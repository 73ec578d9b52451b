/// What consumers put into their JoinGroup metadata, as far as a coordinator cares: the topics.
///
/// Wire format (Kafka's ConsumerProtocolSubscription, any version): version int16, topic count int32, topics as strings
/// with an int16 length, then fields that are not read here.
public enum ConsumerSubscription {
    /// The protocol type under which members are consumers.
    public static let protocolType = "consumer"

    /// The topics; nil when the bytes are no subscription.
    public static func topics(in bytes: [UInt8]) -> Set<String>? {
        var rest = bytes[...]
        guard let version = readInteger(&rest, bytes: 2), version < 0x8000,
            let count = readInteger(&rest, bytes: 4), count <= rest.count / 2
        else { return nil }
        var topics: Set<String> = []
        for _ in 0..<count {
            guard let length = readInteger(&rest, bytes: 2), length <= rest.count,
                let topic = String(validating: rest.prefix(length), as: UTF8.self)
            else { return nil }
            topics.insert(topic)
            rest = rest.dropFirst(length)
        }
        return topics
    }

    /// A big-endian unsigned integer; nil when the bytes do not reach.
    private static func readInteger(_ rest: inout ArraySlice<UInt8>, bytes count: Int) -> Int? {
        guard rest.count >= count else { return nil }
        let value = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
        rest = rest.dropFirst(count)
        return value
    }
}
