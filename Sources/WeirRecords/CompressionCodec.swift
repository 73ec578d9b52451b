/// Kafka's compression codecs, with their numbers in a batch's attributes.
public enum CompressionCodec: UInt8, Sendable, CaseIterable {
    case none = 0
    case gzip
    case snappy
    case lz4
    case zstd

    /// Kafka's name, as in the `compression.type` settings.
    public var name: String {
        switch self {
        case .none: "none"
        case .gzip: "gzip"
        case .snappy: "snappy"
        case .lz4: "lz4"
        case .zstd: "zstd"
        }
    }

    /// Reads Kafka's name; nil for any other.
    public init?(name: String) {
        guard let codec = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = codec
    }

    /// The codec that a topic's `compression.type` asks for; nil when batches keep the producer's (`producer`), and for a
    /// value that is none of Kafka's.
    public init?(topicCompressionType: String) {
        switch topicCompressionType {
        case "uncompressed": self = .none
        case "gzip": self = .gzip
        case "snappy": self = .snappy
        case "lz4": self = .lz4
        case "zstd": self = .zstd
        default: return nil
        }
    }
}
