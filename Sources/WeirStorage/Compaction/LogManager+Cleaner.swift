internal import SystemPackage
internal import WeirModel
internal import WeirSystem

/// How compaction works; Kafka's `log.cleaner.…`.
public struct CleanerSettings: Sendable, Equatable {
    /// Whether logs are compacted at all (`log.cleaner.enable`).
    public var isEnabled = true
    /// Milliseconds until the next look when no log needs cleaning (`log.cleaner.backoff.ms`).
    public var backoffMs: Int64 = 15_000
    /// Bytes that the map of keys may take, 24 a key (`log.cleaner.dedupe.buffer.size`).
    public var dedupeBufferBytes: Int64 = 134_217_728
    /// The share of the map that may be filled, above 0 and at most 1 (`log.cleaner.io.buffer.load.factor`).
    public var bufferLoadFactor = 0.9
    /// Bytes that are read at a time, and that are gathered for a write (`log.cleaner.io.buffer.size`).
    public var bufferBytes = 524_288
    /// Bytes that are read and written in a second at most, together (`log.cleaner.io.max.bytes.per.second`).
    public var bytesPerSecondMax = Double.greatestFiniteMagnitude

    public init() {}
}

/// The cleaner of a data directory: it cleans one log at a time, in turns on the worker threads.
struct LogCleaner {
    var run: CompactionRun?
    var didWork = false
}

extension LogManager {
    /// Bytes of work in a turn, after which other work of the threads gets its chance.
    private static let turnBytes = 4 << 20

    /// Wakes the cleaner when it is time for a look.
    func considerCleaning(now: MonotonicTime) {
        guard context.settings.cleaner.isEnabled else { return }
        let isDue = state.withLock { state in
            guard !state.isClosed, !state.isCleaning, now >= state.nextCleaning else { return false }
            state.isCleaning = true
            return true
        }
        if isDue { workers.submit { [self] in cleanerTurn() } }
    }

    private enum Next {
        case again(afterMilliseconds: Int64)
        case idle
    }

    /// A turn of the cleaner: picks a log when it has none, works on it for a while, and sees to its next turn.
    private func cleanerTurn() {
        let next = cleaner.withLock { cleaner -> Next in
            guard context.isOnline, !state.withLock({ $0.isClosed }) else {
                cleaner.run?.abandon()
                cleaner.run = nil
                return .idle
            }
            guard let run = cleaner.run ?? dirtiest().map(CompactionRun.init) else { return .idle }
            cleaner.run = run
            return work(&cleaner, run)
        }
        switch next {
        case .again(let delay) where delay > 0:
            timers.schedule(afterMilliseconds: delay) { [weak self] in
                guard let self else { return }
                self.workers.submit { self.cleanerTurn() }
            }
        case .again: workers.submit { [self] in cleanerTurn() }
        case .idle:
            let due = context.clock.monotonic.advanced(milliseconds: context.settings.cleaner.backoffMs)
            state.withLock { state in
                state.isCleaning = false
                state.nextCleaning = due
            }
        }
    }

    private func work(_ cleaner: inout LogCleaner, _ run: CompactionRun) -> Next {
        let rate = max(1, context.settings.cleaner.bytesPerSecondMax)
        // With a limit: what it allows for a tenth of a second.
        let budget = rate / 10 < Double(Self.turnBytes) ? max(1, Int(rate / 10)) : Self.turnBytes
        var bytes = 0
        do throws(CompactionFailure) {
            while bytes < budget {
                switch try run.step() {
                case .more(let count): bytes += count
                case .done(let cleanEnd):
                    cleaner.run = nil
                    cleaned(run, to: cleanEnd)
                    return .again(afterMilliseconds: Self.pause(bytes, rate))
                }
            }
            return .again(afterMilliseconds: Self.pause(bytes, rate))
        } catch {
            cleaner.run = nil
            run.abandon()
            return failed(run.log, error)
        }
    }

    private static func pause(_ bytes: Int, _ rate: Double) -> Int64 {
        let milliseconds = Double(bytes) / rate * 1000
        return milliseconds < 86_400_000 ? Int64(milliseconds) : 86_400_000
    }

    private func cleaned(_ run: CompactionRun, to cleanEnd: Int64) {
        let key = run.log.topicPartition
        let isCurrent = state.withLock { state in
            guard state.logs[key] === run.log else { return false }
            state.cleanOffsets[key] = cleanEnd
            return true
        }
        guard isCurrent else { return }
        context.notice(
            .info, "\(key): compacted up to offset \(cleanEnd), \(run.bytesBefore) bytes to \(run.bytesAfter)")
        writeCleanerCheckpoint()
    }

    private func failed(_ log: PartitionLog, _ failure: CompactionFailure) -> Next {
        switch failure {
        case .overtaken: break
        case .disk where log.failure?.kind == .closed: break
        case .disk(let error) where error.isPassing:
            context.notice(.warning, "the compaction of \(log.topicPartition) has to wait: \(error)")
        case .disk(let error) where error.isRead:
            // Retention may have removed what was to be read.
            if error.errno == .noSuchFileOrDirectory { break }
            leaveAlone(log, error.description)
        case .disk(let error): context.fail(error)
        case .damaged(let message): leaveAlone(log, message)
        }
        return .idle
    }

    /// A log that cannot be read to its end is not tried again before the next start.
    private func leaveAlone(_ log: PartitionLog, _ reason: String) {
        state.withLock { _ = $0.uncleanable.insert(log.topicPartition) }
        context.notice(.error, "\(log.topicPartition) is not compacted any more: \(reason)")
    }

    /// The log that needs cleaning most.
    private func dirtiest() -> CompactionPlan? {
        let nowMs = context.clock.wallMilliseconds
        let (logs, ends, uncleanable) = state.withLock { ($0.logs, $0.cleanOffsets, $0.uncleanable) }
        var best: CompactionPlan?
        for (key, log) in logs where !uncleanable.contains(key) && log.settings.cleanupPolicy.contains(.compact) {
            do throws(FileError) {
                guard let plan = try log.compactionPlan(cleanEnd: ends[key], nowMs: nowMs), plan.isDue else { continue }
                if let present = best, present.dirtyRatio >= plan.dirtyRatio { continue }
                best = plan
            } catch {
                if !error.isPassing { leaveAlone(log, error.description) }
            }
        }
        return best
    }

    /// Ends the cleaner's work: after it nothing of it is under way.
    func stopCleaning() {
        cleaner.withLock { cleaner in
            cleaner.run?.abandon()
            cleaner.run = nil
        }
    }

    /// Writes `cleaner-offset-checkpoint`: up to where each log was cleaned.
    private func writeCleanerCheckpoint() {
        let offsets = state.withLock { $0.cleanOffsets }
        do throws(FileError) {
            try context.fileSystem.replace(
                directory.appending(OffsetCheckpoint.cleanOffsets), with: OffsetCheckpoint.encode(offsets))
        } catch {
            if error.isPassing {
                context.notice(.warning, "the checkpoints in \(directory) have to wait: \(error)")
            } else {
                context.fail(error)
            }
        }
    }
}

extension FileError {
    /// Whether it was reading that failed, which leaves the disk's other files in use.
    fileprivate var isRead: Bool { ["open", "fstat", "read", "pread", "mmap", "madvise", "map"].contains(operation) }
}
