internal import SystemPackage
internal import WeirModel
internal import WeirRecords
internal import WeirSystem

extension LogLoader {
    /// Where a scan is.
    private struct Cursor {
        /// Which segment, by its place in the log.
        var segment: Int
        var position: Int64
        /// The offset that the next batch must have at least.
        var expected: Int64
        var epoch: Int32
    }

    /// Checks every batch from the recovery point on, cuts what a crash tore off, rebuilds the indices over it, and syncs what
    /// stays: a batch that only the page cache had must not be shown before it is on disk.
    ///
    /// A bad batch is *torn* when it is behind the recovery point and what follows is nothing, or is damage that lost
    /// writes make. It is *corruption* when it is before the recovery point or sound batches follow: then nothing is
    /// touched and the log stays away.
    func scan(_ state: inout LogState) throws(LoadFailure) {
        var cursor = try place(&state)
        let first = cursor.segment
        let bytes = state.segments[first...].reduce(0) { $0 + $1.size } - cursor.position
        if bytes > 1 << 30 {
            context.notice(.info, "\(topicPartition): checking \(bytes >> 20) MiB after an unclean stop")
        }
        while cursor.segment < state.segments.count {
            let segment = state.segments[cursor.segment]
            let isFirst = cursor.segment == first
            if !isFirst {
                guard segment.baseOffset == cursor.expected || mayHaveGaps && segment.baseOffset > cursor.expected
                else {
                    try cut(&state, at: cursor, found: .gap(segment.baseOffset))
                    break
                }
                cursor.expected = max(cursor.expected, segment.baseOffset)
                cursor.position = 0
            }
            let fileEnd = segment.size
            try scan(segment, &cursor, &state)
            if cursor.position < fileEnd {
                try cut(&state, at: cursor, found: .badBatch)
                break
            }
            cursor.segment += 1
        }
        state.endOffset = cursor.expected
        guard state.endOffset >= recoveryPoint else {
            throw .corrupt(
                "\(topicPartition) ends at offset \(state.endOffset), and everything below \(recoveryPoint) was on disk"
            )
        }
        // Most logs have nothing behind the recovery point, and need no sync: it is all on disk.
        if state.endOffset == recoveryPoint, state.endOffset > 0, first + 1 == state.segments.count { return }
        try settle(state, from: first)
    }

    private var mayHaveGaps: Bool { wasCompacted || settings.cleanupPolicy.contains(.compact) }

    /// Where to start: at the batch of the last index entry below the recovery point, if it is one.
    private func place(_ state: inout LogState) throws(LoadFailure) -> Cursor {
        let segments = state.segments
        // The segment before one that starts at the recovery point may have been finished after the checkpoint.
        let index = segments.lastIndex { $0.baseOffset < recoveryPoint } ?? 0
        let segment = segments[index]
        let trusted = try disk { () throws(FileError) in try trustedEntries(of: segment) }
        try disk { () throws(FileError) in
            try segment.offsetIndex.truncate(toCount: trusted.offsets)
            try segment.timeIndex.truncate(toCount: trusted.times)
            for later in segments[(index + 1)...] {
                try later.offsetIndex.truncate(toCount: 0)
                try later.timeIndex.truncate(toCount: 0)
                later.maxTimestamp = -1
            }
        }
        var cursor = Cursor(segment: index, position: 0, expected: segment.baseOffset, epoch: -1)
        segment.maxTimestamp = -1
        try disk { () throws(FileError) in
            guard let entry = try segment.offsetIndex.last() else { return }
            let file = try segment.log.file()
            let header = try HeaderWindow.withWindow(file) { window throws(FileError) in
                segment.firstTimestamp = try window.header(at: 0, limit: segment.size)?.maxTimestamp
                return try window.header(at: Int64(entry.position), limit: segment.size)
            }
            guard let header, header.lastOffset == segment.baseOffset + Int64(entry.relativeOffset),
                header.baseOffset >= segment.baseOffset
            else {
                // The index does not fit the log: start from the segment's first batch.
                try segment.offsetIndex.truncate(toCount: 0)
                try segment.timeIndex.truncate(toCount: 0)
                segment.firstTimestamp = nil
                return
            }
            let time = try segment.timeIndex.last()
            segment.maxTimestamp = time?.timestamp ?? -1
            segment.maxTimestampOffset = time.map { segment.baseOffset + Int64($0.relativeOffset) } ?? -1
            // The batch has its entry already; the next is due an interval after it.
            segment.bytesSinceIndexEntry = 0
            cursor.position = Int64(entry.position)
            cursor.expected = header.baseOffset
        }
        return cursor
    }

    /// How many leading entries of a segment's indices make sense and are below the recovery point.
    private func trustedEntries(of segment: Segment) throws(FileError) -> (offsets: Int, times: Int) {
        var offsets = 0
        var last = OffsetEntry(relativeOffset: 0, position: 0)
        let offsetBytes = try context.fileSystem.contents(of: segment.offsetIndex.handle.path) ?? []
        for index in 0..<segment.offsetIndex.count where (index + 1) * OffsetEntry.byteCount <= offsetBytes.count {
            let entry = offsetBytes.withUnsafeBytes { bytes in
                OffsetEntry(relativeOffset: bytes.big32(index * 8), position: bytes.big32(index * 8 + 4))
            }
            guard entry.relativeOffset > last.relativeOffset || index == 0, entry.position > last.position,
                Int64(entry.position) < segment.size,
                segment.baseOffset + Int64(entry.relativeOffset) < recoveryPoint
            else { break }
            last = entry
            offsets = index + 1
        }
        var times = 0
        var before = TimeEntry(timestamp: -1, relativeOffset: 0)
        let timeBytes = try context.fileSystem.contents(of: segment.timeIndex.handle.path) ?? []
        for index in 0..<segment.timeIndex.count where (index + 1) * TimeEntry.byteCount <= timeBytes.count {
            let entry = timeBytes.withUnsafeBytes { bytes in
                TimeEntry(
                    timestamp: Int64(bytes.big32(index * 12)) << 32 | Int64(bytes.big32(index * 12 + 4)),
                    relativeOffset: bytes.big32(index * 12 + 8))
            }
            // No further than the offset index: what is behind its last entry is scanned again.
            guard entry.timestamp > before.timestamp, entry.relativeOffset >= before.relativeOffset, offsets > 0,
                entry.relativeOffset <= last.relativeOffset
            else { break }
            before = entry
            times = index + 1
        }
        return (offsets, times)
    }

    /// Checks batches up to the first that is not sound, or the end of the file. Leaves the cursor there.
    private func scan(_ segment: Segment, _ cursor: inout Cursor, _ state: inout LogState) throws(LoadFailure) {
        let limit = segment.size
        let indexed = try disk { () throws(FileError) in
            try segment.offsetIndex.last().map { Int64($0.position) } ?? -1
        }
        var reader = BatchReader(file: try disk { () throws(FileError) in try segment.log.file() })
        while let header = try disk({ () throws(FileError) in try reader.sound(at: cursor.position, limit: limit) }) {
            guard header.baseOffset >= cursor.expected, header.partitionLeaderEpoch >= cursor.epoch else { break }
            if cursor.position != indexed {
                try disk { () throws(FileError) in
                    try segment.note(header, at: cursor.position, indexInterval: settings.indexIntervalBytes)
                }
            } else {
                segment.bytesSinceIndexEntry = Int64(header.totalBytes)
                if header.maxTimestamp > segment.maxTimestamp ?? -1 {
                    segment.maxTimestamp = header.maxTimestamp
                    segment.maxTimestampOffset = header.lastOffset
                }
            }
            if state.epochs.assign(header.partitionLeaderEpoch, at: header.baseOffset) { state.epochsChanged = true }
            cursor.epoch = header.partitionLeaderEpoch
            cursor.expected = header.lastOffset + 1
            cursor.position += Int64(header.totalBytes)
        }
    }

    private enum Finding {
        /// The next segment starts at another offset than this one ends with.
        case gap(Int64)
        case badBatch
    }

    /// Cuts the log at the cursor if that is what a crash does, or refuses.
    private func cut(_ state: inout LogState, at cursor: Cursor, found: Finding) throws(LoadFailure) {
        let isGap: Bool
        let segment: Segment
        let what: String
        switch found {
        case .gap(let base):
            // The cursor is at the end of the segment before.
            isGap = true
            segment = state.segments[max(0, cursor.segment - 1)]
            what = "a segment starts at offset \(base)"
        case .badBatch:
            isGap = false
            segment = state.segments[cursor.segment]
            what = "no sound batch follows"
        }
        let position = isGap ? segment.size : cursor.position
        guard cursor.expected >= recoveryPoint else {
            throw .corrupt(
                "\(topicPartition): where offset \(cursor.expected) should be (\(segment.log.path), byte \(position)) "
                    + "\(what), but everything below \(recoveryPoint) was on disk")
        }
        let later = Array(state.segments[(isGap ? cursor.segment : cursor.segment + 1)...])
        let tail = TailExamination(loader: self, segment: segment, position: position, expected: cursor.expected)
        let verdict = try disk { () throws(FileError) in try tail.verdict(later: later) }
        switch verdict {
        case .blank: break
        case .torn(let bytes):
            context.notice(
                .warning,
                "\(topicPartition): cut \(bytes) bytes of an unfinished write at offset \(cursor.expected) "
                    + "(\(segment.log.path), byte \(position))")
        case .lostWrites(let bytes):
            let kept = try disk { () throws(FileError) in try tail.keepCopy(later: later) }
            context.notice(
                .warning,
                "\(topicPartition): unsynced writes got lost at offset \(cursor.expected); the \(bytes) bytes behind "
                    + "them, never acknowledged as durable, are kept in \(kept)")
        case .corrupt(let where_):
            throw .corrupt(
                "\(topicPartition): the batch at offset \(cursor.expected) (\(segment.log.path), byte \(position)) is "
                    + "damaged, and sound ones follow (\(where_)); nothing was changed")
        }
        try disk { () throws(FileError) in
            try segment.log.file().truncate(to: position)
            segment.size = position
            segment.allocated = position
            segment.markUnsynced()
            for gone in later.reversed() {
                gone.drop()
                for kind in [SegmentName.Kind.log, .index, .timeindex, .txnindex] {
                    try context.fileSystem.remove(directory.appending(SegmentName.text(gone.baseOffset, kind)))
                }
            }
        }
        state.segments.removeLast(later.count)
    }

    /// Makes what stays durable, indices included.
    private func settle(_ state: LogState, from first: Int) throws(LoadFailure) {
        try disk { () throws(FileError) in
            for index in first..<state.segments.count {
                let segment = state.segments[index]
                if index + 1 < state.segments.count { try segment.finish(context.fileSystem) }
                segment.markSynced()
                try segment.log.file().sync()
            }
            try context.fileSystem.syncDirectory(directory)
        }
    }
}

extension UnsafeRawBufferPointer {
    func big32(_ offset: Int) -> UInt32 { UInt32(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
}
