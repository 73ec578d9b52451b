internal import SystemPackage
public import WeirModel
internal import WeirSystem

extension LogManager {
    /// Opens a partition's log, recovering it when it is on disk; a new one has no files before its first append.
    ///
    /// A log whose data is damaged is answered too: it is offline, and each use of it gets the error. A directory of the
    /// same name that belongs to another topic id is set aside.
    ///
    /// Different partitions may be opened at the same time from several threads.
    public func openLog(
        _ topicPartition: TopicPartition, topicID: UniqueID, settings: TopicSettings
    ) throws(StorageError) -> PartitionLog {
        if let error = context.offlineError { throw error }
        let name = topicPartition.description
        enum Entry { case open(PartitionLog), busy, load(isOnDisk: Bool, Int64, Int64, Int64?) }
        let entry = state.withLock { state -> Entry in
            if state.isClosed { return .busy }
            if let log = state.logs[topicPartition] { return .open(log) }
            guard state.opening.insert(topicPartition).inserted else { return .busy }
            return .load(
                isOnDisk: state.found.contains(name), state.recoveryPoints[topicPartition] ?? 0,
                state.startOffsets[topicPartition] ?? 0, state.cleanOffsets[topicPartition])
        }
        switch entry {
        case .open(let log):
            if log.topicID == topicID { return log }
            throw StorageError(.closed, "\(topicPartition) of topic id \(log.topicID) is open, not of \(topicID)")
        case .busy: throw StorageError(.closed, "\(topicPartition) is being opened or the broker is stopping")
        case .load(let isOnDisk, let recoveryPoint, let start, let cleanEnd):
            defer { state.withLock { _ = $0.opening.remove(topicPartition) } }
            let isStranger = isOnDisk ? try setAsideIfOther(topicPartition, topicID: topicID) : false
            if !isOnDisk, recoveryPoint == 0, start == 0 { try forgetInCheckpoints([topicPartition]) }
            let loader = LogLoader(
                topicPartition: topicPartition, directory: directory.appending(name), context: context,
                settings: settings, recoveryPoint: isStranger ? 0 : recoveryPoint, startOffset: isStranger ? 0 : start,
                wasClean: wasCleanlyStopped, wasCompacted: cleanEnd != nil && !isStranger)
            let log = load(loader, topicID: topicID)
            state.withLock { state in
                state.logs[topicPartition] = log
                state.found.remove(name)
                // What is known of a damaged log stays in the checkpoints: it is needed to judge it again.
                if log.failure != nil { return }
                state.recoveryPoints[topicPartition] = nil
                state.startOffsets[topicPartition] = nil
                // Another log, or one that lost its end, is not clean up to there.
                if !isOnDisk || isStranger || cleanEnd ?? 0 > log.endOffset.rawValue {
                    state.cleanOffsets[topicPartition] = nil
                }
            }
            return log
        }
    }

    private func load(_ loader: LogLoader, topicID: UniqueID) -> PartitionLog {
        do throws(LoadFailure) {
            var loaded = try loader.load()
            if loaded.directoryExists {
                let path = loaded.directory.appending(PartitionMetadata.name)
                loaded.needsMetadata = try loader.disk { () throws(FileError) in
                    try context.fileSystem.kind(of: path) == nil
                }
            }
            return PartitionLog(loader.topicPartition, topicID: topicID, context: context, state: loaded)
        } catch {
            let failure = error.storageError
            context.notice(.error, "\(loader.topicPartition) is offline: \(failure)")
            var state = LogState(
                directory: loader.directory, settings: loader.settings,
                asyncFlushDefaultMs: context.settings.asyncFlushMs)
            state.failure = failure
            state.directoryExists = true
            return PartitionLog(loader.topicPartition, topicID: topicID, context: context, state: state)
        }
    }

    /// Sets a partition's directory aside when its metadata has another topic id; whether it did.
    private func setAsideIfOther(_ topicPartition: TopicPartition, topicID: UniqueID) throws(StorageError) -> Bool {
        let path = directory.appending(topicPartition.description)
        guard let present = storedTopicID(in: path), present != topicID else { return false }
        try forgetInCheckpoints([topicPartition])
        try setAside(topicPartition.description, because: "it is of topic id \(present), not \(topicID)")
        return true
    }

    /// Sees to it that the checkpoint files say nothing of the logs, before their directories go away or others take the
    /// names: a new log under an old recovery point would be a damaged one after a crash, and under an old start be cut.
    private func forgetInCheckpoints(_ gone: [TopicPartition]) throws(StorageError) {
        let isNamed = state.withLock { state in
            var isNamed = false
            for topicPartition in gone {
                state.recoveryPoints[topicPartition] = nil
                state.startOffsets[topicPartition] = nil
                state.cleanOffsets[topicPartition] = nil
                state.uncleanable.remove(topicPartition)
                if state.checkpointed.contains(topicPartition) { isNamed = true }
            }
            return isNamed
        }
        if !isNamed || writeCheckpoints() { return }
        throw context.offlineError ?? StorageError(.diskFull, "no room for the checkpoints in \(directory)")
    }

    private func storedTopicID(in path: FilePath) -> UniqueID? {
        guard let bytes = try? context.fileSystem.contents(of: path.appending(PartitionMetadata.name), limit: 1 << 16)
        else { return nil }
        return PartitionMetadata.decode(bytes)
    }

    /// Deletes a partition's log: from now on it refuses everything; its directory is renamed at once and removed after
    /// `file.delete.delay.ms`.
    public func deleteLog(_ topicPartition: TopicPartition) throws(StorageError) {
        try deleteLogs([topicPartition])
    }

    /// Deletes the logs, such as those of a topic.
    public func deleteLogs(_ names: [TopicPartition]) throws(StorageError) {
        var delays: [TopicPartition: Int64] = [:]
        for name in names {
            guard let log = state.withLock({ $0.logs.removeValue(forKey: name) }) else { continue }
            delays[name] = log.settings.fileDeleteDelayMs
            // An append under way either is before this, and its files go too, or is refused.
            log.closeForDeletion()
        }
        var failure: StorageError?
        do throws(StorageError) {
            try forgetInCheckpoints(names)
        } catch {
            // Deleting makes room; whoever opens a log of the name tries again.
            if error.kind != .diskFull { failure = error }
        }
        for name in names {
            do throws(StorageError) {
                try removeDirectory(name, delay: delays[name] ?? 0)
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    private func removeDirectory(_ topicPartition: TopicPartition, delay: Int64) throws(StorageError) {
        let name = topicPartition.description
        do throws(FileError) {
            guard try context.fileSystem.kind(of: directory.appending(name)) == .directory else { return }
            let target = directory.appending(deletedName(topicPartition))
            try context.fileSystem.rename(directory.appending(name), to: target)
            state.withLock { _ = $0.found.remove(name) }
            workers.submit { [self] in
                guard context.isOnline else { return }
                do throws(FileError) {
                    try context.fileSystem.syncDirectory(directory)
                } catch {
                    // Not renamed after a crash is not lost: the directory is then set aside.
                    if !error.isPassing { context.fail(error) }
                }
            }
            timers.schedule(afterMilliseconds: max(0, delay)) { [self] in
                workers.submit { self.removeDeleted(target) }
            }
        } catch {
            throw StorageError(error)
        }
    }

    /// Kafka's name for a deleted partition: `topic-partition.<32 hex digits>-delete`, the topic cut to fit 255 bytes.
    private func deletedName(_ topicPartition: TopicPartition) -> String {
        func hex(_ value: UInt64) -> String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
        let suffix =
            "-\(topicPartition.partition).\(hex(context.random.next()))\(hex(context.random.next()))"
            + Self.deletedSuffix
        return String(topicPartition.topic.prefix(255 - suffix.utf8.count)) + suffix
    }

    func removeDeleted(_ path: FilePath) {
        if state.withLock({ $0.isClosed }) { return }
        do throws(FileError) {
            try context.fileSystem.removeTree(path)
        } catch {
            context.notice(.warning, "the deleted log \(path) could not be removed: \(error)")
        }
    }

    /// Moves the directories of partitions that the registry does not know, or knows under another topic id, out of the
    /// way, into `_set_aside`. Nothing is deleted.
    ///
    /// - Returns: the names of the directories.
    @discardableResult
    public func setAsideUnknown(known: [TopicPartition: UniqueID]) throws(StorageError) -> [String] {
        let (found, checkpointed) = state.withLock { ($0.found.sorted(), $0.checkpointed) }
        try forgetInCheckpoints(checkpointed.filter { known[$0] == nil })
        var moved: [String] = []
        for name in found {
            guard let topicPartition = Self.parse(name) else { continue }
            let reason: String
            if let expected = known[topicPartition] {
                guard let present = storedTopicID(in: directory.appending(name)), present != expected else { continue }
                reason = "it is of topic id \(present), not \(expected)"
            } else {
                reason = "the registry does not know it"
            }
            try forgetInCheckpoints([topicPartition])
            try setAside(name, because: reason)
            state.withLock { _ = $0.found.remove(name) }
            moved.append(name)
        }
        return moved
    }

    private func setAside(_ name: String, because reason: String) throws(StorageError) {
        let side = directory.appending(Self.setAsideName)
        do throws(FileError) {
            let files = context.fileSystem
            try files.makeDirectory(side, intermediates: false)
            var target = side.appending(name)
            var attempt = 1
            while try files.kind(of: target) != nil {
                attempt += 1
                target = side.appending("\(name).\(attempt)")
            }
            try files.rename(directory.appending(name), to: target)
            try files.syncDirectory(side)
            try files.syncDirectory(directory)
            context.notice(.warning, "set \(directory.appending(name)) aside as \(target): \(reason)")
        } catch {
            throw StorageError(error)
        }
    }
}
