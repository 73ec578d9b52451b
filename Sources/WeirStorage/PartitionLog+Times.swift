internal import NIOCore
internal import SystemPackage
public import WeirModel
internal import WeirRecords
internal import WeirSystem

/// A record found by its time (ListOffsets).
public struct TimestampedOffset: Sendable, Equatable {
    public var offset: Offset
    /// Milliseconds since 1970-01-01 UTC.
    public var timestamp: Int64
    public var leaderEpoch: LeaderEpoch
}

extension PartitionLog {
    /// The first record at or after that time, in offset order; nil when there is none below the high watermark.
    public func offset(forTimestamp timestamp: Int64) throws(ReadError) -> TimestampedOffset? {
        try search { state throws(FileError) in
            for segment in state.segments where try segment.largestTimestamp() >= timestamp { return segment }
            return nil
        } batch: { header in
            header.maxTimestamp >= timestamp
        } record: { recordTime in
            recordTime >= timestamp
        } from: { segment throws(FileError) in
            try segment.timeIndex.lastOfPrefix { $0.timestamp <= timestamp }
        }
    }

    /// The first record with the largest timestamp; nil when the log is empty.
    public func maxTimestampOffset() throws(ReadError) -> TimestampedOffset? {
        var largest: Int64 = -1
        return try search { state throws(FileError) in
            var best: Segment?
            for segment in state.segments {
                let timestamp = try segment.largestTimestamp()
                if timestamp > largest { (largest, best) = (timestamp, segment) }
            }
            return best
        } batch: { header in
            header.maxTimestamp >= largest
        } record: { recordTime in
            recordTime >= largest
        } from: { segment throws(FileError) in
            try segment.timeIndex.lastOfPrefix { $0.timestamp < largest }
        }
    }

    /// Walks from the segment that `choose` picks, starting near what `from` finds in its time index, to the first batch
    /// and record that pass.
    private func search(
        choose: (LogState) throws(FileError) -> Segment?, batch: (RecordBatchHeader) -> Bool,
        record: (Int64) -> Bool, from: (Segment) throws(FileError) -> TimeEntry?
    ) throws(ReadError) -> TimestampedOffset? {
        try checkUsable()
        while true {
            var isReplaced = false
            do throws(FileError) {
                return try searchOnce(choose: choose, batch: batch, record: record, from: from, &isReplaced)
            } catch {
                // Compaction replaced a segment after it was chosen.
                if isReplaced, error.errno == .noSuchFileOrDirectory { continue }
                throw ReadError(failure ?? StorageError(error))
            }
        }
    }

    private func searchOnce(
        choose: (LogState) throws(FileError) -> Segment?, batch: (RecordBatchHeader) -> Bool,
        record: (Int64) -> Bool, from: (Segment) throws(FileError) -> TimeEntry?, _ isReplaced: inout Bool
    ) throws(FileError) -> TimestampedOffset? {
        let found = try state.withLock { state throws(FileError) -> SearchStart? in
            guard let segment = try choose(state) else { return nil }
            let entry = try from(segment)
            return SearchStart(
                segments: Array(state.segments.drop { $0.baseOffset < segment.baseOffset }),
                sizes: state.segments.drop { $0.baseOffset < segment.baseOffset }.map(\.size),
                offset: entry.map { segment.baseOffset + Int64($0.relativeOffset) } ?? segment.baseOffset,
                startOffset: state.startOffset, bound: state.highWatermark.offset)
        }
        if let failure { throw FileError("read", directory, failure.cause?.errno ?? .ioError) }
        guard let found else { return nil }
        for (segment, size) in zip(found.segments, found.sizes) {
            do throws(FileError) {
                let file = try segment.log.file()
                let offset = max(max(found.offset, found.startOffset), segment.baseOffset)
                guard let start = try position(of: offset, in: segment, file: file, limit: size) else { continue }
                if let hit = try walk(file, from: start, limit: size, found, batch, record) { return hit }
            } catch {
                isReplaced = self.isReplaced(segment)
                throw error
            }
        }
        return nil
    }

    private func walk(
        _ file: any File, from start: Int64, limit: Int64, _ search: SearchStart, _ batch: (RecordBatchHeader) -> Bool,
        _ record: (Int64) -> Bool
    ) throws(FileError) -> TimestampedOffset? {
        try HeaderWindow.withWindow(file) { window throws(FileError) in
            var position = start
            while let header = try window.header(at: position, limit: limit), header.baseOffset < search.bound {
                if batch(header), header.lastOffset >= search.startOffset {
                    let bytes = try FileSlice(file: file, offset: position, count: header.totalBytes).readAll()
                    let epoch = LeaderEpoch(header.partitionLeaderEpoch)
                    // A batch whose records cannot be read is passed over.
                    let found = try? BatchView(parsing: bytes).firstRecord {
                        $0 >= search.startOffset && record($1)
                    }
                    if let found {
                        guard found.offset < search.bound else { return nil }
                        return TimestampedOffset(
                            offset: Offset(found.offset), timestamp: found.timestamp, leaderEpoch: epoch)
                    }
                }
                position += Int64(header.totalBytes)
            }
            return nil
        }
    }
}

private struct SearchStart {
    var segments: [Segment]
    var sizes: [Int64]
    var offset: Int64
    var startOffset: Int64
    var bound: Int64
}
