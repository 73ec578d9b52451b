internal import SystemPackage
public import WeirModel
internal import WeirRecords
internal import WeirSystem

/// How far a read may go.
public enum ReadBound: Sendable {
    /// Consumers: what is durable, or appended with `flush.mode=async`.
    case highWatermark
    /// Replicas: everything appended.
    case logEnd
}

/// What a read found.
public struct LogRead: Sendable {
    /// Whole batches, the first of which holds the asked offset or the next one there is; nil when there is nothing.
    public var bytes: FileSlice?
    public var highWatermark: Offset
    public var lastStableOffset: Offset
    public var logStartOffset: Offset
    public var logEnd: Offset
    /// How many bytes the answer might have had if batches could be cut: what there is in the segment, up to `maxBytes`.
    public var availableBytes = 0
    /// Whether the log goes on behind this segment: there is more to read, and no need to wait for it.
    public var goesOn = false
}

/// A read as decided under the lock.
private struct ReadPlan {
    var offsets: LogOffsets
    /// Nil when there is nothing to read at the offset.
    var segment: Segment?
    /// Where the batch starts, when that is known already.
    var position: Int64?
    /// Where reading must end in the segment, in bytes, and the offset of the batch that starts there.
    var limit: Int64 = 0
    var limitOffset: Int64 = 0
    /// Whether the log goes on in another segment.
    var hasNext = false
}

extension PartitionLog {
    /// Finds the batches from an offset on.
    ///
    /// - Parameters:
    ///   - maxBytes: what the answer may have, all batches whole.
    ///   - minOneBatch: whether the first batch is answered even when it alone is larger than `maxBytes`.
    /// - Throws: code 1 for an offset below the log's start or above its end, 2 for damaged batches, 56 for a failed disk.
    public func read(
        from offset: Offset, maxBytes: Int, upTo bound: ReadBound = .highWatermark, minOneBatch: Bool = true
    ) throws(ReadError) -> LogRead {
        try checkUsable()
        var target = offset.rawValue
        while true {
            let plan = try state.withLock { state throws(ReadError) in
                try state.plan(offset, target: target, bound)
            }
            var answer = LogRead(
                bytes: nil, highWatermark: plan.offsets.highWatermark, lastStableOffset: plan.offsets.lastStable,
                logStartOffset: plan.offsets.start, logEnd: plan.offsets.end)
            guard let segment = plan.segment else { return answer }
            do throws(FileError) {
                let file = try segment.log.file()
                var place = plan.position
                if place == nil { place = try position(of: target, in: segment, file: file, limit: plan.limit) }
                if let position = place {
                    let room = Int64(clamping: max(0, maxBytes))
                    answer.availableBytes = Int(clamping: min(plan.limit - position, room))
                    answer.goesOn = plan.hasNext
                    let end = try self.end(
                        from: position, room: room, minOneBatch: minOneBatch, plan: plan, file: file, segment: segment)
                    if end > position {
                        answer.bytes = FileSlice(file: file, offset: position, count: Int(clamping: end - position))
                    }
                    return answer
                }
            } catch {
                if let failure { throw ReadError(failure) }
                if error.operation == Self.check {
                    throw ReadError(.corruptMessage, "\(topicPartition): no sound batch at offset \(target)")
                }
                // A segment that retention removed, or compaction replaced, after the plan was made.
                if error.errno == .noSuchFileOrDirectory, startOffset > Offset(target) || isReplaced(segment) {
                    continue
                }
                throw ReadError(StorageError(error))
            }
            // Nothing at or above the offset in this segment.
            guard plan.hasNext, plan.limitOffset > target else {
                throw ReadError(.corruptMessage, "\(topicPartition): no sound batch at offset \(target)")
            }
            target = plan.limitOffset
        }
    }

    /// Where the first batch that ends at or after the offset starts; nil when there is none before the limit.
    func position(
        of offset: Int64, in segment: Segment, file: any File, limit: Int64
    ) throws(FileError) -> Int64? {
        let index = state.withLock { _ in segment.offsetIndex }
        let relative = offset - segment.baseOffset
        let entry = try index.lastOfPrefix { Int64($0.relativeOffset) <= relative }
        let start = entry.map { Int64($0.position) } ?? 0
        if let found = try walk(to: offset, from: start, file: file, limit: limit, segment: segment) {
            return found.position
        }
        guard start > 0 else { return nil }
        // The index led into nowhere, or past the last batch: the log itself decides.
        guard let found = try walk(to: offset, from: 0, file: file, limit: limit, segment: segment) else { return nil }
        rebuildIndex(of: segment, file: file)
        return found.position
    }

    private func walk(
        to offset: Int64, from start: Int64, file: any File, limit: Int64, segment: Segment
    ) throws(FileError) -> (position: Int64, header: RecordBatchHeader)? {
        try HeaderWindow.withWindow(file) { window throws(FileError) in
            var position = start
            var expected = segment.baseOffset
            // The checksum does not cover a batch's offset and length: its neighbours tell.
            while let header = try window.header(at: position, limit: limit), header.baseOffset >= expected {
                expected = header.lastOffset + 1
                if header.lastOffset >= offset {
                    // An index entry that points behind the batch: its predecessor may hold the offset.
                    if position == start, start > 0, header.baseOffset > offset { return nil }
                    return (position, header)
                }
                position += Int64(header.totalBytes)
            }
            // What stands before the limit is batches up to it, or damaged: then the offset may have been in it.
            if position < limit, start == 0 { throw FileError(Self.check, segment.log.path, .ioError) }
            return nil
        }
    }

    /// The operation of the error that says that a segment has something else than batches before its end.
    private static var check: String { "check" }

    /// Where the answer ends: at the limit if that is in reach, else at the last batch boundary that is.
    private func end(
        from start: Int64, room: Int64, minOneBatch: Bool, plan: ReadPlan, file: any File, segment: Segment
    ) throws(FileError) -> Int64 {
        if plan.limit - start <= room {
            note(
                LogPosition(offset: plan.limitOffset, segmentBase: segment.baseOffset, position: plan.limit),
                in: segment)
            return plan.limit
        }
        let index = state.withLock { _ in segment.offsetIndex }
        let entry = try index.lastOfPrefix { Int64($0.position) <= start + room }
        let boundary = max(start, entry.map { Int64($0.position) } ?? 0)
        let found = try HeaderWindow.withWindow(file) { window throws(FileError) -> (end: Int64, next: Int64?) in
            var position = boundary
            var next: Int64?
            while let header = try window.header(at: position, limit: plan.limit) {
                if next == nil, position > start { next = header.baseOffset }
                let after = position + Int64(header.totalBytes)
                if after - start > room, position > start || !minOneBatch { return (position, next) }
                position = after
                next = header.lastOffset + 1
            }
            return (position, next)
        }
        if minOneBatch, found.end == start { throw FileError(Self.check, segment.log.path, .ioError) }
        if let next = found.next, found.end > start {
            note(LogPosition(offset: next, segmentBase: segment.baseOffset, position: found.end), in: segment)
        }
        return found.end
    }

    /// Remembers where a read ended, unless compaction has moved everything meanwhile.
    private func note(_ place: LogPosition, in segment: Segment) {
        state.withLock { state in
            if !segment.isReplaced { state.readCache.note(place) }
        }
    }

    /// Whether compaction has put another segment in the place of this one.
    func isReplaced(_ segment: Segment) -> Bool { state.withLock { _ in segment.isReplaced } }

    /// Makes a segment's offset index anew from its batches, after it was found wanting.
    private func rebuildIndex(of segment: Segment, file: any File) {
        let (size, interval) = state.withLock {
            ($0.failure == nil && $0.segmentIsLive(segment) ? segment.size : 0, $0.settings.indexIntervalBytes)
        }
        guard size > 0 else { return }
        context.notice(
            .warning, "the index \(segment.offsetIndex.handle.path) did not agree with its log; it is rebuilt")
        state.withLock { state in
            if state.failure != nil { return }
            do throws(FileError) {
                try segment.offsetIndex.truncate(toCount: 0)
                var sinceEntry: Int64 = 0
                try HeaderWindow.withWindow(file) { window throws(FileError) in
                    var position: Int64 = 0
                    while let header = try window.header(at: position, limit: segment.size) {
                        if sinceEntry > Int64(interval),
                            let relative = UInt32(exactly: header.lastOffset &- segment.baseOffset),
                            let place = UInt32(exactly: position)
                        {
                            try segment.offsetIndex.append(OffsetEntry(relativeOffset: relative, position: place))
                            sinceEntry = 0
                        }
                        sinceEntry += Int64(header.totalBytes)
                        position += Int64(header.totalBytes)
                    }
                }
            } catch {
                context.notice(.warning, "rebuilding \(segment.offsetIndex.handle.path) failed: \(error)")
            }
        }
    }
}

extension LogState {
    /// `asked` must be in the log; reading starts at `target`, which is beyond it when earlier segments had nothing.
    fileprivate func plan(_ asked: Offset, target: Int64, _ bound: ReadBound) throws(ReadError) -> ReadPlan {
        if let failure { throw ReadError(failure) }
        let offsets = LogOffsets(
            start: Offset(startOffset), highWatermark: Offset(highWatermark.offset), syncedEnd: Offset(syncedEnd),
            end: Offset(endOffset))
        guard asked.rawValue >= startOffset, asked.rawValue <= endOffset else {
            throw ReadError(.offsetOutOfRange, "offset \(asked) is not in \(startOffset)...\(endOffset)")
        }
        let end = bound == .highWatermark ? highWatermark : endPosition
        guard target < end.offset, let index = segmentIndex(of: target) else { return ReadPlan(offsets: offsets) }
        let segment = segments[index]
        var plan = ReadPlan(offsets: offsets, segment: segment)
        plan.position = readCache.position(of: target, segmentBase: segment.baseOffset)
        if target == segment.baseOffset { plan.position = 0 }
        plan.hasNext = index + 1 < segments.count
        if segment.baseOffset == end.segmentBase {
            plan.limit = end.position
            plan.limitOffset = end.offset
            plan.hasNext = false
        } else {
            plan.limit = segment.size
            plan.limitOffset = plan.hasNext ? segments[index + 1].baseOffset : endOffset
        }
        // A cached place at a segment's very end has no batch.
        if let position = plan.position, position >= plan.limit { plan.position = nil }
        return plan
    }

    func segmentIsLive(_ segment: Segment) -> Bool { segments.contains { $0 === segment } }
}
