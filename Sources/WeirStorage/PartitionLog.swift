public import WeirModel
internal import SystemPackage
internal import WeirRecords
internal import WeirSystem

/// Told when a log got further. Called outside the log's lock, on the thread that moved it: a flusher, or, for
/// `flush.mode=async`, whoever appended. Must be short and must not wait.
public protocol LogObserver: AnyObject, Sendable {
    /// The high watermark or the synced end moved to these.
    func logAdvanced(_ log: PartitionLog, highWatermark: Offset, syncedEnd: Offset)
    /// The log takes no more appends and reads: its data is corrupt, or its directory went offline.
    func logFailed(_ log: PartitionLog, error: StorageError)
}

/// A log's offsets at one moment.
public struct LogOffsets: Sendable, Equatable {
    /// The first offset that can be read.
    public var start: Offset
    /// Where consumers' reading ends: on disk, or, with `flush.mode=async`, appended.
    public var highWatermark: Offset
    /// Everything below is on disk.
    public var syncedEnd: Offset
    /// The offset that the next record gets.
    public var end: Offset
    /// Where reading of committed transactions ends: the high watermark as long as there are no transactions.
    public var lastStable: Offset { highWatermark }
}

/// Who appends: idempotence is checked in full for clients, while a coordinator may start at any sequence.
public enum AppendOrigin: Sendable { case client, coordinator }

/// What became of an appended batch.
public struct AppendResult: Sendable, Equatable {
    /// The first and last record's offset; for a duplicate those of the original.
    public var baseOffset: Offset
    public var lastOffset: Offset
    /// The timestamp that the broker gave the batch, -1 when it kept the producer's.
    public var logAppendTimeMs: Int64
    public var logStartOffset: Offset
    /// Whether the batch was already there: a producer sent it again.
    public var isDuplicate: Bool
    /// Whether consumers can see the batch already (`flush.mode=async`).
    public var highWatermarkAdvanced: Bool
}

/// One partition's log. Safe to use from any thread; appends and reads run to the end on the caller's.
public final class PartitionLog: Sendable {
    public let topicPartition: TopicPartition
    /// The id of the topic, kept in `partition.metadata`.
    public let topicID: UniqueID
    let directory: FilePath
    let context: StorageContext
    let state: Locked<LogState>
    /// Held while syncing, so that two threads do not take the same work: it is waited for by flusher threads only.
    let flushing = Locked(())

    init(_ topicPartition: TopicPartition, topicID: UniqueID, context: StorageContext, state: LogState) {
        self.topicPartition = topicPartition
        self.topicID = topicID
        self.context = context
        self.directory = state.directory
        self.state = Locked(state)
    }

    /// All offsets, consistent with each other.
    public var offsets: LogOffsets {
        state.withLock { state in
            LogOffsets(
                start: Offset(state.startOffset), highWatermark: Offset(state.highWatermark.offset),
                syncedEnd: Offset(state.syncedEnd), end: Offset(state.endOffset))
        }
    }

    public var startOffset: Offset { offsets.start }
    public var endOffset: Offset { offsets.end }
    public var syncedEnd: Offset { offsets.syncedEnd }
    public var highWatermark: Offset { offsets.highWatermark }
    public var lastStableOffset: Offset { offsets.lastStable }

    /// Bytes of record batches in all segments.
    public var sizeBytes: Int64 { state.withLock { $0.sizeBytes } }

    /// How many segments the log has; none before the first append.
    public var segmentCount: Int { state.withLock { $0.segments.count } }

    /// Why the log cannot be used; nil when it can.
    public var failure: StorageError? { context.offlineError ?? state.withLock { $0.failure } }

    /// Sets who is told of progress; the log does not keep it alive.
    public func setObserver(_ observer: any LogObserver) { state.withLock { $0.observer = observer } }

    /// Takes new settings of the topic. Growing data is not moved: segments keep the size they have.
    public func apply(settings: TopicSettings) {
        let (observer, offsets, needsFlush) = state.withLock { state in
            state.settings = settings
            let advanced = state.raiseHighWatermarkIfAsync()
            let needsFlush = settings.flushMode == .sync && state.endOffset > state.syncedEnd && state.claimForFlush()
            return (advanced ? state.observer : nil, state.progress, needsFlush)
        }
        if needsFlush { context.flusher.enqueue(self) }
        observer?.logAdvanced(self, highWatermark: offsets.0, syncedEnd: offsets.1)
    }

    public var settings: TopicSettings { state.withLock { $0.settings } }

    /// The newest leader epoch in the log; `.none` when it holds none.
    public var latestEpoch: LeaderEpoch { LeaderEpoch(state.withLock { $0.epochs.latest?.epoch ?? -1 }) }

    /// The largest epoch in the log at or below the requested one, and the offset after its last record
    /// (OffsetForLeaderEpoch). Nil when the log knows none.
    public func epochEndOffset(for epoch: LeaderEpoch) -> (epoch: LeaderEpoch, endOffset: Offset)? {
        state.withLock { state in
            state.epochs.endOffset(for: epoch.rawValue, logEnd: state.endOffset)
                .map { (LeaderEpoch($0.epoch), Offset($0.endOffset)) }
        }
    }

    /// The idempotent producers that the log knows (DescribeProducers).
    public var activeProducers: [ActiveProducer] {
        state.withLock { state in
            state.producers.producers.map { id, producer in
                ActiveProducer(
                    producerID: ProducerID(id), epoch: producer.epoch,
                    lastSequence: producer.batches.last?.lastSequence ?? -1, lastTimestamp: producer.lastTimestamp)
            }
        }
    }

    /// Makes the offset the first that can be read (DeleteRecords). Segments wholly below it are removed by the next
    /// retention check. Durable with the next checkpoint, or once `LogManager.saveStartOffsets` says so.
    ///
    /// - Returns: the log's start, which is higher when it was already.
    /// - Throws: code 1 when the offset is above the high watermark.
    public func deleteRecords(before offset: Offset) throws(ReadError) -> Offset {
        try checkUsable()
        let start = try state.withLock { state throws(ReadError) in
            guard offset.rawValue >= 0, offset.rawValue <= state.highWatermark.offset else {
                throw ReadError(
                    .offsetOutOfRange,
                    "cannot delete records before \(offset): the high watermark is \(state.highWatermark.offset)")
            }
            state.advanceStart(to: offset.rawValue)
            return Offset(state.startOffset)
        }
        context.requestCheckpoint()
        return start
    }

    func checkUsable() throws(ReadError) {
        if !context.isOnline, let error = context.offlineError { throw ReadError(error) }
    }

    /// Makes the log refuse everything from now on.
    func fail(_ error: StorageError) {
        let observer = state.withLock { state -> (any LogObserver)? in
            if state.failure != nil { return nil }
            state.failure = error
            return state.observer
        }
        observer?.logFailed(self, error: error)
    }
}

/// An idempotent producer as a log knows it.
public struct ActiveProducer: Sendable, Equatable {
    public var producerID: ProducerID
    public var epoch: Int16
    /// -1 when only a marker is known.
    public var lastSequence: Int32
    public var lastTimestamp: Int64
}
