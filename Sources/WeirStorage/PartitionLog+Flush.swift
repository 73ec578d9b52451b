internal import SystemPackage
internal import WeirModel
internal import WeirSystem

/// What one sync has to do, taken under the lock and done outside it.
private struct FlushJob {
    var target: LogPosition
    var truncations: Int
    var segments: [Segment]
    var files: [any File]
    var syncDirectory: Bool
    /// The log's number among those whose directories were made; nil when its directory is known to be durable.
    var directoryNumber: UInt64?
}

/// Small files that must be there before a sync counts.
private struct SmallFiles {
    var metadata: Bool
    var epochs: LeaderEpochs?
}

private enum FlushOutcome {
    case done
    /// Nothing was lost, and nothing became durable: there was no room, or no descriptor.
    case later(FileError)
    /// The log or its disk is out of use.
    case failed
}

extension PartitionLog {
    /// Whether the caller has to put the log into the flusher's queue; used for those that waited.
    func claimForFlush() -> Bool { state.withLock { $0.flush == .aging && $0.claimForFlush() } }

    /// A flusher's turn: syncs what was appended up to now. Whether there is more to sync at once.
    func flushTurn() -> Bool {
        switch flushOnce() {
        case .done: break
        case .failed: return false
        case .later(let error):
            context.notice(.warning, "syncing \(topicPartition) has to wait: \(error)")
            state.withLock { $0.flush = .aging }
            wait(milliseconds: Self.retryMs)
            return false
        }
        if state.withLock({ $0.wantsCheckpoint || $0.bytesSinceCheckpoint >= context.settings.checkpointBytes }) {
            checkpoint()
            context.requestCheckpoint()
        }
        enum Next { case again, later(Int64), done }
        let next = state.withLock { state -> Next in
            // A log that was deleted or closed meanwhile never gets further: its rest is nobody's any more.
            guard state.endOffset > state.syncedEnd, state.failure == nil else {
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
            wait(milliseconds: delay)
            return false
        }
    }

    /// Milliseconds until a sync is tried again that could not begin.
    private static let retryMs: Int64 = 100

    private func wait(milliseconds: Int64) {
        context.flusher.enqueueAging(self, due: context.clock.monotonic.advanced(milliseconds: milliseconds))
    }

    /// Syncs everything that is appended when it starts, and tells the observer. False when that did not go through.
    @discardableResult
    func flushNow() -> Bool {
        if case .done = flushOnce() { true } else { false }
    }

    private func flushOnce() -> FlushOutcome {
        flushing.withLock { _ in
            guard context.isOnline else { return .failed }
            do throws(FileError) {
                let job = try take(withEpochs: false) { state throws(FileError) in try state.takeFlushJob() }
                guard let job else { return .done }
                try run(job)
                let (observer, progress) = state.withLock { state in
                    (state.complete(job.target, truncations: job.truncations) ? state.observer : nil, state.progress)
                }
                observer?.logAdvanced(self, highWatermark: progress.0, syncedEnd: progress.1)
                return .done
            } catch {
                if state.withLock({ $0.failure?.kind == .closed }) { return .failed }
                if error.isPassing { return .later(error) }
                context.fail(error)
                return .failed
            }
        }
    }

    /// Writes the small files that have to be there, and then takes over work under the same lock that says that they are.
    private func take<Job>(
        withEpochs: Bool, _ body: (inout LogState) throws(FileError) -> Job?
    ) throws(FileError) -> Job? {
        while true {
            let (files, job) = try state.withLock { state throws(FileError) -> (SmallFiles?, Job?) in
                if let files = state.smallFiles(withEpochs: withEpochs) { return (files, nil) }
                return (nil, try body(&state))
            }
            guard let files else { return job }
            try write(files)
        }
    }

    private func write(_ files: SmallFiles) throws(FileError) {
        if files.metadata {
            try context.fileSystem.replace(
                directory.appending(PartitionMetadata.name), with: PartitionMetadata.encode(topicID),
                syncingDirectory: false)
        }
        if let epochs = files.epochs {
            try context.fileSystem.replace(
                directory.appending(EpochCheckpoint.name), with: EpochCheckpoint.encode(epochs),
                syncingDirectory: false)
        }
        state.withLock { state in
            state.needsDirectorySync = true
            if files.metadata { state.needsMetadata = false }
            if let epochs = files.epochs, epochs == state.epochs {
                state.epochsChanged = false
                state.epochsWereCut = false
            }
        }
    }

    private func run(_ job: FlushJob) throws(FileError) {
        do throws(FileError) {
            // In order: a later segment must not be durable with a hole before it.
            for file in job.files { try file.sync() }
            if job.syncDirectory { try context.fileSystem.syncDirectory(directory) }
            if let number = job.directoryNumber {
                try context.newDirectories.sync(directory.removingLastComponent(), number, context.fileSystem)
            }
        } catch {
            if error.isPassing { state.withLock { $0.giveBack(job) } }
            throw error
        }
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
        let isNeeded = state.withLock { state in
            state.wantsCheckpoint = false
            state.bytesSinceCheckpoint = 0
            return state.failure == nil && state.recoveryPoint < state.endOffset
        }
        guard isNeeded else { return }
        let work = try take(withEpochs: true) { state throws(FileError) -> CheckpointJob? in
            state.failure == nil ? try state.takeCheckpointJob() : nil
        }
        guard let work else { return }
        do throws(FileError) {
            if let flush = work.flush { try run(flush) }
            for file in work.indexFiles { try file.sync() }
            let snapshot = directory.appending(SegmentName.text(work.offset, .snapshot))
            try context.fileSystem.replace(snapshot, with: ProducerSnapshot.encode(work.producers))
        } catch {
            if error.isPassing { state.withLock { $0.markIndicesUnsynced() } }
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
    var producers: ProducerStates
}

extension LogState {
    /// The small files that are missing; nil when none is.
    ///
    /// Epochs that only grew may wait for the next checkpoint: recovery finds those above the recovery point in the batches.
    fileprivate func smallFiles(withEpochs: Bool) -> SmallFiles? {
        let writesEpochs = epochsWereCut || (withEpochs && epochsChanged)
        if failure != nil || !(needsMetadata || writesEpochs) { return nil }
        return SmallFiles(metadata: needsMetadata, epochs: writesEpochs ? epochs : nil)
    }

    /// Takes over what is to be synced; nil when there is nothing.
    fileprivate mutating func takeFlushJob() throws(FileError) -> FlushJob? {
        if failure != nil { return nil }
        guard
            endOffset > syncedEnd || needsDirectorySync || newDirectory != nil || segments.last?.isUnsynced == true
        else { return nil }
        // Unsynced are the last segment and those that rolled since the last sync.
        let first = segments.lastIndex { !$0.isUnsynced }.map { $0 + 1 } ?? 0
        let unsynced = Array(segments[first...])
        var files: [any File] = []
        for segment in unsynced { files.append(try segment.log.file()) }
        for segment in unsynced { segment.markSynced() }
        defer {
            needsDirectorySync = false
            newDirectory = nil
        }
        return FlushJob(
            target: endPosition, truncations: truncations, segments: unsynced, files: files,
            syncDirectory: needsDirectorySync, directoryNumber: newDirectory)
    }

    /// Takes back what could not be synced.
    fileprivate mutating func giveBack(_ job: FlushJob) {
        // Unsynced is always the last part of the segments, the newest included.
        if let first = job.segments.first, let index = segments.firstIndex(where: { $0 === first }) {
            for segment in segments[index...] { segment.markUnsynced() }
        }
        for segment in job.segments where segmentIsLive(segment) { segment.markUnsynced() }
        if job.syncDirectory { needsDirectorySync = true }
        newDirectory = newDirectory ?? job.directoryNumber
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
        for segment in segments {
            segment.offsetIndex.isUnsynced = false
            segment.timeIndex.isUnsynced = false
        }
        return CheckpointJob(
            offset: endOffset, truncations: truncations, flush: flush, indexFiles: indexFiles, producers: producers)
    }

    fileprivate func markIndicesUnsynced() {
        for segment in segments {
            if segment.offsetIndex.written > 0 { segment.offsetIndex.isUnsynced = true }
            if segment.timeIndex.written > 0 { segment.timeIndex.isUnsynced = true }
        }
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
