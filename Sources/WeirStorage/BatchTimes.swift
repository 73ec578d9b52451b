internal import NIOCore
internal import WeirModel
internal import WeirRecords

/// The times of a batch's records, without building the records.
enum BatchTimes {
    /// What a batch may unpack to at most, in bytes.
    private static let unpackedMax = 256 << 20

    /// Offset and timestamp of each record, in order; those up to the first that cannot be read.
    static func all(in batch: ByteBuffer, header: RecordBatchHeader) -> [(offset: Int64, timestamp: Int64)] {
        var batch = batch
        batch.moveReaderIndex(forwardBy: min(RecordBatchHeader.byteCount, batch.readableBytes))
        guard let codec = header.attributes.codec else { return [] }
        if codec != .none {
            guard let unpacked = try? Compression.decompress(batch, with: codec, limit: unpackedMax) else { return [] }
            batch = unpacked
        }
        let appendTime = header.attributes.timestampType == .logAppendTime ? header.maxTimestamp : nil
        var times: [(offset: Int64, timestamp: Int64)] = []
        // record: varint length · int8 attributes · varlong timestamp delta · varint offset delta · …
        while let length = batch.readZigZag(), length >= 3, length <= Int64(batch.readableBytes),
            var record = batch.readSlice(length: Int(length)), record.readInteger(as: Int8.self) != nil,
            let timestampDelta = record.readZigZag(), let offsetDelta = record.readZigZag()
        {
            times.append((header.baseOffset &+ offsetDelta, appendTime ?? (header.baseTimestamp &+ timestampDelta)))
        }
        return times
    }
}

extension ByteBuffer {
    /// A zigzag-coded variable-length integer of at most ten bytes; nil when there is none.
    fileprivate mutating func readZigZag() -> Int64? {
        var value: UInt64 = 0
        for index in 0..<10 {
            guard let byte = readInteger(as: UInt8.self) else { return nil }
            value |= UInt64(byte & 0x7F) << UInt64(7 * index)
            if byte & 0x80 == 0 { return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1) }
        }
        return nil
    }
}
