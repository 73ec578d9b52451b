internal import SystemPackage
internal import WeirModel
internal import WeirSystem

extension LogManager {
    /// Milliseconds between regular rounds.
    static let roundMs: Int64 = 1000
    private static let reserveMin: Int64 = 1 << 30
    private static let reserveMax: Int64 = 10 << 30

    /// Begins the regular work: syncing what may wait, checkpoints, retention, watching the disk's space, and removing what
    /// was deleted before the last stop.
    public func start() {
        checkSpace()
        let names = (try? context.fileSystem.list(directory)) ?? []
        let deleted = names.filter { $0.hasSuffix(Self.deletedSuffix) && $0.contains(".") }
        for name in deleted { workers.submit { [self] in removeDeleted(directory.appending(name)) } }
        schedule()
    }

    private func schedule() {
        let timer = timers.schedule(afterMilliseconds: Self.roundMs) { [weak self] in
            guard let self else { return }
            self.workers.submit {
                self.round()
                self.schedule()
            }
        }
        let isClosed = state.withLock { state in
            state.timer = timer
            return state.isClosed
        }
        if isClosed { timer.cancel() }
    }

    /// One round of the regular work.
    func round() {
        background.withLock { _ in
            guard context.isOnline, !state.withLock({ $0.isClosed }) else { return }
            let now = context.clock.monotonic
            context.flusher.flushAged(now: now)
            considerCleaning(now: now)
            checkSpace()
            let (checkpointDue, retentionDue) = state.withLock { state in
                let checkpoint = now.milliseconds(since: state.lastCheckpoint) >= context.settings.checkpointIntervalMs
                let retention =
                    now.milliseconds(since: state.lastRetention) >= context.settings.retentionCheckIntervalMs
                if checkpoint { state.lastCheckpoint = now }
                if retention { state.lastRetention = now }
                return (checkpoint, retention)
            }
            if checkpointDue { for log in logs { log.checkpoint() } }
            if context.takeCheckpointRequest() || checkpointDue { writeCheckpoints() }
            if retentionDue { expireOldSegments() }
        }
    }

    /// Applies retention to all logs now.
    func expireOldSegments() {
        let nowMs = context.clock.wallMilliseconds
        var dropped: [(PartitionLog, [Segment])] = []
        for log in logs {
            let segments = log.expire(nowMs: nowMs)
            if !segments.isEmpty { dropped.append((log, segments)) }
        }
        if dropped.isEmpty { return }
        // The new starts first: after a crash in the middle recovery knows that what is left below them is to go.
        writeCheckpoints()
        for (log, segments) in dropped { log.remove(segments) }
    }

    private func checkSpace() {
        guard let space = try? context.fileSystem.space(at: directory) else { return }
        let usual = min(max(space.total / 20, Self.reserveMin), Self.reserveMax)
        let reserve = context.settings.diskReserveBytes ?? min(usual, space.total / 4)
        let isFull = space.free < reserve
        if isFull != context.isDiskFull {
            context.isDiskFull = isFull
            if isFull {
                context.notice(
                    .error,
                    "\(directory) has \(space.free >> 20) MiB left, below the reserve of \(reserve >> 20) MiB: appends are refused"
                )
            } else {
                context.notice(.info, "\(directory) has room again: appends are taken")
            }
        }
    }

    /// Makes the logs' starts durable, which is when DeleteRecords may be answered. False when the disk did not take it.
    public func saveStartOffsets() -> Bool {
        guard context.isOnline else { return false }
        return writeCheckpoints(onlyStarts: true)
    }

    /// Writes the three checkpoint files. Whether they went through.
    @discardableResult
    func writeCheckpoints(onlyStarts: Bool = false) -> Bool {
        checkpointing.withLock { _ in replaceCheckpoints(onlyStarts: onlyStarts) }
    }

    private func replaceCheckpoints(onlyStarts: Bool) -> Bool {
        var points: [TopicPartition: Int64] = [:]
        var starts: [TopicPartition: Int64] = [:]
        var marks: [TopicPartition: Int64] = [:]
        let logs = state.withLock { state in
            points = state.recoveryPoints
            starts = state.startOffsets
            // From now on, also when writing fails half-way.
            state.checkpointed.formUnion(state.logs.keys)
            state.checkpointed.formUnion(points.keys)
            state.checkpointed.formUnion(starts.keys)
            return state.logs
        }
        for (key, log) in logs {
            guard let values = log.checkpoints else { continue }
            points[key] = values.recoveryPoint
            marks[key] = values.highWatermark
            if values.start > 0 { starts[key] = values.start }
        }
        do throws(FileError) {
            let files = context.fileSystem
            try files.replace(
                directory.appending(OffsetCheckpoint.startOffsets), with: OffsetCheckpoint.encode(starts),
                syncingDirectory: onlyStarts)
            if onlyStarts { return true }
            try files.replace(
                directory.appending(OffsetCheckpoint.highWatermarks), with: OffsetCheckpoint.encode(marks),
                syncingDirectory: false)
            try files.replace(
                directory.appending(OffsetCheckpoint.recoveryPoints), with: OffsetCheckpoint.encode(points))
            state.withLock { $0.checkpointed = Set(points.keys).union(starts.keys) }
            return true
        } catch {
            if error.isPassing {
                context.notice(.warning, "the checkpoints in \(directory) have to wait: \(error)")
            } else {
                context.fail(error)
            }
            return false
        }
    }

    /// Stops in order: syncs everything, cuts files to their content, and leaves the mark that makes the next start quick.
    /// Logs refuse everything afterwards.
    public func close() {
        let timer = state.withLock { state -> (any TimerHandle)?? in
            if state.isClosed { return nil }
            state.isClosed = true
            return state.timer
        }
        guard let timer else { return }
        timer?.cancel()
        stopCleaning()
        background.withLock { _ in
            if context.isOnline { closeLogs() }
        }
        data.unlock()
    }

    private func closeLogs() {
        let logs = self.logs
        do throws(FileError) {
            for log in logs { try log.prepareClose() }
            try context.fileSystem.syncAll(at: directory)
        } catch {
            if error.isPassing {
                context.notice(
                    .warning, "no room to stop in order, \(directory) is checked at the next start: \(error)")
            } else {
                context.fail(error)
            }
            return
        }
        // A flusher's sync may have failed meanwhile. What it lost is lost, although a later sync finds nothing to complain of.
        guard context.isOnline else { return }
        for log in logs { log.closed() }
        writeCheckpoints()
        guard context.isOnline else { return }
        // A damaged log has to be looked at again, and it says so by itself: its recovery point stays where it was.
        let marker = Array("{\"version\":0,\"brokerEpoch\":-1}".utf8)
        do throws(FileError) {
            try context.fileSystem.replace(directory.appending(Self.cleanMarkerName), with: marker)
        } catch {
            context.fail(error)
        }
    }
}
