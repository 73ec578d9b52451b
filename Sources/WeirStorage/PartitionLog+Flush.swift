internal import SystemPackage
internal import WeirModel
internal import WeirSystem

/// What one sync has to do, taken under the lock and done outside it.
private struct FlushJob {
    var target: LogPosition
    var truncations: Int
    var files: [any File]
    /// Whose files they are.
    var segments: [Segment]
    var syncDirectory: Bool
    var writeMetadata: Bool
    var epochs: LeaderEpochs?
}

extension PartitionLog {
    /// Whether the caller has to put the log into the flusher's queue; used for those that waited.
    func claimForFlush() -> Bool { state.withLock { $0.flush == .aging && $0.claimForFlush() } }

    /// A flusher's turn: syncs what was appended up to now. Whether there is more to sync at once.
    func flushTurn() -> Bool {
        guard flushNow() else { return false }
        if state.withLock({ $0.wantsCheckpoint || $0.bytesSinceCheckpoint >= context.settings.checkpointBytes }) {
            checkpoint()
            context.requestCheckpoint()
        }
        enum Next { case again, later(Int64), done }
        let next = state.withLock { state -> Next in
            guard state.endOffset > state.syncedEnd else {
                state.flush = .idle
                return .done
            }
            if state.settings.flushMode == .sync { return .again }
            state.flush = .aging
            return .later(state.asyncFlushMs)
        }
        switch next {
        case .again: return true
        case .done: return false
        case .later(let delay):
            context.flusher.enqueueAging(self, due: context.clock.monotonic.advanced(milliseconds: delay))
            return false
        }
    }

    /// Syncs everything that is appended when it starts, and tells the observer. False when the log or its disk failed,
    /// and then the log stays claimed, so that nothing is tried again.
    @discardableResult
    func flushNow() -> Bool {
        flushing.withLock { _ in
            guard context.isOnline else { return false }
            do throws(FileError) {
                let job = try state.withLock { state throws(FileError) in try state.takeFlushJob() }
                guard let job else { return true }
                do throws(FileError) {
                    try run(job)
                } catch {
                    if error.isPassing { state.withLock { $0.giveBack(job) } }
                    throw error
                }
                let (observer, progress) = state.withLock { state in
                    (state.complete(job.target, truncations: job.truncations) ? state.observer : nil, state.progress)
                }
                observer?.logAdvanced(self, highWatermark: progress.0, syncedEnd: progress.1)
                return true
            } catch {
                if state.withLock({ $0.failure?.kind == .closed }) { return false }
                if error.isPassing {
                    postpone(error)
                } else {
                    context.fail(error)
                }
                return false
            }
        }
    }

    /// Has the flusher come back in a while: there was no descriptor, or no room for a small file beside the log.
    private func postpone(_ error: FileError) {
        context.notice(.warning, "syncing \(topicPartition) has to wait: \(error)")
        state.withLock { $0.flush = .aging }
        context.flusher.enqueueAging(self, due: context.clock.monotonic.advanced(milliseconds: Self.retryMs))
    }

    private static let retryMs: Int64 = 100

    private func run(_ job: FlushJob) throws(FileError) {
        if job.writeMetadata {
            try context.fileSystem.replace(
                directory.appending(PartitionMetadata.name), with: PartitionMetadata.encode(topicID),
                syncingDirectory: false)
        }
        // In order: a later segment must not be durable with a hole before it.
        for file in job.files { try file.sync() }
        if let epochs = job.epochs {
            try context.fileSystem.replace(
                directory.appending(EpochCheckpoint.name), with: EpochCheckpoint.encode(epochs),
                syncingDirectory: false)
        }
        if job.syncDirectory || job.writeMetadata || job.epochs != nil {
            try context.fileSystem.syncDirectory(directory)
        }
        if job.writeMetadata { try context.fileSystem.syncDirectory(directory.removingLastComponent()) }
    }

    /// Moves the recovery point up: syncs the log and its indices, and leaves a snapshot of the producers at that offset.
    func checkpoint() {
        flushing.withLock { _ in
            guard context.isOnline else { return }
            do throws(FileError) {
                try advanceRecoveryPoint()
            } catch {
                if state.withLock({ $0.failure?.kind == .closed }) { return }
                if error.isPassing {
                    context.notice(.warning, "the checkpoint of \(topicPartition) has to wait: \(error)")
                } else {
                    context.fail(error)
                }
            }
        }
    }

    private func advanceRecoveryPoint() throws(FileError) {
        let work = try state.withLock { state throws(FileError) -> CheckpointJob? in
            guard state.failure == nil else { return nil }
            state.wantsCheckpoint = false
            state.bytesSinceCheckpoint = 0
            guard state.recoveryPoint < state.endOffset else { return nil }
            return try state.takeCheckpointJob()
        }
        guard let work else { return }
        do throws(FileError) {
            if let flush = work.flush { try run(flush) }
            for file in work.indexFiles { try file.sync() }
            let snapshot = directory.appending(SegmentName.text(work.offset, .snapshot))
            try context.fileSystem.replace(snapshot, with: ProducerSnapshot.encode(work.producers))
        } catch {
            if error.isPassing {
                state.withLock { state in
                    if let flush = work.flush { state.giveBack(flush) }
                    state.giveBack(work)
                }
            }
            throw error
        }
        let (observer, progress, stale) = state.withLock { state in
            var advanced = false
            if let flush = work.flush { advanced = state.complete(flush.target, truncations: flush.truncations) }
            let stale = state.noteCheckpoint(work.offset, truncations: work.truncations)
            return (advanced ? state.observer : nil, state.progress, stale)
        }
        observer?.logAdvanced(self, highWatermark: progress.0, syncedEnd: progress.1)
        for offset in stale { try context.fileSystem.remove(directory.appending(SegmentName.text(offset, .snapshot))) }
    }
}

private struct CheckpointJob {
    var offset: Int64
    var truncations: Int
    var flush: FlushJob?
    var indexFiles: [any File]
    /// Whose indices they are.
    var offsetIndexed: [Segment]
    var timeIndexed: [Segment]
    var producers: ProducerStates
}

extension LogState {
    /// Takes over what is to be synced; nil when there is nothing.
    fileprivate mutating func takeFlushJob() throws(FileError) -> FlushJob? {
        if failure != nil { return nil }
        guard
            endOffset > syncedEnd || needsDirectorySync || epochsChanged || needsMetadata
                || segments.last?.isUnsynced == true
        else { return nil }
        // Unsynced are the last segment and those that rolled since the last sync.
        let first = segments.lastIndex { !$0.isUnsynced }.map { $0 + 1 } ?? 0
        var files: [any File] = []
        for segment in segments[first...] { files.append(try segment.log.file()) }
        for segment in segments[first...] { segment.markSynced() }
        defer {
            needsDirectorySync = false
            needsMetadata = false
            epochsChanged = false
        }
        return FlushJob(
            target: endPosition, truncations: truncations, files: files, segments: Array(segments[first...]),
            syncDirectory: needsDirectorySync, writeMetadata: needsMetadata, epochs: epochsChanged ? epochs : nil)
    }

    /// Takes a job back that was not done to its end.
    fileprivate mutating func giveBack(_ job: FlushJob) {
        for segment in job.segments where segmentIsLive(segment) { segment.markUnsynced() }
        // Unsynced is always the last part of the segments, the newest included.
        if let first = job.segments.first, let index = segments.firstIndex(where: { $0 === first }) {
            for segment in segments[index...] { segment.markUnsynced() }
        }
        needsDirectorySync = needsDirectorySync || job.syncDirectory
        needsMetadata = needsMetadata || job.writeMetadata
        epochsChanged = epochsChanged || job.epochs != nil
    }

    fileprivate func giveBack(_ work: CheckpointJob) {
        for segment in work.offsetIndexed { segment.offsetIndex.isUnsynced = true }
        for segment in work.timeIndexed { segment.timeIndex.isUnsynced = true }
    }

    /// Notes that everything below the target is on disk; whether observers should know.
    fileprivate mutating func complete(_ target: LogPosition, truncations: Int) -> Bool {
        // After a truncation other batches may stand below the target.
        guard truncations == self.truncations, target.offset > syncedEnd else { return false }
        syncedEnd = target.offset
        if target.offset > highWatermark.offset { highWatermark = target }
        return true
    }

    fileprivate mutating func takeCheckpointJob() throws(FileError) -> CheckpointJob {
        var indexFiles: [any File] = []
        for segment in segments {
            try segment.offsetIndex.write()
            try segment.timeIndex.write()
            if segment.offsetIndex.isUnsynced { indexFiles.append(try segment.offsetIndex.handle.file()) }
            if segment.timeIndex.isUnsynced { indexFiles.append(try segment.timeIndex.handle.file()) }
        }
        let flush = try takeFlushJob()
        // Nothing fails from here on: before, everything stays marked.
        let offsetIndexed = segments.filter(\.offsetIndex.isUnsynced)
        let timeIndexed = segments.filter(\.timeIndex.isUnsynced)
        for segment in offsetIndexed { segment.offsetIndex.isUnsynced = false }
        for segment in timeIndexed { segment.timeIndex.isUnsynced = false }
        return CheckpointJob(
            offset: endOffset, truncations: truncations, flush: flush, indexFiles: indexFiles,
            offsetIndexed: offsetIndexed, timeIndexed: timeIndexed, producers: producers)
    }

    /// Takes the new recovery point; the snapshots that are not needed any more.
    fileprivate mutating func noteCheckpoint(_ offset: Int64, truncations: Int) -> [Int64] {
        guard truncations == self.truncations else { return [offset] }
        recoveryPoint = max(recoveryPoint, offset)
        if snapshots.last != offset { snapshots.append(offset) }
        // One more than the newest, for the case that this one turns out unreadable.
        guard snapshots.count > 2 else { return [] }
        let stale = Array(snapshots.dropLast(2))
        snapshots.removeFirst(snapshots.count - 2)
        return stale
    }
}
