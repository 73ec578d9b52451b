internal import SystemPackage
internal import WeirModel
internal import WeirSystem

extension PartitionLog {
    /// Writes everything that a restart needs without reading the log: indices, producers, epochs, and files cut to what
    /// is in them. Durable once the manager has synced the file system and called `closed`. No append goes in afterwards.
    func prepareClose() throws(FileError) {
        try flushing.withLock { _ throws(FileError) in
            try state.withLock { state throws(FileError) in
                guard state.failure == nil else { return }
                state.failure = StorageError(.closed, "\(topicPartition): the broker is stopping")
                guard state.directoryExists else { return }
                let files = context.fileSystem
                try state.segments.last?.finish(files)
                if state.needsMetadata {
                    try files.write(directory.appending(PartitionMetadata.name), PartitionMetadata.encode(topicID))
                }
                if state.epochsChanged {
                    try files.write(directory.appending(EpochCheckpoint.name), EpochCheckpoint.encode(state.epochs))
                }
                guard state.endOffset > 0, state.snapshots.last != state.endOffset else { return }
                let name = SegmentName.text(state.endOffset, .snapshot)
                try files.write(directory.appending(name), ProducerSnapshot.encode(state.producers))
                state.snapshots.append(state.endOffset)
            }
        }
    }

    /// Takes note that everything is on disk, and lets go of the files.
    func closed() {
        let (observer, progress) = state.withLock { state in
            let isNews = state.syncedEnd < state.endOffset
            if state.failure?.kind == .closed {
                state.syncedEnd = state.endOffset
                state.recoveryPoint = state.endOffset
                if state.highWatermark.offset < state.endOffset { state.highWatermark = state.endPosition }
            }
            for segment in state.segments {
                segment.markSynced()
                segment.drop()
            }
            return (isNews ? state.observer : nil, state.progress)
        }
        observer?.logAdvanced(self, highWatermark: progress.0, syncedEnd: progress.1)
    }

    /// Refuses everything from now on because the log is deleted.
    ///
    /// Waits for a sync or a checkpoint under way: once the directory is renamed, a log of the same name may have another in
    /// its place, into which nothing of this one may be written.
    func closeForDeletion() {
        flushing.withLock { _ in
            state.withLock { state in
                state.failure = StorageError(.closed, "\(topicPartition) was deleted")
                for segment in state.segments {
                    segment.markSynced()
                    segment.drop()
                }
            }
        }
    }

    /// Recovery point, start and high watermark, for the checkpoint files; nil when there is nothing on disk to say it of.
    var checkpoints: (recoveryPoint: Int64, start: Int64, highWatermark: Int64)? {
        state.withLock { state in
            guard state.directoryExists, state.failure == nil || state.failure?.kind == .closed else { return nil }
            return (state.recoveryPoint, state.startOffset, state.highWatermark.offset)
        }
    }
}

extension FileSystem {
    /// Puts a small file in place of the old one; not durable yet.
    fileprivate func write(_ path: FilePath, _ bytes: [UInt8]) throws(FileError) {
        let temporary = path.appendingExtension("tmp")
        try remove(temporary)
        let file = try open(temporary, create: true)
        var failure: FileError?
        bytes.withUnsafeBytes { bytes in
            do throws(FileError) {
                try file.write(bytes, at: 0)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        try rename(temporary, to: path)
    }
}
