internal import NIOCore
internal import WeirModel
internal import WeirRecords
internal import WeirSystem

/// One cleaning of one log, done in steps: finds the aborted transactions, maps the newest offset of each key in the dirty
/// part, then writes the segments anew, a group of them into one.
///
/// When the map is too small for the dirty part, the cleaning ends at the last offset that fits; the log is then still
/// dirty, and another run goes on.
final class CompactionRun {
    enum Step {
        /// Bytes that were read and written; there is more to do.
        case more(bytes: Int)
        /// All below the offset is clean.
        case done(cleanEnd: Int64)
    }

    private enum Phase {
        case transactions(segment: Int, position: Int64)
        case keys(segment: Int, SegmentReader?)
        case segments(group: Int, Writing?)
        case done
    }

    /// A group of segments while it is written.
    private struct Writing {
        var parts: ArraySlice<CompactionPlan.Part>
        /// The last one that has anything; its last batch stays, if only as a header, so that the end stays known.
        var lastPart: Int?
        var current: Int
        var reader: SegmentReader?
        var output: CleanedSegment
        /// Whether the output is other than the group.
        var hasChanged: Bool
    }

    let log: PartitionLog
    private let plan: CompactionPlan
    private let context: StorageContext
    private let settings: TopicSettings
    private let nowMs: Int64
    private let map: KeyOffsetMap
    private var phase: Phase
    private var scan = TransactionScan()
    private var keyTransactions = CleanedTransactions([])
    private var cleaner: BatchCleaner?
    private var groups: [ArraySlice<CompactionPlan.Part>] = []
    /// Bytes before and after, for the notice.
    private(set) var bytesBefore: Int64 = 0
    private(set) var bytesAfter: Int64 = 0

    private static let headersPerStep = 2000

    init(_ plan: CompactionPlan) {
        log = plan.log
        self.plan = plan
        context = plan.log.context
        settings = plan.settings
        nowMs = context.clock.wallMilliseconds
        let cleaner = context.settings.cleaner
        map = KeyOffsetMap(
            bytes: cleaner.dedupeBufferBytes, loadFactor: cleaner.bufferLoadFactor,
            keysMax: plan.end - plan.firstDirty, seed: (context.random.next(), context.random.next()))
        phase = .transactions(segment: plan.firstDirtyPart, position: 0)
    }

    /// Does a part of the work: about `log.cleaner.io.buffer.size` bytes, or one batch.
    func step() throws(CompactionFailure) -> Step {
        switch phase {
        case .transactions(let segment, let position): return try findTransactions(segment, position)
        case .keys(let segment, let reader): return try mapKeys(segment, reader)
        case .segments(let group, let writing): return try write(group, writing)
        case .done: return .done(cleanEnd: map.latestOffset + 1)
        }
    }

    /// Gives up: removes what was written.
    func abandon() {
        if case .segments(_, .some(let writing)) = phase { try? writing.output.discard() }
        phase = .done
    }

    private var chunkBytes: Int { context.settings.cleaner.bufferBytes }

    // MARK: Transactions

    /// Walks headers from the dirty part's first segment on, also beyond the part that is cleaned, as far as the markers of
    /// its transactions stand.
    private func findTransactions(_ index: Int, _ start: Int64) throws(CompactionFailure) -> Step {
        let parts = plan.parts + plan.later
        guard index < parts.count, index < plan.parts.count || scan.hasOpen(below: plan.end) else {
            keyTransactions = CleanedTransactions(scan.aborted)
            phase = .keys(segment: plan.firstDirtyPart, nil)
            return .more(bytes: 0)
        }
        let part = parts[index]
        var position = start
        var headers = 0
        var bytes = 0
        var markers: [(Int64, RecordBatchHeader)] = []
        try CompactionFailure.during { () throws(FileError) in
            let file = try part.segment.log.file()
            try HeaderWindow.withWindow(file) { window throws(FileError) in
                while headers < Self.headersPerStep, let header = try window.header(at: position, limit: part.size) {
                    headers += 1
                    bytes += RecordBatchHeader.byteCount
                    position += Int64(header.totalBytes)
                    scan.note(header)
                    if header.attributes.isControl {
                        markers.append((position - Int64(header.totalBytes), header))
                        return
                    }
                }
            }
        }
        for (at, header) in markers {
            let slice = try CompactionFailure.during { () throws(FileError) in
                try FileSlice(file: try part.segment.log.file(), offset: at, count: header.totalBytes).readAll()
            }
            scan.note((try? BatchView(parsing: slice)).flatMap(ControlType.init), header)
        }
        let isOver = headers == 0
        phase = .transactions(segment: isOver ? index + 1 : index, position: isOver ? 0 : position)
        return .more(bytes: bytes)
    }

    // MARK: Keys

    private func mapKeys(_ index: Int, _ current: SegmentReader?) throws(CompactionFailure) -> Step {
        guard index < plan.parts.count else {
            map.latestOffset = plan.end - 1
            return beginWriting()
        }
        let part = plan.parts[index]
        var reader = current ?? SegmentReader(part.segment, size: part.size, chunkBytes: chunkBytes)
        let before = reader.bytesRead
        var taken = 0
        while taken < chunkBytes, let batch = try reader.next() {
            taken += batch.bytes.readableBytes
            if try !take(batch) { return beginWriting() }
        }
        phase = reader.isAtEnd ? .keys(segment: index + 1, nil) : .keys(segment: index, reader)
        return .more(bytes: reader.bytesRead - before)
    }

    /// Puts a batch's keys into the map; false when it is full.
    private func take(_ batch: BatchView) throws(CompactionFailure) -> Bool {
        let header = batch.header
        if header.attributes.isControl {
            _ = keyTransactions.endsNothing(ControlType(batch), header)
        } else if !keyTransactions.isAborted(header), header.lastOffset >= plan.firstDirty, header.recordCount > 0 {
            do throws(RecordError) {
                let records = try batch.recordBytes(limit: BatchCleaner.decompressedBytesMax)
                guard let fits = put(records, header) else {
                    throw RecordError(.malformed, "the records of the batch at offset \(header.baseOffset) are damaged")
                }
                if !fits { return false }
            } catch {
                throw .damaged("\(log.topicPartition): \(error)")
            }
        }
        map.latestOffset = max(map.latestOffset, header.lastOffset)
        return true
    }

    /// Nil when the bytes are no records; false when the map is full.
    private func put(_ records: ByteBuffer, _ header: RecordBatchHeader) -> Bool? {
        records.withUnsafeReadableBytes { bytes -> Bool? in
            guard var cursor = RecordCursor(bytes) else { return nil }
            for _ in 0..<header.recordCount {
                guard let parts = cursor.next(), parts.offsetDelta >= 0, parts.offsetDelta <= header.lastOffsetDelta
                else { return nil }
                let offset = header.baseOffset &+ Int64(parts.offsetDelta)
                if parts.keyCount >= 0, offset >= plan.firstDirty {
                    let key = UnsafeRawBufferPointer(rebasing: bytes[parts.keyAt..<(parts.keyAt + parts.keyCount)])
                    guard map.put(key, offset) else { return false }
                }
                map.latestOffset = max(map.latestOffset, offset)
            }
            return true
        }
    }

    // MARK: Writing

    private func beginWriting() -> Step {
        groups = plan.groups(below: map.latestOffset + 1)
        cleaner = BatchCleaner(
            map: map, nowMs: nowMs, settings: settings, producers: log.lastBatches,
            transactions: CleanedTransactions(scan.aborted))
        phase = .segments(group: 0, nil)
        return .more(bytes: 0)
    }

    private func write(_ group: Int, _ current: Writing?) throws(CompactionFailure) -> Step {
        guard group < groups.count, var cleaner else {
            phase = .done
            return .done(cleanEnd: map.latestOffset + 1)
        }
        var writing: Writing
        if let current { writing = current } else { writing = try begin(groups[group]) }
        // Nothing keeps a second reference to the buffers while they are written to.
        phase = .segments(group: group, nil)
        self.cleaner = nil
        var bytes = 0
        do throws(CompactionFailure) {
            bytes = try copy(&writing, &cleaner)
        } catch {
            try? writing.output.discard()
            throw error
        }
        self.cleaner = cleaner
        guard writing.current == writing.parts.endIndex else {
            phase = .segments(group: group, writing)
            return .more(bytes: bytes)
        }
        try finish(&writing)
        phase = .segments(group: group + 1, nil)
        return .more(bytes: bytes)
    }

    private func begin(_ parts: ArraySlice<CompactionPlan.Part>) throws(CompactionFailure) -> Writing {
        let base = parts.first?.segment.baseOffset ?? 0
        let output = try CompactionFailure.during { () throws(FileError) in
            try CleanedSegment(
                directory: log.directory, baseOffset: base, context: context,
                indexInterval: settings.indexIntervalBytes, bufferBytes: chunkBytes)
        }
        return Writing(
            parts: parts, lastPart: parts.lastIndex { $0.size > 0 }, current: parts.startIndex, reader: nil,
            output: output, hasChanged: parts.count > 1)
    }

    /// Cleans batches into the output until a chunk was read or the group is through.
    private func copy(_ writing: inout Writing, _ cleaner: inout BatchCleaner) throws(CompactionFailure) -> Int {
        var bytes = 0
        while writing.current < writing.parts.endIndex, bytes < chunkBytes {
            let part = writing.parts[writing.current]
            var reader = writing.reader ?? SegmentReader(part.segment, size: part.size, chunkBytes: chunkBytes)
            writing.reader = nil
            guard let batch = try reader.next() else {
                writing.current += 1
                continue
            }
            let outcome: BatchCleaner.Outcome
            do throws(RecordError) {
                outcome = try cleaner.clean(batch, mustStay: writing.current == writing.lastPart && reader.isAtEnd)
            } catch {
                throw .damaged("\(part.segment.log.path): \(error)")
            }
            bytes += batch.bytes.readableBytes
            try CompactionFailure.during { () throws(FileError) in
                switch outcome {
                case .asIs:
                    bytes += batch.bytes.readableBytes
                    try writing.output.append(batch.bytes, batch.header)
                case .changed(let changed, let header):
                    writing.hasChanged = true
                    bytes += changed.readableBytes
                    try writing.output.append(changed, header)
                case .dropped: writing.hasChanged = true
                }
            }
            writing.reader = reader
        }
        return bytes
    }

    private func finish(_ writing: inout Writing) throws(CompactionFailure) {
        bytesBefore += writing.parts.reduce(0) { $0 + $1.size }
        bytesAfter += writing.output.segment.size
        guard writing.hasChanged else {
            try CompactionFailure.during { () throws(FileError) in try writing.output.discard() }
            return
        }
        do throws(FileError) {
            try writing.output.finish()
        } catch {
            try? writing.output.discard()
            throw .disk(error)
        }
        try log.replace(writing.parts.map(\.segment), with: writing.output, truncations: plan.truncations)
    }
}
