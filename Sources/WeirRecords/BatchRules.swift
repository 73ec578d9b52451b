public import WeirModel

/// What a topic and a request ask of a batch that a producer sends.
public struct BatchRules: Sendable {
    /// The largest batch, in bytes as stored (`max.message.bytes`).
    public var maxMessageBytes: Int
    /// Whose timestamps are stored (`message.timestamp.type`).
    public var timestampType: TimestampType
    /// How far a record's timestamp may lie behind the broker's clock, in milliseconds; Int64.max: any.
    public var timestampBeforeMaxMs: Int64
    /// How far a record's timestamp may lie ahead of the broker's clock, in milliseconds; Int64.max: any.
    public var timestampAfterMaxMs: Int64
    /// The broker's clock, in milliseconds since 1970.
    public var nowMs: Int64
    /// Whether every record needs a key, as in compacted topics.
    public var requireKeys: Bool
    /// Whether control batches are accepted, as from the broker's own coordinators.
    public var allowControl: Bool
    /// The most bytes that a compressed batch may unpack to.
    public var decompressedBytesMax: Int
    /// The version of the Produce request: zstd needs 7, and versions from 3 on take nothing but magic 2.
    public var produceVersion: Int16
    /// The codec in which the batch is stored (`compression.type`); nil: the producer's.
    public var targetCodec: CompressionCodec?
    /// The target codec's own level (`compression.gzip.level` and its like); nil: the codec's default.
    public var targetCompressionLevel: Int?

    /// Rules that any valid batch of a client fulfils, but for what is given.
    public init(
        maxMessageBytes: Int = 1_048_588, timestampType: TimestampType = .createTime,
        timestampBeforeMaxMs: Int64 = .max, timestampAfterMaxMs: Int64 = .max, nowMs: Int64, requireKeys: Bool = false,
        allowControl: Bool = false, decompressedBytesMax: Int = 256 * 1024 * 1024, produceVersion: Int16 = 9,
        targetCodec: CompressionCodec? = nil, targetCompressionLevel: Int? = nil
    ) {
        self.maxMessageBytes = maxMessageBytes
        self.timestampType = timestampType
        self.timestampBeforeMaxMs = timestampBeforeMaxMs
        self.timestampAfterMaxMs = timestampAfterMaxMs
        self.nowMs = nowMs
        self.requireKeys = requireKeys
        self.allowControl = allowControl
        self.decompressedBytesMax = decompressedBytesMax
        self.produceVersion = produceVersion
        self.targetCodec = targetCodec
        self.targetCompressionLevel = targetCompressionLevel
    }
}

/// Why a producer's batch is refused, as the Produce response says it.
public struct BatchRefusal: Error, Sendable {
    /// A record that is to blame.
    public struct RecordProblem: Sendable, Hashable {
        /// The record's position in the batch, from 0.
        public let index: Int32
        public let message: String
    }

    /// No more records than this are named in one answer.
    public static let recordErrorsMax = 1_000

    public let code: ErrorCode
    /// A sentence for the response's error message.
    public let message: String
    /// The records to blame (Produce v8+); empty when the batch as a whole is.
    public let recordErrors: [RecordProblem]

    public init(_ code: ErrorCode, _ message: String, recordErrors: [RecordProblem] = []) {
        self.code = code
        self.message = message
        self.recordErrors = recordErrors
    }
}
