public import NIOCore

/// A batch that passed `BatchValidator`, as it is to be stored but for its base offset and leader epoch.
///
/// Those stand in the first sixteen bytes, which the checksum does not cover. Write them in front of the rest
/// (`pwritev`) instead of changing `bytes`: the request's frame holds the same memory, so a change copies the batch.
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
}
