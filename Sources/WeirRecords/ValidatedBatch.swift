public import NIOCore

/// A batch that passed `BatchValidator`, as it is to be stored but for its base offset and leader epoch.
public struct ValidatedBatch: Sendable {
    /// The header of `bytes`.
    public let header: RecordBatchHeader
    /// The whole batch, header included.
    public let bytes: ByteBuffer
    /// The largest timestamp among the records as stored, in milliseconds since 1970; -1 when none has one.
    public let maxTimestamp: Int64
    /// The offset of the first record with that timestamp minus the base offset; for LogAppendTime the last record's, as in
    /// Kafka; -1 when none has one.
    public let maxTimestampOffsetDelta: Int32

    init(header: RecordBatchHeader, bytes: ByteBuffer, maxTimestamp: Int64, maxTimestampOffsetDelta: Int32) {
        self.header = header
        self.bytes = bytes
        self.maxTimestamp = maxTimestamp
        self.maxTimestampOffsetDelta = maxTimestampOffsetDelta
    }

    /// Sets the base offset and the leader epoch where the batch lies in memory, and gives its bytes to `body`, which writes
    /// them to the log.
    ///
    /// This spares the copy of the whole batch that changing a `ByteBuffer` costs while the request's frame still holds the
    /// memory. It is sound because these sixteen bytes belong to one batch of one request, no other partition's slice has
    /// them, the thread that appends is the only one that reads them, and the checksum does not cover them. Whoever keeps
    /// another reference to the same bytes sees them change.
    public func withPlacedBytes<Value, Failure: Error>(
        baseOffset: Int64, leaderEpoch: Int32, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        try bytes.withReadableBytes { bytes throws(Failure) in
            let writable = UnsafeMutableRawBufferPointer(mutating: bytes)
            RecordBatchHeader.setBaseOffset(baseOffset, in: writable)
            RecordBatchHeader.setPartitionLeaderEpoch(leaderEpoch, in: writable)
            return try body(bytes)
        }
    }
}
