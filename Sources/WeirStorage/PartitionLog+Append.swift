public import WeirModel
public import WeirRecords
internal import NIOCore
internal import SystemPackage
internal import WeirSystem

extension PartitionLog {
    /// Appends a batch: gives it offsets, writes it, and sees to it that it will be synced.
    ///
    /// - Parameters:
    ///   - batch: validated, with base offset 0; its bytes are not changed.
    ///   - leaderEpoch: the epoch that the batch is stored with.
    /// - Throws: Kafka's code: 45 and 47 for an idempotent producer out of order or fenced, 18 for a batch larger than a
    ///   segment, 56 when the disk does not take it.
    public func append(
        _ batch: ValidatedBatch, leaderEpoch: LeaderEpoch, origin: AppendOrigin = .client
    ) throws(AppendError) -> AppendResult {
        if let error = context.offlineError { throw AppendError(error) }
        if context.isDiskFull {
            throw AppendError(.kafkaStorageError, "the disk of \(directory) has less space left than the reserve")
        }
        var broken: FileError?
        let done: Appended
        do throws(AppendError) {
            done = try state.withLock { state throws(AppendError) in
                try state.append(
                    batch, leaderEpoch: leaderEpoch.rawValue, checkSequence: origin == .client, context: context,
                    broken: &broken)
            }
        } catch {
            if let broken { context.fail(broken) }
            throw error
        }
        switch done.flush {
        case .none: break
        case .now: context.flusher.enqueue(self)
        case .later(let delay):
            context.flusher.enqueueAging(self, due: context.clock.monotonic.advanced(milliseconds: delay))
        }
        if done.result.highWatermarkAdvanced {
            done.observer?.logAdvanced(
                self, highWatermark: done.result.lastOffset + 1, syncedEnd: Offset(done.syncedEnd))
        }
        return done.result
    }
}

struct Appended {
    enum FlushNeed {
        case none, now
        case later(milliseconds: Int64)
    }

    var result: AppendResult
    var flush: FlushNeed
    var observer: (any LogObserver)?
    var syncedEnd: Int64
}

extension LogState {
    static let growthStart: Int64 = 64 << 10
    static let growthStepMax: Int64 = 64 << 20

    /// Everything of an append that is under the lock. `broken` is set when the disk failed for good.
    mutating func append(
        _ batch: ValidatedBatch, leaderEpoch: Int32, checkSequence: Bool, context: StorageContext,
        broken: inout FileError?
    ) throws(AppendError) -> Appended {
        if let failure { throw AppendError(failure) }
        var header = batch.header
        guard header.totalBytes >= RecordBatchHeader.byteCount, header.totalBytes == batch.bytes.readableBytes,
            header.lastOffsetDelta >= 0
        else {
            throw AppendError(.corruptMessage, "the batch's length does not agree with its bytes")
        }
        if header.producerID >= 0 {
            switch producers.judge(header, checkSequence: checkSequence) {
            case .new: break
            case .refused(let code, let message): throw AppendError(code, message)
            case .duplicate(let original): return duplicate(original, header)
            }
        }
        guard header.totalBytes <= settings.segmentBytes else {
            throw AppendError(
                .recordListTooLarge,
                "a batch of \(header.totalBytes) bytes is larger than segment.bytes, \(settings.segmentBytes)")
        }
        if let latest = epochs.latest, leaderEpoch < latest.epoch {
            // Epochs that go back are damage to recovery.
            throw AppendError(
                .notLeaderOrFollower, "leader epoch \(leaderEpoch) is older than the log's, \(latest.epoch)")
        }
        header.baseOffset = endOffset
        header.partitionLeaderEpoch = leaderEpoch
        guard header.lastOffset >= endOffset, header.lastOffset < Int64.max else {
            throw AppendError(.unknownServerError, "the log has no offsets left")
        }
        do throws(FileError) {
            let segment = try activeSegment(for: header, context: context)
            try clearFailedWrite(of: segment)
            try write(batch.bytes, header, to: segment)
            segment.hasFailedWrite = false
            try segment.note(header, at: segment.size, indexInterval: settings.indexIntervalBytes)
            segment.size += Int64(header.totalBytes)
            segment.allocated = max(segment.allocated, segment.size)
        } catch {
            if !error.isPassing { broken = error }
            throw AppendError(.kafkaStorageError, error.description)
        }
        return accept(header)
    }

    /// Cuts off what an append that failed half-way left behind the last batch: under a shorter batch the rest of it
    /// would stand in the log, for recovery to take for a batch, or for damage.
    private func clearFailedWrite(of segment: Segment) throws(FileError) {
        guard segment.hasFailedWrite else { return }
        try segment.log.file().truncate(to: segment.size)
        segment.allocated = segment.size
    }

    private func duplicate(_ original: ProducerStates.Batch, _ header: RecordBatchHeader) -> Appended {
        let isLogAppendTime = header.attributes.timestampType == .logAppendTime
        return Appended(
            result: AppendResult(
                baseOffset: Offset(original.baseOffset), lastOffset: Offset(original.lastOffset),
                logAppendTimeMs: isLogAppendTime ? original.timestamp : -1, logStartOffset: Offset(startOffset),
                isDuplicate: true, highWatermarkAdvanced: false),
            flush: .none, observer: nil, syncedEnd: syncedEnd)
    }

    /// Makes a written batch part of the log.
    private mutating func accept(_ header: RecordBatchHeader) -> Appended {
        if header.producerID >= 0 { producers.update(header) }
        if epochs.assign(header.partitionLeaderEpoch, at: header.baseOffset) { epochsChanged = true }
        endOffset = header.lastOffset + 1
        bytesSinceCheckpoint += Int64(header.totalBytes)
        let advanced = raiseHighWatermarkIfAsync()
        var need = Appended.FlushNeed.none
        if flush != .queued {
            if settings.flushMode == .sync || endOffset - syncedEnd >= settings.flushMessages {
                flush = .queued
                need = .now
            } else if flush == .idle {
                flush = .aging
                need = .later(milliseconds: asyncFlushMs)
            }
        }
        return Appended(
            result: AppendResult(
                baseOffset: Offset(header.baseOffset), lastOffset: Offset(header.lastOffset),
                logAppendTimeMs: header.attributes.timestampType == .logAppendTime ? header.maxTimestamp : -1,
                logStartOffset: Offset(startOffset), isDuplicate: false, highWatermarkAdvanced: advanced),
            flush: need, observer: advanced ? observer : nil, syncedEnd: syncedEnd)
    }

    /// Writes the batch at the segment's end with its offset and epoch, which its checksum does not cover, in place of
    /// those it came with.
    private func write(_ bytes: ByteBuffer, _ header: RecordBatchHeader, to segment: Segment) throws(FileError) {
        let position = segment.size
        try grow(segment, to: position + Int64(header.totalBytes))
        let file = try segment.log.file()
        segment.markUnsynced()
        // Until it went through.
        segment.hasFailedWrite = true
        let length = UInt64(UInt32(bitPattern: header.batchLength))
        let prefix = (
            UInt64(bitPattern: header.baseOffset).bigEndian,
            (length << 32 | UInt64(UInt32(bitPattern: header.partitionLeaderEpoch))).bigEndian
        )
        var failure: FileError?
        withUnsafeBytes(of: prefix) { prefix in
            bytes.withUnsafeReadableBytes { body in
                withUnsafeTemporaryAllocation(of: UnsafeRawBufferPointer.self, capacity: 2) { parts in
                    parts.initializeElement(at: 0, to: prefix)
                    parts.initializeElement(at: 1, to: UnsafeRawBufferPointer(rebasing: body[prefix.count...]))
                    do throws(FileError) {
                        try file.write(gathering: UnsafeBufferPointer(parts), at: position)
                    } catch {
                        failure = error
                    }
                }
            }
        }
        if let failure { throw failure }
    }

    /// Preallocates in steps that double, so that small partitions stay small and large ones write into reserved space.
    private func grow(_ segment: Segment, to end: Int64) throws(FileError) {
        guard end > segment.allocated else { return }
        let limit = max(end, Int64(settings.segmentBytes))
        var target = segment.allocated
        while target < end {
            target += min(max(target, Self.growthStart), Self.growthStepMax)
        }
        if settings.preallocate { target = limit }
        target = min(target, limit)
        let file = try segment.log.file()
        do throws(FileError) {
            try file.allocate(from: segment.allocated, count: target - segment.allocated)
            segment.allocated = target
        } catch {
            // No preallocation here, or little space: the write itself extends the file, or says why not.
            segment.allocated = max(segment.allocated, try file.size())
        }
    }

    // MARK: Rolling

    /// The segment that the batch goes to: the last one, or a new one when that is full or old.
    private mutating func activeSegment(
        for header: RecordBatchHeader, context: StorageContext
    ) throws(FileError) -> Segment {
        if let active = segments.last {
            guard shouldRoll(active, for: header, context: context) else { return active }
            try active.finish(context.fileSystem)
            wantsCheckpoint = true
        }
        return try startSegment(context: context)
    }

    private func shouldRoll(_ active: Segment, for header: RecordBatchHeader, context: StorageContext) -> Bool {
        if active.size > Int64(settings.segmentBytes) - Int64(header.totalBytes) { return true }
        if header.lastOffset - active.baseOffset > Int64(Int32.max) { return true }
        if active.isIndexFull(settings.segmentIndexBytes) { return true }
        guard active.size > 0 else { return false }
        var age = settings.segmentMs
        // A segment that is appended to is not compacted: it must not stay that for longer than compaction may wait.
        if settings.cleanupPolicy.contains(.compact), settings.maxCompactionLagMs > 0 {
            age = min(age, settings.maxCompactionLagMs)
        }
        let limit = age.subtractingReportingOverflow(active.jitterMs).partialValue
        if let first = active.firstTimestamp, first >= 0 {
            return header.maxTimestamp.subtractingReportingOverflow(first).partialValue > limit
        }
        return context.clock.wallMilliseconds - active.createdMs > limit
    }

    /// Creates the segment that starts at the end of the log, and the directory with the first one.
    mutating func startSegment(context: StorageContext) throws(FileError) -> Segment {
        if !directoryExists {
            try context.fileSystem.makeDirectory(directory, intermediates: false)
            newDirectory = context.newDirectories.add()
            directoryExists = true
            needsMetadata = true
        }
        let segment = Segment(
            directory: directory, baseOffset: endOffset, files: context.files,
            createdMs: context.clock.wallMilliseconds)
        needsDirectorySync = true
        // What an interrupted truncation may have left under that name is not ours.
        try segment.log.file(create: true).truncate(to: 0)
        let jitter = min(settings.segmentJitterMs, settings.segmentMs)
        if jitter > 0 { segment.jitterMs = Int64(context.random.next() % UInt64(jitter)) }
        segments.append(segment)
        segment.markUnsynced()
        return segment
    }

    /// Milliseconds that unsynced data may wait with `flush.mode=async`.
    var asyncFlushMs: Int64 { settings.flushMs == Int64.max ? asyncFlushDefaultMs : settings.flushMs }
}
