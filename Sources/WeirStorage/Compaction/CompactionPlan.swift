internal import WeirModel
internal import WeirRecords
internal import WeirSystem

/// What a cleaning of a log would do, and how much it is needed.
struct CompactionPlan {
    /// A segment that is not appended to any more.
    struct Part {
        let segment: Segment
        let size: Int64
        let indexBytes: Int
        let timeIndexBytes: Int
        /// The offset after it: the next segment's base.
        let end: Int64
    }

    let log: PartitionLog
    let settings: TopicSettings
    /// Below it the log is clean.
    let firstDirty: Int64
    /// All segments below `end`, from the log's first on, whole.
    let parts: [Part]
    /// Those after them, the one that is appended to as it was: where markers may stand.
    let later: [Part]
    /// The part that holds the first dirty offset.
    let firstDirtyPart: Int
    /// Where the part ends that may be cleaned.
    let end: Int64
    let truncations: Int
    /// Whether `max.compaction.lag.ms` asks for it, however little there is.
    let isOverdue: Bool

    private static let groupSegmentsMax = 128

    var cleanableBytes: Int64 { parts[firstDirtyPart...].reduce(0) { $0 + $1.size } }

    /// The share of the log that is dirty.
    var dirtyRatio: Double {
        let clean = parts[..<firstDirtyPart].reduce(0) { $0 + $1.size }
        let dirty = cleanableBytes
        return clean + dirty == 0 ? 0 : Double(dirty) / Double(clean + dirty)
    }

    var isDue: Bool {
        cleanableBytes > 0 && (isOverdue || dirtyRatio > settings.minCleanableDirtyRatio)
    }

    /// The segments to rewrite, those together that fit into one (Kafka's `groupSegmentsBySize`).
    func groups(below cleanEnd: Int64) -> [ArraySlice<Part>] {
        var groups: [ArraySlice<Part>] = []
        var start = 0
        let count = parts.prefix { $0.segment.baseOffset < cleanEnd }.count
        while start < count {
            var (size, index, times) = (parts[start].size, parts[start].indexBytes, parts[start].timeIndexBytes)
            var next = start + 1
            while next < count, next - start < Self.groupSegmentsMax {
                let part = parts[next]
                size += part.size
                index += part.indexBytes
                times += part.timeIndexBytes
                guard size <= Int64(settings.segmentBytes), index <= settings.segmentIndexBytes,
                    times <= settings.segmentIndexBytes,
                    part.end - 1 - parts[start].segment.baseOffset <= Int64(Int32.max)
                else { break }
                next += 1
            }
            groups.append(parts[start..<next])
            start = next
        }
        return groups
    }
}

extension PartitionLog {
    /// What a cleaning would do now; nil when there is nothing that may be cleaned.
    ///
    /// - Parameter cleanEnd: where the last cleaning ended; nil when there was none.
    func compactionPlan(cleanEnd: Int64?, nowMs: Int64) throws(FileError) -> CompactionPlan? {
        try state.withLock { state throws(FileError) in
            guard state.failure == nil, state.settings.cleanupPolicy.contains(.compact), state.segments.count > 1,
                let start = state.segments.first?.baseOffset
            else { return nil }
            var firstDirty = max(cleanEnd ?? start, start)
            // A log that ends below what was cleaned is another one than it was.
            if firstDirty > state.endOffset { firstDirty = start }
            let bound = state.compactionBound
            var parts: [CompactionPlan.Part] = []
            var end = start
            var isOverdue = false
            for (segment, next) in zip(state.segments, state.segments.dropFirst()) {
                guard next.baseOffset <= bound, !segment.isUnsynced else { break }
                if next.baseOffset > firstDirty {
                    if try segment.isYoung(nowMs, state.settings.minCompactionLagMs) { break }
                    if try segment.isOverdue(nowMs, state.settings.maxCompactionLagMs) { isOverdue = true }
                }
                parts.append(CompactionPlan.Part(segment, end: next.baseOffset))
                end = next.baseOffset
            }
            guard end > firstDirty, let dirty = parts.firstIndex(where: { $0.end > firstDirty }) else { return nil }
            let later = state.segments.dropFirst(parts.count).enumerated().map { index, segment in
                let next = parts.count + index + 1
                return CompactionPlan.Part(
                    segment, end: next < state.segments.count ? state.segments[next].baseOffset : state.endOffset)
            }
            return CompactionPlan(
                log: self, settings: state.settings, firstDirty: firstDirty, parts: parts, later: later,
                firstDirtyPart: dirty, end: end, truncations: state.truncations, isOverdue: isOverdue)
        }
    }

    /// The last batch of each producer, which may send it again.
    var lastBatches: [Int64: BatchCleaner.LastBatch] {
        state.withLock { state in
            state.producers.producers.mapValues { producer in
                BatchCleaner.LastBatch(lastOffset: producer.batches.last?.lastOffset, epoch: producer.epoch)
            }
        }
    }
}

extension LogState {
    /// The offset up to which all is decided and on disk: no transaction is open below it.
    fileprivate var compactionBound: Int64 {
        var bound = min(highWatermark.offset, syncedEnd)
        for producer in producers.producers.values where producer.currentTransactionFirstOffset >= 0 {
            bound = min(bound, producer.currentTransactionFirstOffset)
        }
        return bound
    }
}

extension Segment {
    /// Whether a record in it is younger than the lag.
    fileprivate func isYoung(_ nowMs: Int64, _ lagMs: Int64) throws(FileError) -> Bool {
        guard lagMs > 0 else { return false }
        let largest = try largestTimestamp()
        return (largest >= 0 ? largest : createdMs) > nowMs.subtractingReportingOverflow(lagMs).partialValue
    }

    /// Whether its first record is older than the lag.
    fileprivate func isOverdue(_ nowMs: Int64, _ lagMs: Int64) throws(FileError) -> Bool {
        guard lagMs < Int64.max, size > 0 else { return false }
        if firstTimestamp == nil {
            let file = try log.file()
            firstTimestamp = try HeaderWindow.withWindow(file) { window throws(FileError) in
                try window.header(at: 0, limit: size)?.maxTimestamp
            }
        }
        let first = firstTimestamp ?? -1
        return (first >= 0 ? first : createdMs) < nowMs.subtractingReportingOverflow(lagMs).partialValue
    }
}

extension CompactionPlan.Part {
    fileprivate init(_ segment: Segment, end: Int64) {
        self.segment = segment
        self.end = end
        size = segment.size
        indexBytes = segment.offsetIndex.count * OffsetEntry.byteCount
        timeIndexBytes = segment.timeIndex.count * TimeEntry.byteCount
    }
}
