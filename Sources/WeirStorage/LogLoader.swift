internal import SystemPackage
internal import WeirModel
internal import WeirRecords
internal import WeirSystem

/// Why a log did not come back.
enum LoadFailure: Error {
    case disk(FileError)
    case corrupt(String)

    var storageError: StorageError {
        switch self {
        case .disk(let error): StorageError(error)
        case .corrupt(let message): StorageError(.corrupt, message)
        }
    }
}

/// Brings a log back from its directory.
///
/// After a clean stop only names, sizes and small files are read, and the last batches of the last segment. After a crash
/// everything from the recovery point on is checked: see `LogLoader+Scan`.
struct LogLoader {
    let topicPartition: TopicPartition
    let directory: FilePath
    let context: StorageContext
    let settings: TopicSettings
    /// Everything below it was on disk when the checkpoint was written; 0 when unknown.
    let recoveryPoint: Int64
    /// The log's first offset when the checkpoint was written; 0 when unknown.
    let startOffset: Int64
    let wasClean: Bool
    /// Whether the log was compacted: then segments need not follow each other without a gap.
    let wasCompacted: Bool

    /// - Throws: `.corrupt` when the bytes on disk cannot be what was synced. No record data was changed then.
    func load() throws(LoadFailure) -> LogState {
        var state = LogState(
            directory: directory, settings: settings, asyncFlushDefaultMs: context.settings.asyncFlushMs)
        guard try disk({ () throws(FileError) in try context.fileSystem.kind(of: directory) }) == .directory else {
            guard recoveryPoint == 0, startOffset == 0 else {
                throw .corrupt(
                    "\(directory) is missing, and its recovery point is \(recoveryPoint), its start \(startOffset)")
            }
            return state
        }
        state.directoryExists = true
        try settleInterrupted()
        let listing = try list()
        state.segments = try segments(listing)
        state.startOffset = max(startOffset, state.segments.first?.baseOffset ?? startOffset)
        state.epochs = try epochs()
        if state.segments.isEmpty {
            guard recoveryPoint <= state.startOffset else {
                throw .corrupt("\(directory) has no segment, and its recovery point is \(recoveryPoint)")
            }
            state.endOffset = state.startOffset
        } else {
            try findEnd(&state)
        }
        let before = state.epochs
        _ = state.epochs.truncate(to: max(state.endOffset, 1))
        _ = state.epochs.advanceStart(to: state.startOffset)
        state.epochsChanged = state.epochsChanged || state.epochs != before
        try loadProducers(&state, listing)
        state.startOffset = min(state.startOffset, state.endOffset)
        state.syncedEnd = state.endOffset
        state.recoveryPoint = min(recoveryPoint, state.endOffset)
        state.highWatermark = state.endPosition
        return state
    }

    /// Files of a segment by what they are.
    struct Listing {
        var logs: [Int64] = []
        var sizes: [String: Int64] = [:]
        var snapshots: [Int64] = []
    }

    private func list() throws(LoadFailure) -> Listing {
        try disk { () throws(FileError) in
            var listing = Listing()
            let files = context.fileSystem
            var indices: [(Int64, String)] = []
            for name in try files.list(directory) {
                guard let (offset, kind) = SegmentName.parse(name) else { continue }
                switch kind {
                case .snapshot: listing.snapshots.append(offset)
                case .log: listing.logs.append(offset)
                case .index, .timeindex: indices.append((offset, name))
                case .txnindex: break
                }
                if kind == .log || kind == .index || kind == .timeindex,
                    case .file(let size)? = try files.kind(of: directory.appending(name))
                {
                    listing.sizes[name] = size
                }
            }
            listing.logs.sort()
            listing.snapshots.sort()
            let logs = Set(listing.logs)
            for (offset, name) in indices where !logs.contains(offset) {
                try files.remove(directory.appending(name))
            }
            return listing
        }
    }

    /// The segments there are; those that retention had dropped already are removed.
    private func segments(_ listing: Listing) throws(LoadFailure) -> [Segment] {
        var segments: [Segment] = []
        let nowMs = context.clock.wallMilliseconds
        for (index, base) in listing.logs.enumerated() {
            if index + 1 < listing.logs.count, listing.logs[index + 1] <= startOffset {
                try disk { () throws(FileError) in
                    for kind in [SegmentName.Kind.log, .index, .timeindex, .txnindex] {
                        try context.fileSystem.remove(directory.appending(SegmentName.text(base, kind)))
                    }
                }
                continue
            }
            func size(_ kind: SegmentName.Kind) -> Int64? { listing.sizes[SegmentName.text(base, kind)] }
            let found = SegmentFiles(
                logBytes: size(.log) ?? 0,
                offsetEntries: Int(clamping: (size(.index) ?? 0) / Int64(OffsetEntry.byteCount)),
                offsetBytes: size(.index),
                timeEntries: Int(clamping: (size(.timeindex) ?? 0) / Int64(TimeEntry.byteCount)),
                timeBytes: size(.timeindex))
            segments.append(
                Segment(
                    directory: directory, baseOffset: base, files: context.files, createdMs: nowMs, existing: found))
        }
        return segments
    }

    private func epochs() throws(LoadFailure) -> LeaderEpochs {
        let path = directory.appending(EpochCheckpoint.name)
        let bytes = try disk { () throws(FileError) in try context.fileSystem.contents(of: path) }
        guard let bytes else { return LeaderEpochs() }
        if let epochs = EpochCheckpoint.decode(bytes) { return epochs }
        context.notice(.warning, "\(path) is damaged; leader epochs are taken from the batches that are scanned")
        return LeaderEpochs()
    }

    private func loadProducers(_ state: inout LogState, _ listing: Listing) throws(LoadFailure) {
        let (segments, start, end) = (state.segments, state.startOffset, state.endOffset)
        (state.producers, state.snapshots) = try disk { () throws(FileError) in
            for stale in listing.snapshots where stale > end {
                try context.fileSystem.remove(directory.appending(SegmentName.text(stale, .snapshot)))
            }
            return try ProducerReplay(directory: directory, context: context)
                .states(at: end, start: start, segments: segments, snapshots: listing.snapshots)
        }
    }

    /// Finds the log's end, the quick way when the last stop was clean and everything agrees with it.
    private func findEnd(_ state: inout LogState) throws(LoadFailure) {
        if wasClean, let last = state.segments.last, recoveryPoint >= last.baseOffset {
            let end = try disk { () throws(FileError) in try quickEnd(of: last) }
            if end == recoveryPoint {
                state.endOffset = recoveryPoint
                return
            }
            context.notice(
                .warning,
                "\(topicPartition): the last stop was clean at offset \(recoveryPoint), but the files do not say so; "
                    + "they are checked")
        }
        try scan(&state)
    }

    /// The offset after the last batch by the index and the headers behind its last entry; nil when anything is odd.
    private func quickEnd(of segment: Segment) throws(FileError) -> Int64? {
        if segment.size == 0 {
            segment.maxTimestamp = -1
            return segment.baseOffset
        }
        let bytes = (segment.offsetIndex.count * OffsetEntry.byteCount, segment.timeIndex.count * TimeEntry.byteCount)
        guard try segment.offsetIndex.handle.pathSize(context) == Int64(bytes.0),
            try segment.timeIndex.handle.pathSize(context) == Int64(bytes.1)
        else { return nil }
        let entry = try segment.offsetIndex.last()
        if let entry, Int64(entry.position) >= segment.size { return nil }
        let start = entry.map { Int64($0.position) } ?? 0
        let file = try segment.log.file()
        _ = try segment.largestTimestamp()
        return try HeaderWindow.withWindow(file) { window throws(FileError) -> Int64? in
            segment.firstTimestamp = try window.header(at: 0, limit: segment.size)?.maxTimestamp
            var position = start
            var end: Int64?
            while position < segment.size {
                guard let header = try window.header(at: position, limit: segment.size),
                    header.baseOffset >= (end ?? segment.baseOffset)
                else { return nil }
                if header.maxTimestamp > segment.maxTimestamp ?? -1 { return nil }
                segment.bytesSinceIndexEntry += Int64(header.totalBytes)
                position += Int64(header.totalBytes)
                end = header.lastOffset + 1
            }
            return end
        }
    }

    func disk<Result>(_ body: () throws(FileError) -> Result) throws(LoadFailure) -> Result {
        do throws(FileError) {
            return try body()
        } catch {
            throw .disk(error)
        }
    }
}

extension FileHandle {
    /// The size of the file by its name, 0 when it is missing.
    fileprivate func pathSize(_ context: StorageContext) throws(FileError) -> Int64 {
        if case .file(let size)? = try context.fileSystem.kind(of: path) { return size }
        return 0
    }
}
