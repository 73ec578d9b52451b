internal import SystemPackage
public import WeirModel
internal import WeirSystem

extension PartitionLog {
    /// Drops the segments that the topic's settings let go of and forgets old producers. Answers the segments, whose files
    /// the caller removes once the new start is durable.
    func expire(nowMs: Int64) -> [Segment] {
        guard context.isOnline else { return [] }
        do throws(FileError) {
            return try state.withLock { state throws(FileError) in
                guard state.failure == nil else { return [] }
                let oldest = nowMs.subtractingReportingOverflow(context.settings.producerExpirationMs).partialValue
                state.producers.expire(before: oldest)
                return try state.dropOldSegments(nowMs: nowMs, context: context)
            }
        } catch {
            if error.isPassing {
                context.notice(.warning, "retention of \(topicPartition) has to wait: \(error)")
            } else {
                context.fail(error)
            }
            return []
        }
    }

    /// Removes dropped segments' files, oldest first, so that an interruption leaves no hole.
    func remove(_ dropped: [Segment]) {
        flushing.withLock { _ in
            for segment in dropped {
                segment.drop()
                // The directory of a deleted log goes as a whole, and a new one may have its name.
                if state.withLock({ $0.failure?.kind == .closed }) { continue }
                do throws(FileError) {
                    let files = context.fileSystem
                    for kind in [SegmentName.Kind.log, .index, .timeindex, .txnindex] {
                        try files.remove(directory.appending(SegmentName.text(segment.baseOffset, kind)))
                    }
                } catch {
                    context.fail(error)
                    return
                }
            }
        }
    }

    /// Cuts the log to end at the offset, which replication asks for after a change of leaders. The high watermark and the
    /// synced end follow. A batch that holds the offset in its middle goes as a whole.
    public func truncate(to offset: Offset) throws(ReadError) {
        try checkUsable()
        let target = offset.rawValue
        let place = try flushing.withLock { _ throws(ReadError) in
            do throws(FileError) {
                let segment = state.withLock { state -> Segment? in
                    guard state.failure == nil, target < state.endOffset else { return nil }
                    return state.segmentIndex(of: max(target, state.startOffset)).map { state.segments[$0] }
                }
                guard let segment else { return nil as (Segment, Int64)? }
                let file = try segment.log.file()
                let size = state.withLock { _ in segment.size }
                let position = try self.position(of: target, in: segment, file: file, limit: size)
                return (segment, position ?? size)
            } catch {
                throw ReadError(StorageError(error))
            }
        }
        guard let place else { return }
        var broken: FileError?
        let stale = state.withLock { $0.snapshots.filter { $0 > target } }
        let dropped = state.withLock { state -> [Segment] in
            do throws(FileError) {
                return try state.truncate(to: target, at: place.1, in: place.0)
            } catch {
                broken = error
                return []
            }
        }
        if let broken {
            context.fail(broken)
            throw ReadError(StorageError(broken))
        }
        remove(dropped.reversed())
        try removeSnapshots(stale)
        rebuildProducers()
    }

    /// Removes snapshots of what was cut off: other batches may come to stand below their offsets.
    private func removeSnapshots(_ stale: [Int64]) throws(ReadError) {
        for offset in stale {
            do throws(FileError) {
                try context.fileSystem.remove(directory.appending(SegmentName.text(offset, .snapshot)))
            } catch {
                context.fail(error)
                throw ReadError(StorageError(error))
            }
        }
    }

    /// Reads the producers' state again from the newest snapshot at or below the end.
    private func rebuildProducers() {
        let (segments, snapshots, start, end) = state.withLock { state in
            (state.segments, state.snapshots, state.startOffset, state.endOffset)
        }
        let replay = ProducerReplay(directory: directory, context: context)
        guard let producers = try? replay.states(at: end, start: start, segments: segments, snapshots: snapshots).states
        else {
            return
        }
        state.withLock { state in
            if state.endOffset == end { state.producers = producers }
        }
    }
}

extension LogState {
    fileprivate mutating func dropOldSegments(nowMs: Int64, context: StorageContext) throws(FileError) -> [Segment] {
        var count = 0
        var excess = settings.retentionBytes >= 0 ? sizeBytes - settings.retentionBytes : -1
        let deletes = settings.cleanupPolicy.contains(.delete)
        for (index, segment) in segments.enumerated() {
            let isLast = index + 1 == segments.count
            let end = isLast ? endOffset : segments[index + 1].baseOffset
            guard end <= highWatermark.offset, !(isLast && segment.size == 0) else { break }
            if end <= startOffset, !isLast {
                excess -= segment.size
            } else if end <= startOffset, startOffset == endOffset {
                // DeleteRecords up to the end.
            } else if deletes, settings.retentionBytes >= 0, excess - segment.size >= 0 {
                excess -= segment.size
            } else if deletes, settings.retentionMs >= 0, try isExpired(segment, nowMs: nowMs) {
                excess -= segment.size
            } else {
                break
            }
            count = index + 1
        }
        guard count > 0 else { return [] }
        if count == segments.count {
            // The end of the log must outlive its records: an empty segment carries it.
            try segments[count - 1].finish(context.fileSystem)
            _ = try startSegment(context: context)
        }
        let dropped = Array(segments[..<count])
        segments.removeFirst(count)
        for segment in dropped { segment.markSynced() }
        if let first = segments.first { advanceStart(to: first.baseOffset) }
        return dropped
    }

    private func isExpired(_ segment: Segment, nowMs: Int64) throws(FileError) -> Bool {
        let largest = try segment.largestTimestamp()
        let reference = largest >= 0 ? largest : segment.createdMs
        return nowMs.subtractingReportingOverflow(reference).partialValue > settings.retentionMs
    }

    fileprivate mutating func truncate(to offset: Int64, at position: Int64, in segment: Segment) throws(FileError)
        -> [Segment]
    {
        guard let index = segments.firstIndex(where: { $0 === segment }) else { return [] }
        truncations += 1
        let dropped = Array(segments[(index + 1)...])
        for gone in dropped { gone.markSynced() }
        segments.removeSubrange((index + 1)...)
        try segment.log.file().truncate(to: position)
        segment.size = position
        segment.allocated = position
        segment.hasFailedWrite = false
        let entries = try segment.offsetIndex.countOfPrefix { Int64($0.position) < position }
        try segment.offsetIndex.truncate(toCount: entries)
        let times = try segment.timeIndex.countOfPrefix { segment.baseOffset + Int64($0.relativeOffset) < offset }
        try segment.timeIndex.truncate(toCount: times)
        let last = try segment.timeIndex.last()
        segment.maxTimestamp = last?.timestamp ?? -1
        segment.maxTimestampOffset = last.map { segment.baseOffset + Int64($0.relativeOffset) } ?? -1
        segment.markUnsynced()
        endOffset = max(offset, segment.baseOffset)
        startOffset = min(startOffset, endOffset)
        syncedEnd = min(syncedEnd, endOffset)
        recoveryPoint = min(recoveryPoint, endOffset)
        if highWatermark.offset > endOffset { highWatermark = endPosition }
        if epochs.truncate(to: endOffset) { (epochsChanged, epochsWereCut) = (true, true) }
        snapshots.removeAll { $0 > endOffset }
        readCache.clear()
        needsDirectorySync = true
        return dropped
    }
}
