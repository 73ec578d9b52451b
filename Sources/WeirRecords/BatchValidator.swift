public import NIOCore
import WeirModel

/// Checks what a producer sends, before the partition's lock is taken.
///
/// One pass for the checksum and one over the records' heads; nothing is allocated for a good uncompressed batch.
/// The rules are those of Kafka's `ProduceRequest.validateRecords`, `UnifiedLog.analyzeAndValidateRecords` and
/// `LogValidator`. Weir differs where Kafka would repair or fail oddly: offset deltas that do not count up from 0, a
/// LogAppendTime bit, a delete-horizon bit and an unknown codec are refused, and so are compressed records that do not
/// decompress (with 87, since sending them again does not help; Kafka answers with an unknown error).
public enum BatchValidator {
    /// Checks one partition's bytes of a Produce request: exactly one batch of magic 2.
    ///
    /// With LogAppendTime, with a wrong maximum timestamp and with another codec than the target's, the answer's bytes are
    /// a changed copy, as Kafka changes them; otherwise they are the given ones. The base offset stays 0.
    public static func validate(_ bytes: ByteBuffer, rules: BatchRules) throws(BatchRefusal) -> ValidatedBatch {
        try bytes.withReadableBytes { raw throws(BatchRefusal) in
            let header = try checkedHeader(raw, rules)
            let records = UnsafeRawBufferPointer(rebasing: raw[RecordBatchHeader.byteCount...])
            let codec = header.attributes.codec ?? .none
            if codec == .none {
                return try finish(bytes, header, records, rules: rules)
            }
            return try withDecompressed(records, codec, rules) { records throws(BatchRefusal) in
                try finish(bytes, header, records, rules: rules)
            }
        }
    }

    /// Everything about the batch but its records.
    private static func checkedHeader(
        _ raw: UnsafeRawBufferPointer, _ rules: BatchRules
    ) throws(BatchRefusal) -> RecordBatchHeader {
        try checkFormat(raw, rules)
        let header = RecordBatchHeader(unchecked: raw)
        guard raw.count <= rules.maxMessageBytes else {
            throw BatchRefusal(
                .messageTooLarge,
                "The record batch size is \(raw.count) bytes which exceeds the maximum configured value of "
                    + "\(rules.maxMessageBytes).")
        }
        guard header.baseOffset == 0 else {
            throw .invalid("The base offset of the record batch should be 0, but it is \(header.baseOffset).")
        }
        guard header.checksumMatches(raw) else {
            throw BatchRefusal(.corruptMessage, "The record batch's checksum does not match its content.")
        }
        guard header.recordCount > 0, Int64(header.lastOffsetDelta) + 1 == Int64(header.recordCount) else {
            throw .invalid(
                "The record batch has \(header.recordCount) records and the last offset delta \(header.lastOffsetDelta)."
            )
        }
        try checkAttributes(header, rules)
        return header
    }

    /// That the bytes are one whole batch of magic 2.
    private static func checkFormat(_ raw: UnsafeRawBufferPointer, _ rules: BatchRules) throws(BatchRefusal) {
        guard raw.count > RecordBatchHeader.magicAt else {
            throw .invalid("The request must hold exactly one record batch per partition.")
        }
        let magic = raw.loadBigEndian(Int8.self, at: RecordBatchHeader.magicAt)
        guard magic == 2 else {
            throw BatchRefusal(
                rules.produceVersion >= 3 || magic < 0 || magic > 2 ? .invalidRecord : .unsupportedForMessageFormat,
                "The records have magic \(magic); only the message format with magic 2 is accepted.")
        }
        let length = raw.loadBigEndian(Int32.self, at: 8)
        guard length >= Int32(RecordBatchHeader.byteCount - RecordBatchHeader.lengthOverhead) else {
            throw BatchRefusal(.corruptMessage, "The record batch's length \(length) is less than its header.")
        }
        let total = RecordBatchHeader.lengthOverhead + Int(length)
        guard total == raw.count else {
            throw .invalid(
                total > raw.count
                    ? "The record batch is \(total) bytes long, of which the request holds \(raw.count)."
                    : "The request must hold exactly one record batch per partition.")
        }
    }

    private static func checkAttributes(_ header: RecordBatchHeader, _ rules: BatchRules) throws(BatchRefusal) {
        let attributes = header.attributes
        guard let codec = attributes.codec else {
            throw .invalid("The record batch names the unknown codec \(attributes.codecNumber).")
        }
        if codec == .zstd, rules.produceVersion < 7 {
            throw BatchRefusal(
                .unsupportedCompressionType,
                "Produce requests with version \(rules.produceVersion) are not allowed to use ZStandard compression.")
        }
        guard !attributes.isControl || rules.allowControl else {
            throw .invalid("Clients are not allowed to write control records.")
        }
        guard attributes.timestampType == .createTime else {
            throw BatchRefusal(
                .invalidTimestamp, "Producers must not set the timestamp type of records to LogAppendTime.")
        }
        guard !attributes.hasDeleteHorizon else {
            throw .invalid("Producers must not set a delete horizon.")
        }
        if header.hasProducerID {
            // Control batches, which only the broker writes, carry no sequence.
            guard header.producerEpoch >= 0, header.baseSequence >= 0 || attributes.isControl else {
                throw .invalid(
                    "The record batch of producer id \(header.producerID) has the epoch \(header.producerEpoch) and the "
                        + "sequence number \(header.baseSequence).")
            }
        } else if attributes.isTransactional {
            throw .invalid("The record batch is transactional but has no producer id.")
        }
    }

    /// Checks the records, decompressed, and makes the batch as it is to be stored.
    private static func finish(
        _ bytes: ByteBuffer, _ header: RecordBatchHeader, _ records: UnsafeRawBufferPointer, rules: BatchRules
    ) throws(BatchRefusal) -> ValidatedBatch {
        guard let survey = RecordSurvey(records, header) else {
            throw .invalid("The record batch's content is not the \(header.recordCount) records that it declares.")
        }
        if survey.breaks(rules) {
            throw RecordSurvey.refusal(records, header, rules)
        }
        var stored = header
        var maxTimestampOffsetDelta = survey.maxTimestampOffsetDelta
        if rules.timestampType == .logAppendTime {
            stored.attributes.timestampType = .logAppendTime
            stored.maxTimestamp = rules.nowMs
            maxTimestampOffsetDelta = stored.lastOffsetDelta
        } else {
            stored.maxTimestamp = survey.maxTimestamp
        }
        var storedBytes = bytes
        if let codec = rules.targetCodec, codec != header.attributes.codec, !header.attributes.isControl {
            stored.attributes.codec = codec
            storedBytes = try recompressed(records, &stored, codec, rules)
        } else if stored != header {
            storedBytes = rewritten(bytes, &stored)
        }
        return ValidatedBatch(
            header: stored, bytes: storedBytes, maxTimestamp: stored.maxTimestamp,
            maxTimestampOffsetDelta: maxTimestampOffsetDelta)
    }

    /// A copy of the batch with another header, whose checksum is set.
    private static func rewritten(_ bytes: ByteBuffer, _ header: inout RecordBatchHeader) -> ByteBuffer {
        var copy = ByteBuffer()
        var stored = header
        bytes.withUnsafeReadableBytes { bytes in
            stored.crc = stored.checksum(
                records: UnsafeRawBufferPointer(rebasing: bytes[RecordBatchHeader.byteCount...]))
            copy.writeWithUnsafeMutableBytes(minimumWritableBytes: bytes.count) { space in
                space.copyMemory(from: bytes)
                stored.write(to: space)
                return bytes.count
            }
        }
        header = stored
        return copy
    }

    /// The batch with its records in another codec; sets the header's length and checksum.
    private static func recompressed(
        _ records: UnsafeRawBufferPointer, _ header: inout RecordBatchHeader, _ codec: CompressionCodec,
        _ rules: BatchRules
    ) throws(BatchRefusal) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeRepeatingByte(0, count: RecordBatchHeader.byteCount)
        do throws(CompressionError) {
            try Compression.compress(
                records, with: codec, level: rules.targetCompressionLevel, snappyFraming: .raw, to: &bytes)
        } catch {
            throw BatchRefusal(.unknownServerError, "The records could not be compressed: \(error.message).")
        }
        guard bytes.readableBytes <= rules.maxMessageBytes else {
            throw BatchRefusal(
                .messageTooLarge,
                "The record batch size is \(bytes.readableBytes) bytes after conversion to \(codec.name), which exceeds "
                    + "the maximum configured value of \(rules.maxMessageBytes).")
        }
        header.seal(&bytes)
        return bytes
    }

    /// Decompresses into a buffer that is used again and again.
    private static func withDecompressed<Value>(
        _ records: UnsafeRawBufferPointer, _ codec: CompressionCodec, _ rules: BatchRules,
        _ body: (UnsafeRawBufferPointer) throws(BatchRefusal) -> Value
    ) throws(BatchRefusal) -> Value {
        var scratch = scratchBuffers.take() ?? ByteBuffer()
        scratch.clear()
        do throws(CompressionError) {
            try Compression.decompress(records, with: codec, limit: rules.decompressedBytesMax, to: &scratch)
        } catch {
            if scratch.capacity <= scratchBytesMax { scratchBuffers.give(consume scratch) }
            switch error.code {
            case .tooLarge: throw BatchRefusal(.messageTooLarge, "The record batch is refused: \(error.message).")
            case .malformed: throw .invalid("The record batch cannot be decompressed: \(error.message).")
            case .failed:
                throw BatchRefusal(.unknownServerError, "The record batch was not decompressed: \(error.message).")
            }
        }
        let outcome: Result<Value, BatchRefusal> = scratch.withUnsafeReadableBytes { records in
            do throws(BatchRefusal) {
                return .success(try body(records))
            } catch {
                return .failure(error)
            }
        }
        if scratch.capacity <= scratchBytesMax { scratchBuffers.give(consume scratch) }
        return try outcome.get()
    }

    /// Larger scratch buffers are not kept.
    private static let scratchBytesMax = 4 * 1024 * 1024
    private static let scratchBuffers = ResourcePool<ByteBuffer>()
}

extension BatchRefusal {
    /// INVALID_RECORD.
    static func invalid(_ message: String) -> BatchRefusal { BatchRefusal(.invalidRecord, message) }
}

extension RecordBatchHeader {
    /// Sets length and checksum for the batch in the buffer, whose first 61 readable bytes are kept for the header, and
    /// writes the header there.
    mutating func seal(_ bytes: inout ByteBuffer) {
        var sealed = self
        sealed.batchLength = Int32(clamping: bytes.readableBytes - Self.lengthOverhead)
        bytes.withUnsafeMutableReadableBytes { bytes in
            sealed.crc = sealed.checksum(records: UnsafeRawBufferPointer(rebasing: bytes[Self.byteCount...]))
            sealed.write(to: bytes)
        }
        self = sealed
    }
}
