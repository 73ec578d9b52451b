/// Why bytes are not a record batch, or a batch's content not its records.
public struct RecordError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Code: Hashable, Sendable {
        /// Fewer bytes than a header, or than the header says.
        case truncated
        /// A length or count that no batch can have.
        case invalidLength
        /// A batch of message format 0 or 1, or of none that is known.
        case unsupportedMagic
        /// The checksum does not match.
        case corrupt
        /// The records are not what the header says, or not records.
        case malformed
        /// The codec is unknown, or cannot read the bytes.
        case undecodable
        /// The records are larger than the caller's limit, or than a batch may be.
        case tooLarge
    }

    public let code: Code
    /// What was wrong, as a clause.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: CompressionError) {
        self.init(error.code == .tooLarge ? .tooLarge : .undecodable, error.message)
    }

    public var description: String { message }
}
