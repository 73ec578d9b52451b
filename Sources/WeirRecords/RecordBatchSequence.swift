public import NIOCore
import WeirModel

/// Walks the batches in bytes: a fetch answer, a segment's part, a dump.
///
/// An incomplete batch at the end is left alone, as a fetch answer may have one; `remaining` are the bytes behind the last
/// whole batch.
public struct RecordBatchIterator: Sendable {
    /// What has not been walked yet.
    public private(set) var remaining: ByteBuffer

    public init(_ bytes: ByteBuffer) { remaining = bytes }

    /// The next batch; nil when no whole one is left. The checksum is not checked: see `BatchView.verifyCRC()`.
    public mutating func next() throws(RecordError) -> BatchView? {
        guard remaining.readableBytes >= RecordBatchHeader.byteCount else { return nil }
        let header = try remaining.withReadableBytes { bytes throws(RecordError) in
            try RecordBatchHeader(parsing: bytes)
        }
        guard let bytes = remaining.readSlice(length: header.totalBytes) else { return nil }
        return BatchView(header: header, bytes: bytes)
    }
}

/// One whole batch in memory.
public struct BatchView: Sendable {
    public let header: RecordBatchHeader
    /// The batch's bytes, header included.
    public let bytes: ByteBuffer

    init(header: RecordBatchHeader, bytes: ByteBuffer) {
        self.header = header
        self.bytes = bytes
    }

    /// Reads the batch at the front of the bytes; what follows it is left alone.
    public init(parsing bytes: ByteBuffer) throws(RecordError) {
        var iterator = RecordBatchIterator(bytes)
        guard let batch = try iterator.next() else {
            throw RecordError(.truncated, "\(bytes.readableBytes) bytes are less than the record batch")
        }
        self = batch
    }

    /// Checks the checksum.
    public func verifyCRC() throws(RecordError) {
        guard bytes.withUnsafeReadableBytes({ header.checksumMatches($0) }) else {
            throw RecordError(.corrupt, "the checksum of the batch at offset \(header.baseOffset) does not match")
        }
    }

    /// The records' bytes, decompressed to at most `limit` bytes.
    public func recordBytes(limit: Int) throws(RecordError) -> ByteBuffer {
        guard let codec = header.attributes.codec else {
            throw RecordError(.undecodable, "the batch names the unknown codec \(header.attributes.codecNumber)")
        }
        var records = bytes
        records.moveReaderIndex(forwardBy: min(RecordBatchHeader.byteCount, records.readableBytes))
        do throws(CompressionError) {
            return try Compression.decompress(records, with: codec, limit: limit)
        } catch {
            throw RecordError(error)
        }
    }

    /// The records; their keys and values share the batch's memory (or that of its decompressed bytes, at most `limit`).
    ///
    /// Offsets may have gaps, where compaction has taken records away. The batch's checksum is not checked here.
    public func records(limit: Int = 256 * 1024 * 1024) throws(RecordError) -> [Record] {
        let owner = try recordBytes(limit: limit)
        var records: [Record] = []
        // The count is not believed beyond what the bytes can hold.
        records.reserveCapacity(min(Int(header.recordCount), owner.readableBytes / RecordCursor.recordBytesMin))
        try forEachParts(in: owner) { cursor, parts in
            records.append(record(parts, cursor, owner))
            return true
        }
        return records
    }

    /// The first record that passes, by its offset and timestamp (in milliseconds since 1970); nil when none does.
    public func firstRecord(
        limit: Int = 256 * 1024 * 1024, where passes: (_ offset: Int64, _ timestamp: Int64) -> Bool
    ) throws(RecordError) -> (offset: Int64, timestamp: Int64)? {
        let owner = try recordBytes(limit: limit)
        var found: (offset: Int64, timestamp: Int64)?
        try forEachParts(in: owner) { _, parts in
            let (offset, timestamp) = (header.baseOffset &+ Int64(parts.offsetDelta), self.timestamp(parts))
            guard passes(offset, timestamp) else { return true }
            found = (offset, timestamp)
            return false
        }
        return found
    }

    /// The first record at or after the timestamp (in milliseconds): its offset and timestamp; nil when there is none.
    public func firstRecord(
        atOrAfter timestamp: Int64, limit: Int = 256 * 1024 * 1024
    ) throws(RecordError) -> (offset: Int64, timestamp: Int64)? {
        try firstRecord(limit: limit) { $1 >= timestamp }
    }

    /// The first record with the largest timestamp: its offset and timestamp; nil when no record has one.
    public func maxTimestampRecord(
        limit: Int = 256 * 1024 * 1024
    ) throws(RecordError) -> (offset: Int64, timestamp: Int64)? {
        // With LogAppendTime all records have the same time, and Kafka names the last.
        if header.attributes.timestampType == .logAppendTime { return (header.lastOffset, header.maxTimestamp) }
        let owner = try recordBytes(limit: limit)
        var found: (offset: Int64, timestamp: Int64)?
        var largest: Int64 = -1
        try forEachParts(in: owner) { _, parts in
            let recordTimestamp = self.timestamp(parts)
            if recordTimestamp > largest {
                largest = recordTimestamp
                found = (header.baseOffset &+ Int64(parts.offsetDelta), recordTimestamp)
            }
            return true
        }
        return found
    }

    /// Walks all records until the body answers false; throws unless they are what the header says.
    private func forEachParts(
        in owner: ByteBuffer, _ body: (RecordCursor, RecordCursor.Parts) -> Bool
    ) throws(RecordError) {
        try owner.withReadableBytes { bytes throws(RecordError) in
            var left = header.recordCount
            var cursor = RecordCursor(bytes)
            while left > 0 {
                guard let parts = cursor?.next(), let cursor else { throw malformed }
                guard parts.offsetDelta >= 0, parts.offsetDelta <= header.lastOffsetDelta else { throw malformed }
                guard body(cursor, parts) else { return }
                left &-= 1
            }
            guard cursor?.isAtEnd ?? true else { throw malformed }
        }
    }

    private var malformed: RecordError {
        RecordError(
            .malformed,
            "the batch at offset \(header.baseOffset) does not hold the \(header.recordCount) records it declares")
    }

    private func timestamp(_ parts: RecordCursor.Parts) -> Int64 {
        header.attributes.timestampType == .logAppendTime
            ? header.maxTimestamp : header.baseTimestamp &+ parts.timestampDelta
    }

    private func record(_ parts: RecordCursor.Parts, _ cursor: RecordCursor, _ owner: ByteBuffer) -> Record {
        func slice(_ at: Int, _ count: Int) -> ByteBuffer? {
            count < 0 ? nil : owner.getSlice(at: owner.readerIndex + at, length: count)
        }
        var headers: [RecordHeader] = []
        if parts.headerCount > 0 {
            headers.reserveCapacity(parts.headerCount)
            var at = parts.headersAt
            while headers.count < parts.headerCount, let header = cursor.header(at: &at, end: parts.end) {
                let key = owner.getString(at: owner.readerIndex + header.keyAt, length: header.keyCount) ?? ""
                headers.append(RecordHeader(key: key, value: slice(header.valueAt, header.valueCount)))
            }
        }
        return Record(
            attributes: parts.attributes, offset: header.baseOffset &+ Int64(parts.offsetDelta),
            timestamp: timestamp(parts), key: slice(parts.keyAt, parts.keyCount),
            value: slice(parts.valueAt, parts.valueCount), headers: headers)
    }
}
