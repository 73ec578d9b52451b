internal import SystemPackage
internal import WeirModel
internal import WeirSystem

// How cleaned segments take the place of the old ones, such that a crash at any moment leaves one or the other:
//
// 1. `<base>.{index,timeindex}.cleaned` become `.swap`, the directory is synced; then `<base>.log.cleaned` becomes
//    `.log.swap`, and the directory is synced. From here on the new segment counts: a restart goes on from step 2.
// 2. The old segments' files get `.deleted` behind their names, in order of their offsets; those of the first are
//    replaced by the new ones, which lose `.swap`, the log last. The directory is synced.
// 3. The `.deleted` files are removed.
//
// Before step 1 is over a restart removes `.cleaned` and what else there is of `.swap`.

extension PartitionLog {
    /// Puts a cleaned segment in the place of old ones. Reads that began before go on in the old files.
    ///
    /// - Parameter truncations: `LogState.truncations` when the cleaning began.
    /// - Throws: `.overtaken` when the log changed meanwhile, or was closed: the old segments then stay.
    func replace(
        _ old: [Segment], with cleaned: CleanedSegment, truncations: Int
    ) throws(CompactionFailure) {
        do throws(CompactionFailure) {
            try announce(old, cleaned, truncations)
        } catch {
            try? cleaned.discard()
            throw error
        }
        let names = Names(old, cleaned.segment)
        // The kernel frees a large file when its last user goes: that must not be under the lock.
        let held = old.map { try? $0.log.file() }
        do throws(CompactionFailure) {
            try ifCurrent(old, truncations) { state throws(FileError) in
                // First of all: from here on none of these names may be opened for an old segment.
                for segment in old { segment.retire() }
                try swap(names)
                state.replace(old, with: Segment(replacing: old, with: cleaned.segment, directory, context))
            }
        } catch {
            switch error {
            case .overtaken, .damaged:
                try? cleaned.discard()
            case .disk(let cause):
                // Some names are changed and some are not: only a restart puts that right.
                context.fail(cause)
            }
            throw error
        }
        withExtendedLifetime(held) {}
        do throws(FileError) {
            try context.fileSystem.syncDirectory(directory)
            for name in names.deleted { try context.fileSystem.remove(name.to) }
        } catch {
            if state.withLock({ $0.failure?.kind == .closed }) { throw .overtaken }
            guard error.isPassing else {
                context.fail(error)
                throw .disk(error)
            }
            // The next flush makes the names durable, and the next start removes what is left.
            state.withLock { $0.needsDirectorySync = true }
        }
    }

    /// Step 1: from its end on the cleaned segment counts.
    private func announce(
        _ old: [Segment], _ cleaned: CleanedSegment, _ truncations: Int
    ) throws(CompactionFailure) {
        cleaned.close()
        for kinds in [[SegmentName.Kind.index, .timeindex], [.log]] {
            try ifCurrent(old, truncations) { _ throws(FileError) in
                for kind in kinds {
                    try context.fileSystem.rename(
                        cleaned.segment.path(kind, CleanedSegment.suffix),
                        to: cleaned.segment.path(kind, CleanedSegment.swapSuffix))
                }
            }
            do throws(FileError) {
                try context.fileSystem.syncDirectory(directory)
            } catch {
                throw state.withLock({ $0.failure?.kind == .closed }) ? .overtaken : .disk(error)
            }
        }
    }

    static let deletedSuffix = ".deleted"

    /// The changes of names in step 2, put together before the lock is taken.
    private struct Names {
        /// In order of offsets: what a crash leaves of them is the end of the log's part, and never an older record of a
        /// key whose newer one is gone.
        var deleted: [(from: FilePath, to: FilePath)] = []
        var swapped: [(from: FilePath, to: FilePath)] = []

        init(_ old: [Segment], _ cleaned: Segment) {
            for segment in old.dropFirst() {
                for kind in SegmentName.compacted.reversed() {
                    deleted.append((segment.path(kind), segment.path(kind, PartitionLog.deletedSuffix)))
                }
            }
            for kind in SegmentName.compacted {
                swapped.append((cleaned.path(kind, CleanedSegment.swapSuffix), cleaned.path(kind)))
            }
        }
    }

    private func swap(_ names: Names) throws(FileError) {
        for name in names.deleted {
            // An empty segment may have no index.
            guard try context.fileSystem.kind(of: name.from) != nil else { continue }
            try context.fileSystem.rename(name.from, to: name.to)
        }
        for name in names.swapped { try context.fileSystem.rename(name.from, to: name.to) }
    }

    /// Runs the body under the lock if the log still has the segments, and nothing was cut from it.
    private func ifCurrent(
        _ old: [Segment], _ truncations: Int, _ body: (inout LogState) throws(FileError) -> Void
    ) throws(CompactionFailure) {
        try state.withLock { state throws(CompactionFailure) in
            guard context.isOnline, state.failure == nil, state.truncations == truncations, state.has(old) else {
                throw .overtaken
            }
            do throws(FileError) {
                try body(&state)
            } catch {
                throw .disk(error)
            }
        }
    }
}

extension LogState {
    /// Whether the segments follow each other in the log and none of them is the last.
    fileprivate func has(_ old: [Segment]) -> Bool {
        guard let head = old.first, let first = segments.firstIndex(where: { $0 === head }),
            first + old.count < segments.count
        else { return false }
        return zip(segments[first...], old).allSatisfy { $0 === $1 }
    }

    fileprivate mutating func replace(_ old: [Segment], with new: Segment) {
        guard let head = old.first, let first = segments.firstIndex(where: { $0 === head }) else { return }
        let isMarkInside = old.contains { $0.baseOffset == highWatermark.segmentBase }
        segments.replaceSubrange(first..<(first + old.count), with: [new])
        if isMarkInside, first + 1 < segments.count {
            // It stood at the end of what is cleaned, which is where the next segment starts.
            highWatermark.segmentBase = segments[first + 1].baseOffset
            highWatermark.position = 0
        }
        readCache.clear()
    }
}

extension Segment {
    /// The path of one of the segment's files.
    func path(_ kind: SegmentName.Kind, _ suffix: String = "") -> FilePath {
        directory.appending(SegmentName.text(baseOffset, kind) + suffix)
    }

    /// Lets go of the files for good: none is opened again by this segment.
    fileprivate func retire() {
        isReplaced = true
        for handle in handles { handle.retire() }
    }

    /// The segment that stands in the place of old ones, with the files that `cleaned` wrote.
    fileprivate convenience init(
        replacing old: [Segment], with cleaned: Segment, _ directory: FilePath, _ context: StorageContext
    ) {
        let (offsets, times) = (cleaned.offsetIndex.count, cleaned.timeIndex.count)
        let files = SegmentFiles(
            logBytes: cleaned.size, offsetEntries: offsets, offsetBytes: Int64(offsets * OffsetEntry.byteCount),
            timeEntries: times, timeBytes: Int64(times * TimeEntry.byteCount))
        let createdMs = old.map(\.createdMs).max() ?? cleaned.createdMs
        self.init(
            directory: directory, baseOffset: cleaned.baseOffset, files: context.files, createdMs: createdMs,
            existing: files)
        maxTimestamp = cleaned.maxTimestamp
        maxTimestampOffset = cleaned.maxTimestampOffset
        firstTimestamp = cleaned.firstTimestamp
        jitterMs = cleaned.jitterMs
    }
}
