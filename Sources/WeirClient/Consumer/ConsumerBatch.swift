public import WeirModel
import WeirRecords

/// The records of one batch, in the order of their offsets. Iterating makes nothing but the records themselves.
public struct ConsumerBatch: Sequence, Sendable {
    let storage: BatchStorage
    private let header: RecordBatchHeader
    /// Records before it were read already, or are not wanted.
    let from: Int64
    /// Records from it on are not wanted.
    let until: Int64

    init(storage: BatchStorage, header: RecordBatchHeader, from: Int64, until: Int64) {
        self.storage = storage
        self.header = header
        self.from = from
        self.until = until
    }

    public var partition: TopicPartition { storage.partition }
    /// The last offset that the batch covers; its record may have been compacted away.
    public var lastOffset: Offset { Offset(header.lastOffset) }
    public var underestimatedCount: Int { 0 }

    public func makeIterator() -> Iterator { Iterator(self) }

    public struct Iterator: IteratorProtocol, Sendable {
        private let storage: BatchStorage
        private let baseOffset: Int64
        private let baseTimestamp: Int64
        /// The time that all records have, when the broker stamps them.
        private let appendTime: Int64?
        private let from: Int64
        private let until: Int64
        private var position = 0
        private var left: Int32
        /// The bytes hold something else than the records that the batch declares.
        private(set) var isMalformed = false

        init(_ batch: ConsumerBatch) {
            storage = batch.storage
            baseOffset = batch.header.baseOffset
            baseTimestamp = batch.header.baseTimestamp
            appendTime = batch.header.attributes.timestampType == .logAppendTime ? batch.header.maxTimestamp : nil
            from = batch.from
            until = batch.until
            left = batch.header.recordCount
        }

        public mutating func next() -> ConsumerRecord? {
            while left > 0 {
                left -= 1
                let parts = storage.bytes.withUnsafeReadableBytes { all -> RecordCursor.Parts? in
                    guard position < all.count,
                        var cursor = RecordCursor(UnsafeRawBufferPointer(rebasing: all[position...]))
                    else { return nil }
                    return cursor.next()
                }
                guard let parts else {
                    isMalformed = true
                    left = 0
                    return nil
                }
                let start = Int32(truncatingIfNeeded: position)
                position += parts.end
                let offset = baseOffset &+ Int64(parts.offsetDelta)
                guard offset >= from else { continue }
                guard offset < until else {
                    left = 0
                    return nil
                }
                return ConsumerRecord(
                    batch: storage, offset: Offset(offset),
                    timestamp: appendTime ?? (baseTimestamp &+ parts.timestampDelta),
                    keyAt: start &+ Int32(truncatingIfNeeded: parts.keyAt),
                    keyCount: Int32(truncatingIfNeeded: parts.keyCount),
                    valueAt: start &+ Int32(truncatingIfNeeded: parts.valueAt),
                    valueCount: Int32(truncatingIfNeeded: parts.valueCount),
                    headersAt: start &+ Int32(truncatingIfNeeded: parts.headersAt),
                    headerCount: Int32(truncatingIfNeeded: parts.headerCount))
            }
            return nil
        }
    }
}
