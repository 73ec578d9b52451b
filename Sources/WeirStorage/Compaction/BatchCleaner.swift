internal import NIOCore
internal import WeirModel
internal import WeirRecords

/// Decides what of each batch stays, by Kafka's rules (`Cleaner`, `MemoryRecords.filterTo`), and writes it anew.
///
/// A batch keeps its base offset, last offset, sequences, epochs and codec, whatever goes from it. The time from which its
/// tombstones, or its marker, may go is set when they are first met, and stands in the base timestamp (KIP-534).
struct BatchCleaner {
    /// Decompressed records of a batch that are taken into memory.
    static let decompressedBytesMax = 1 << 30

    let map: KeyOffsetMap
    /// The wall clock when the cleaning began, in milliseconds.
    let nowMs: Int64
    let settings: TopicSettings
    /// The last batch of each producer that may still send.
    let producers: [Int64: LastBatch]
    var transactions: CleanedTransactions

    struct LastBatch {
        /// Nil when only a marker is known.
        var lastOffset: Int64?
        var epoch: Int16
    }

    enum Outcome: Equatable {
        case asIs
        case changed(ByteBuffer, RecordBatchHeader)
        case dropped
    }

    /// - Parameter mustStay: whether the batch must leave at least its header, for the offsets it ends.
    /// - Throws: when the batch is damaged.
    mutating func clean(_ batch: BatchView, mustStay: Bool) throws(RecordError) -> Outcome {
        let header = batch.header
        var isVoid: Bool
        var endsNothing = false
        if header.attributes.isControl {
            endsNothing = transactions.endsNothing(ControlType(batch), header)
            isVoid = endsNothing && horizonPassed(header)
        } else {
            isVoid = transactions.isAborted(header)
        }
        let staysEmpty = mustStay || isLastOfProducer(header)
        if header.recordCount == 0 { return staysEmpty ? .asIs : .dropped }
        if isVoid { return staysEmpty ? emptied(header) : .dropped }
        let records = try batch.recordBytes(limit: Self.decompressedBytesMax)
        guard let survey = survey(records, header) else {
            throw RecordError(.malformed, "the records of the batch at offset \(header.baseOffset) are damaged")
        }
        guard !survey.kept.isEmpty else { return staysEmpty ? emptied(header) : .dropped }
        let needsHorizon = (survey.hasTombstone || endsNothing) && !header.attributes.hasDeleteHorizon
        if survey.kept.count == Int(header.recordCount), !needsHorizon { return .asIs }
        let horizon = needsHorizon ? nowMs.addingReportingOverflow(settings.deleteRetentionMs) : nil
        return try rewritten(
            batch, records, survey, horizon: horizon.map { $0.overflow ? Int64.max : $0.partialValue })
    }

    private func horizonPassed(_ header: RecordBatchHeader) -> Bool {
        header.attributes.hasDeleteHorizon && header.baseTimestamp <= nowMs
    }

    private func isLastOfProducer(_ header: RecordBatchHeader) -> Bool {
        guard header.hasProducerID, let last = producers[header.producerID] else { return false }
        guard let offset = last.lastOffset else {
            return header.attributes.isControl && header.producerEpoch == last.epoch
        }
        return header.lastOffset == offset
    }

    // MARK: Records

    private struct Survey {
        struct Kept {
            /// Where the record begins, with its length, and where it ends.
            var start: Int
            var end: Int
            var timestampDelta: Int64
        }
        var kept: [Kept] = []
        var hasTombstone = false
        var maxTimestampDelta = Int64.min
    }

    /// Nil when the bytes are not the records that the header declares.
    private func survey(_ records: ByteBuffer, _ header: RecordBatchHeader) -> Survey? {
        records.withUnsafeReadableBytes { bytes -> Survey? in
            guard var cursor = RecordCursor(bytes) else { return nil }
            var survey = Survey()
            for _ in 0..<header.recordCount {
                let start = cursor.position
                guard let parts = cursor.next(), parts.offsetDelta >= 0, parts.offsetDelta <= header.lastOffsetDelta
                else { return nil }
                guard stays(parts, header, bytes) else { continue }
                survey.kept.append(.init(start: start, end: parts.end, timestampDelta: parts.timestampDelta))
                survey.maxTimestampDelta = max(survey.maxTimestampDelta, parts.timestampDelta)
                if parts.valueCount < 0 { survey.hasTombstone = true }
            }
            return cursor.isAtEnd ? survey : nil
        }
    }

    private func stays(_ parts: RecordCursor.Parts, _ header: RecordBatchHeader, _ bytes: UnsafeRawBufferPointer)
        -> Bool
    {
        if header.attributes.isControl { return true }
        let offset = header.baseOffset &+ Int64(parts.offsetDelta)
        if offset > map.latestOffset { return true }
        // From before the topic was compacted: nothing can ever replace it, and Kafka lets it go.
        guard parts.keyCount >= 0 else { return false }
        let key = UnsafeRawBufferPointer(rebasing: bytes[parts.keyAt..<(parts.keyAt + parts.keyCount)])
        guard offset >= map.offset(of: key) else { return false }
        return parts.valueCount >= 0 || !horizonPassed(header)
    }

    // MARK: Writing

    /// Only the header: it holds the offsets and the producer's sequence.
    private func emptied(_ header: RecordBatchHeader) -> Outcome {
        var header = header
        header.attributes.codec = CompressionCodec.none
        header.attributes.hasDeleteHorizon = false
        header.baseTimestamp = -1
        header.recordCount = 0
        return sealed(&header, ByteBuffer())
    }

    private func rewritten(
        _ batch: BatchView, _ records: ByteBuffer, _ survey: Survey, horizon: Int64?
    ) throws(RecordError) -> Outcome {
        var header = batch.header
        header.recordCount = Int32(clamping: survey.kept.count)
        if header.attributes.timestampType == .createTime {
            header.maxTimestamp = header.baseTimestamp &+ survey.maxTimestampDelta
        }
        let shift: Int64
        if let horizon {
            header.attributes.hasDeleteHorizon = true
            shift = header.baseTimestamp &- horizon
            header.baseTimestamp = horizon
        } else {
            shift = 0
        }
        var body = ByteBuffer()
        body.reserveCapacity(records.readableBytes + (shift == 0 ? 0 : survey.kept.count * 10))
        records.withUnsafeReadableBytes { bytes in
            for kept in survey.kept {
                let record = UnsafeRawBufferPointer(rebasing: bytes[kept.start..<kept.end])
                if shift == 0 {
                    body.writeBytes(record)
                } else {
                    Self.write(record, timestampDelta: kept.timestampDelta &+ shift, to: &body)
                }
            }
        }
        guard let codec = header.attributes.codec else {
            throw RecordError(.undecodable, "the batch at offset \(header.baseOffset) has an unknown codec")
        }
        if codec != .none {
            do throws(CompressionError) {
                body = try Compression.compress(
                    body, with: codec, level: settings.level(of: codec), snappyFraming: Self.framing(of: batch))
            } catch {
                throw RecordError(.tooLarge, error.message)
            }
        }
        return sealed(&header, body)
    }

    /// Writes a record with another timestamp delta: length varint, attributes int8, delta varlong, and the rest as it was.
    private static func write(_ record: UnsafeRawBufferPointer, timestampDelta: Int64, to body: inout ByteBuffer) {
        var at = 0
        func skipVarint() {
            while record[at] >= 0x80 { at += 1 }
            at += 1
        }
        skipVarint()
        let attributes = record[at]
        at += 1
        skipVarint()
        let delta = varint(timestampDelta)
        body.writeBytes(varint(Int64(1 + delta.count + record.count - at)))
        body.writeInteger(attributes)
        body.writeBytes(delta)
        body.writeBytes(UnsafeRawBufferPointer(rebasing: record[at...]))
    }

    private static func varint(_ value: Int64) -> [UInt8] {
        var rest = UInt64(bitPattern: (value << 1) ^ (value >> 63))
        var bytes: [UInt8] = []
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
        return bytes
    }

    private func sealed(_ header: inout RecordBatchHeader, _ body: ByteBuffer) -> Outcome {
        let total = RecordBatchHeader.byteCount + body.readableBytes
        guard let length = Int32(exactly: total - RecordBatchHeader.lengthOverhead) else { return .asIs }
        header.batchLength = length
        header.crc = body.withUnsafeReadableBytes { header.checksum(records: $0) }
        var bytes = ByteBuffer()
        bytes.reserveCapacity(total)
        bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: RecordBatchHeader.byteCount) { space in
            header.write(to: space)
            return RecordBatchHeader.byteCount
        }
        bytes.writeImmutableBuffer(body)
        return .changed(bytes, header)
    }

    /// How the batch's snappy was framed: a first byte of 0x82 and `SNAPPY` is what Java writes.
    private static func framing(of batch: BatchView) -> SnappyFraming {
        let head = batch.bytes.getBytes(at: batch.bytes.readerIndex + RecordBatchHeader.byteCount, length: 7)
        return head == [0x82, 0x53, 0x4E, 0x41, 0x50, 0x50, 0x59] ? .xerial : .raw
    }
}

extension TopicSettings {
    /// The topic's level for a codec; nil for one that has none.
    fileprivate func level(of codec: CompressionCodec) -> Int? {
        switch codec {
        case .gzip: compressionGzipLevel
        case .lz4: compressionLz4Level
        case .zstd: compressionZstdLevel
        case .none, .snappy: nil
        }
    }
}
