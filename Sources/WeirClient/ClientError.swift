public import WeirModel

/// Why a client call failed, what to do about it, and whether trying again can help.
public struct ClientError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is. Kinds are only ever added.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Base: String {
            case connectionFailed, connectionLost, timedOut, deliveryExpired, broker, unknownTopicOrPartition
            case recordTooLarge, unsupported, notAuthorized, fenced, invalidConfiguration, invalidArgument, dataLoss
            case noOffset, corruptData, protocolViolation, rebalanced, closed, cancelled, serialization
        }
        private let base: Base
        private init(_ base: Base) { self.base = base }

        /// No broker could be reached.
        public static let connectionFailed = Code(.connectionFailed)
        /// The connection broke with the request under way: whether it took effect is not known.
        public static let connectionLost = Code(.connectionLost)
        /// No answer in time.
        public static let timedOut = Code(.timedOut)
        /// A record was not acknowledged within the delivery timeout.
        public static let deliveryExpired = Code(.deliveryExpired)
        /// A broker answered with an error that has no code of its own here; see `brokerCode`.
        public static let broker = Code(.broker)
        public static let unknownTopicOrPartition = Code(.unknownTopicOrPartition)
        public static let recordTooLarge = Code(.recordTooLarge)
        /// The broker does not speak a version of the call that this client speaks.
        public static let unsupported = Code(.unsupported)
        public static let notAuthorized = Code(.notAuthorized)
        /// Another producer or group member took this one's identity.
        public static let fenced = Code(.fenced)
        public static let invalidConfiguration = Code(.invalidConfiguration)
        public static let invalidArgument = Code(.invalidArgument)
        /// Records that were to be read next are no longer in the log; see `lostRange`.
        public static let dataLoss = Code(.dataLoss)
        /// The group has no committed offset for a partition and the configuration does not say where to start.
        public static let noOffset = Code(.noOffset)
        /// Bytes from a broker fail their checksum or cannot be read.
        public static let corruptData = Code(.corruptData)
        public static let protocolViolation = Code(.protocolViolation)
        /// The group has moved on: the partitions belong to another member now.
        public static let rebalanced = Code(.rebalanced)
        /// The producer, consumer or admin client has been closed.
        public static let closed = Code(.closed)
        /// The task was cancelled.
        public static let cancelled = Code(.cancelled)
        /// A value could not be turned into bytes, or bytes into a value.
        public static let serialization = Code(.serialization)

        public var description: String { base.rawValue }
    }

    public var code: Code
    /// What went wrong, with names and numbers, as one line.
    public var message: String
    /// What to do about it; nil when there is nothing useful to say.
    public var advice: String?
    /// Whether the same call may succeed later.
    public var isRetriable: Bool
    /// Kafka's error code, when a broker answered with one.
    public var brokerCode: ErrorCode?
    public var partition: TopicPartition?
    /// With `dataLoss`: the offsets that are gone. The end is nil when the log now ends before its begin.
    public var lostRange: (from: Offset, to: Offset?)?
    public var cause: (any Error)?

    public init(
        _ code: Code, _ message: String, advice: String? = nil, isRetriable: Bool = false,
        brokerCode: ErrorCode? = nil, partition: TopicPartition? = nil, cause: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.advice = advice
        self.isRetriable = isRetriable
        self.brokerCode = brokerCode
        self.partition = partition
        self.cause = cause
    }

    public var description: String {
        guard let advice else { return message }
        return "\(message): \(advice)"
    }
}

extension ClientError {
    static let closed = ClientError(.closed, "the client has been closed")
    static let cancelled = ClientError(.cancelled, "the task was cancelled")

    static func timedOut(_ what: String, afterMs milliseconds: Int64) -> ClientError {
        ClientError(.timedOut, "\(what) got no answer within \(milliseconds) ms", isRetriable: true)
    }

    /// An error that a broker answered with. `subject` is what it is about, such as `topic 'orders'`.
    static func answered(
        _ code: ErrorCode, about subject: String, detail: String? = nil, partition: TopicPartition? = nil
    ) -> ClientError {
        let text = detail.flatMap { $0.isEmpty ? nil : $0 } ?? sentence(for: code)
        return ClientError(
            kind(of: code), "\(subject): \(text) [\(code.name)]", advice: advice(for: code),
            isRetriable: code.isRetriable, brokerCode: code, partition: partition)
    }

    private static func kind(of code: ErrorCode) -> Code {
        switch code {
        case .unknownTopicOrPartition, .unknownTopicID: .unknownTopicOrPartition
        case .messageTooLarge, .recordListTooLarge: .recordTooLarge
        case .unsupportedVersion, .unsupportedForMessageFormat, .unsupportedCompressionType: .unsupported
        case .topicAuthorizationFailed, .groupAuthorizationFailed, .clusterAuthorizationFailed,
            .transactionalIDAuthorizationFailed, .saslAuthenticationFailed:
            .notAuthorized
        case .producerFenced, .fencedInstanceID, .invalidProducerEpoch: .fenced
        case .illegalGeneration, .unknownMemberID, .rebalanceInProgress: .rebalanced
        case .requestTimedOut: .timedOut
        case .corruptMessage: .corruptData
        default: .broker
        }
    }

    private static func sentence(for code: ErrorCode) -> String {
        switch code {
        case .unknownTopicOrPartition: "no such topic or partition"
        case .invalidTopic: "not a legal topic name"
        case .topicAlreadyExists: "the topic exists already"
        case .invalidPartitions: "not a legal number of partitions"
        case .invalidReplicationFactor: "not a possible replication factor"
        case .invalidConfig: "a configuration value was refused"
        case .messageTooLarge: "a record is larger than the topic allows"
        case .offsetOutOfRange: "the offset is not in the log"
        case .leaderNotAvailable: "the partition has no leader"
        case .notEnoughReplicas, .notEnoughReplicasAfterAppend: "fewer replicas are in sync than min.insync.replicas"
        case .nonEmptyGroup: "the group has members"
        case .groupIDNotFound: "no such group"
        case .invalidGroupID: "not a legal group name"
        case .groupSubscribedToTopic: "the group is reading the topic"
        case .coordinatorNotAvailable, .coordinatorLoadInProgress: "the group's coordinator is not ready"
        case .topicAuthorizationFailed, .groupAuthorizationFailed, .clusterAuthorizationFailed: "not allowed"
        case .fencedInstanceID: "another member has the same instance id"
        case .invalidRecord: "a record was refused"
        case .invalidTimestamp: "a record's timestamp is too far from the broker's clock"
        case .kafkaStorageError: "the broker's disk failed"
        default: "the broker refused"
        }
    }

    private static func advice(for code: ErrorCode) -> String? {
        switch code {
        case .unknownTopicOrPartition: "check the name, or create the topic"
        case .invalidTopic: "use 1 to 249 letters, digits, '.', '_' and '-'"
        case .messageTooLarge: "send smaller records or raise the topic's max.message.bytes"
        case .notEnoughReplicas, .notEnoughReplicasAfterAppend: "bring brokers back, or lower min.insync.replicas"
        case .nonEmptyGroup: "stop the group's members first"
        case .fencedInstanceID: "give every member an instance id of its own"
        case .invalidReplicationFactor: "it can be at most the number of brokers"
        case .kafkaStorageError: "look at the broker's log"
        default: nil
        }
    }
}
