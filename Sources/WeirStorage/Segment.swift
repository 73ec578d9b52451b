internal import SystemPackage
internal import WeirRecords
internal import WeirSystem

/// One segment of a log: a `.log` file and its two indices.
final class Segment: @unchecked Sendable {
    // Unchecked: the mutable fields are only touched under the lock of the log that owns the segment, or before it is
    // shared. Readers outside the lock work on values copied under it and on `log`, which locks for itself.

    /// The offset the files are named after; no batch in it starts below.
    let baseOffset: Int64
    let directory: FilePath
    let log: FileHandle
    var offsetIndex: IndexFile<OffsetEntry>
    var timeIndex: IndexFile<TimeEntry>
    /// Bytes of valid batches, from the start of the file.
    var size: Int64
    /// The file's length: beyond `size` it is preallocated, or has the rest of a failed write.
    var allocated: Int64
    /// Bytes appended since the last index entry.
    var bytesSinceIndexEntry: Int64 = 0
    /// The largest batch timestamp, -1 when there is none, nil when not known yet.
    var maxTimestamp: Int64?
    /// The last offset of the batch that has it.
    var maxTimestampOffset: Int64 = -1
    /// The first batch's largest timestamp: from it `segment.ms` counts. Nil when the segment is empty or it is not known.
    var firstTimestamp: Int64?
    /// Wall time of creation, for `segment.ms` when records have no timestamps and `retention.ms` likewise.
    var createdMs: Int64
    /// Milliseconds by which this segment rolls earlier than others (`segment.jitter.ms`).
    var jitterMs: Int64 = 0
    /// Whether a write failed since the last batch, so that the file may have anything behind it, also beyond `allocated`.
    var hasFailedWrite = false
    /// Whether the log file has writes that are not synced; then `log` is pinned.
    private(set) var isUnsynced = false
    /// Whether compaction has put another segment in its place; its files have other names then, or none.
    var isReplaced = false

    /// - Parameter suffix: what stands behind the files' names while they do not count yet.
    init(
        directory: FilePath, baseOffset: Int64, files: OpenFiles, createdMs: Int64, existing: SegmentFiles? = nil,
        suffix: String = ""
    ) {
        self.baseOffset = baseOffset
        self.directory = directory
        self.createdMs = createdMs
        func handle(_ kind: SegmentName.Kind) -> FileHandle {
            FileHandle(path: directory.appending(SegmentName.text(baseOffset, kind) + suffix), pool: files)
        }
        log = handle(.log)
        offsetIndex = IndexFile(
            handle: handle(.index), entries: existing?.offsetEntries ?? 0, fileBytes: existing?.offsetBytes)
        timeIndex = IndexFile(
            handle: handle(.timeindex), entries: existing?.timeEntries ?? 0, fileBytes: existing?.timeBytes)
        size = existing?.logBytes ?? 0
        allocated = existing?.logBytes ?? 0
        if existing == nil { maxTimestamp = -1 }
    }

    var handles: [FileHandle] { [log, offsetIndex.handle, timeIndex.handle] }

    func markUnsynced() {
        if isUnsynced { return }
        isUnsynced = true
        log.pin()
    }

    func markSynced() {
        guard isUnsynced else { return }
        isUnsynced = false
        log.unpin()
    }

    /// Takes a batch into indices and times; it was written at `position`. Does not count its bytes.
    func note(_ header: RecordBatchHeader, at position: Int64, indexInterval: Int) throws(FileError) {
        let maxBefore = maxTimestamp ?? -1
        if header.maxTimestamp > maxBefore {
            maxTimestamp = header.maxTimestamp
            maxTimestampOffset = header.lastOffset
        } else if maxTimestamp == nil {
            maxTimestamp = -1
        }
        if firstTimestamp == nil { firstTimestamp = header.maxTimestamp }
        if bytesSinceIndexEntry > Int64(indexInterval),
            let relative = UInt32(exactly: header.lastOffset &- baseOffset), let place = UInt32(exactly: position)
        {
            try offsetIndex.append(OffsetEntry(relativeOffset: relative, position: place))
            try noteTime()
            bytesSinceIndexEntry = 0
        }
        bytesSinceIndexEntry += Int64(header.totalBytes)
    }

    /// Adds a time entry when the largest timestamp grew since the last one.
    func noteTime() throws(FileError) {
        guard let timestamp = maxTimestamp, timestamp >= 0,
            let relative = UInt32(exactly: maxTimestampOffset &- baseOffset)
        else { return }
        if let last = try timeIndex.last(), last.timestamp >= timestamp { return }
        try timeIndex.append(TimeEntry(timestamp: timestamp, relativeOffset: relative))
    }

    /// Whether an index of at most `bytes` has room for no further entry. Kafka keeps one time entry in reserve for the end.
    func isIndexFull(_ bytes: Int) -> Bool {
        offsetIndex.count >= bytes / OffsetEntry.byteCount || timeIndex.count >= bytes / TimeEntry.byteCount - 1
    }

    /// Cuts the files to what is in them. No batch is appended after it, unless `allocated` grows again.
    func finish(_ fileSystem: any FileSystem) throws(FileError) {
        try noteTime()
        try offsetIndex.finish(fileSystem)
        try timeIndex.finish(fileSystem)
        if allocated > size || hasFailedWrite {
            try log.file(create: true).truncate(to: size)
            allocated = size
            hasFailedWrite = false
            markUnsynced()
        }
    }

    /// The largest timestamp in the segment, -1 when no batch has any. Reads the time index when it must.
    ///
    /// The last entry of a finished segment's time index is its largest timestamp (`finish`).
    func largestTimestamp() throws(FileError) -> Int64 {
        if let maxTimestamp { return maxTimestamp }
        let last = try timeIndex.last()
        maxTimestamp = last?.timestamp ?? -1
        maxTimestampOffset = last.map { baseOffset &+ Int64($0.relativeOffset) } ?? -1
        return last?.timestamp ?? -1
    }

    /// Closes the files.
    func drop() {
        for handle in handles { handle.drop() }
    }
}

/// What a listing showed of a segment.
struct SegmentFiles {
    var logBytes: Int64 = 0
    var offsetEntries = 0
    var offsetBytes: Int64?
    var timeEntries = 0
    var timeBytes: Int64?
}
