public import WeirModel

/// An offset that a group committed for a partition.
public struct CommittedOffset: Hashable, Sendable {
    public var offset: Int64
    /// The leader epoch the consumer had read; -1 when it did not say.
    public var leaderEpoch: Int32
    /// The client's own note, given back as it came.
    public var metadata: String
    /// Wall milliseconds.
    public var commitTimestamp: Int64
    /// When the offset expires, if the commit itself said so (OffsetCommit v2–4), in wall milliseconds.
    public var expireTimestamp: Int64?

    public init(
        offset: Int64, leaderEpoch: Int32 = -1, metadata: String = "", commitTimestamp: Int64,
        expireTimestamp: Int64? = nil
    ) {
        self.offset = offset
        self.leaderEpoch = leaderEpoch
        self.metadata = metadata
        self.commitTimestamp = commitTimestamp
        self.expireTimestamp = expireTimestamp
    }
}

/// The offsets of one group: those in force, and how many writes are on their way.
///
/// A commit is in force once its record is written, not before: what a fetch answers must survive a restart. The driver
/// calls `began` and `ended` in the order of the records, so an older commit never replaces a newer one.
public struct GroupOffsets: Sendable, Equatable {
    public private(set) var committed: [TopicPartition: CommittedOffset] = [:]
    /// Writes under way, by partition.
    private var underWay: [TopicPartition: Int] = [:]

    public init() {}

    public var isEmpty: Bool { committed.isEmpty && underWay.isEmpty }

    /// A record for the partition (an offset or a tombstone) is handed to the log.
    public mutating func began(_ partition: TopicPartition) {
        underWay[partition, default: 0] += 1
    }

    /// The record is written: its offset is in force, or for nil none is any more.
    public mutating func ended(_ partition: TopicPartition, writing offset: CommittedOffset?) {
        forget(partition)
        committed[partition] = offset
    }

    /// The record could not be written: what was in force stays.
    public mutating func failed(_ partition: TopicPartition) {
        forget(partition)
    }

    private mutating func forget(_ partition: TopicPartition) {
        let left = (underWay[partition] ?? 0) - 1
        underWay[partition] = left > 0 ? left : nil
    }

    /// A record read back from the log.
    public mutating func replay(_ partition: TopicPartition, _ offset: CommittedOffset?) {
        committed[partition] = offset
    }

    /// Whether deleting the partition's offset needs a tombstone.
    public func knows(_ partition: TopicPartition) -> Bool {
        committed[partition] != nil || underWay[partition] != nil
    }

    /// All partitions that have or are about to have an offset, sorted.
    public var partitions: [TopicPartition] {
        Set(committed.keys).union(underWay.keys).sorted()
    }

    /// The offsets that have expired, sorted. Nothing expires while the group has members.
    ///
    /// In an empty group offsets last for the retention from when the group became empty; offsets of consumers without
    /// group management from their commit (KIP-211). A commit may have brought its own time instead.
    public func expired(in group: ClassicGroup, now: Moment, retentionMs: Int64) -> [TopicPartition] {
        guard group.state == .empty else { return [] }
        let isManaged = group.protocolType != nil
        return committed.filter { partition, offset in
            if underWay[partition] != nil { return false }
            if let expireTimestamp = offset.expireTimestamp { return now.wall >= expireTimestamp }
            let base = isManaged ? max(group.stateTimestamp, offset.commitTimestamp) : offset.commitTimestamp
            return now.wall.subtractingReportingOverflow(base).partialValue >= retentionMs
        }.keys.sorted()
    }
}
