public import WeirModel
public import WeirSystem

/// What went wrong with a data directory or a log.
public struct StorageError: Error, Sendable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// Another process uses the data directory.
        case locked
        /// The directory belongs to another node or cluster, or a file is of a version this one does not know.
        case wrongIdentity
        /// The system refused an operation; see `cause`.
        case disk
        /// Bytes on disk are not what was written. Nothing was changed.
        case corrupt
        /// The data directory is offline after an earlier failure.
        case offline
        /// The log was deleted or closed.
        case closed
        /// Less space is left than the reserve.
        case diskFull
    }

    public let kind: Kind
    public let message: String
    public let cause: FileError?

    public init(_ kind: Kind, _ message: String, cause: FileError? = nil) {
        self.kind = kind
        self.message = message
        self.cause = cause
    }

    init(_ cause: FileError) {
        self.init(.disk, cause.description, cause: cause)
    }

    /// What a client is told.
    public var errorCode: ErrorCode { kind == .closed ? .notLeaderOrFollower : .kafkaStorageError }

    public var description: String { message }
}

/// Why a batch was not appended. Nothing of it is in the log.
public struct AppendError: Error, Sendable, Equatable, CustomStringConvertible {
    public let code: ErrorCode
    public let message: String

    public init(_ code: ErrorCode, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: StorageError) { self.init(error.errorCode, error.message) }

    public var description: String { "\(code.name): \(message)" }
}

/// Why a read was not answered.
public struct ReadError: Error, Sendable, Equatable, CustomStringConvertible {
    public let code: ErrorCode
    public let message: String

    public init(_ code: ErrorCode, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: StorageError) { self.init(error.errorCode, error.message) }

    public var description: String { "\(code.name): \(message)" }
}
