internal import SystemPackage
internal import WeirModel
internal import WeirSystem

/// An offset and where its batch stands, or will.
struct LogPosition: Sendable, Equatable {
    var offset: Int64
    /// The base of the segment; -1 when there is none yet.
    var segmentBase: Int64
    /// Bytes from the start of the segment.
    var position: Int64
}

/// What is under a log's lock.
struct LogState {
    enum Flush {
        /// Nothing to sync, or nobody told the flusher.
        case idle
        /// In the flusher's list of logs that may wait.
        case aging
        /// In the flusher's queue, or being synced.
        case queued
    }

    let directory: FilePath
    /// `StorageSettings.asyncFlushMs`.
    let asyncFlushDefaultMs: Int64
    var settings: TopicSettings
    /// Ascending; the last one is appended to. Empty before the first append.
    var segments: [Segment] = []
    var startOffset: Int64 = 0
    var endOffset: Int64 = 0
    var syncedEnd: Int64 = 0
    /// Where recovery would start: everything below is on disk with its indices.
    var recoveryPoint: Int64 = 0
    var highWatermark = LogPosition(offset: 0, segmentBase: -1, position: 0)
    var producers = ProducerStates()
    var epochs = LeaderEpochs()
    var failure: StorageError?
    var flush = Flush.idle
    /// Whether the directory is there, `partition.metadata` included once a flush went through.
    var directoryExists = false
    var needsMetadata = false
    /// Whether names were made that are not durable.
    var needsDirectorySync = false
    /// The log's number among those whose directories were made, as long as its directory's own name may not be durable.
    var newDirectory: UInt64?
    var epochsChanged = false
    /// Whether epochs were taken away since their file was written, so that it has to be written before new batches count.
    var epochsWereCut = false
    var bytesSinceCheckpoint: Int64 = 0
    var wantsCheckpoint = false
    /// Grows with every truncation, so that a sync that ran meanwhile knows.
    var truncations = 0
    /// Offsets that snapshots of producers exist for, ascending.
    var snapshots: [Int64] = []
    var readCache = ReadCache()
    weak var observer: (any LogObserver)?

    init(directory: FilePath, settings: TopicSettings, asyncFlushDefaultMs: Int64) {
        self.asyncFlushDefaultMs = asyncFlushDefaultMs
        self.directory = directory
        self.settings = settings
    }

    var sizeBytes: Int64 { segments.reduce(0) { $0 + $1.size } }

    var progress: (Offset, Offset) { (Offset(highWatermark.offset), Offset(syncedEnd)) }

    var endPosition: LogPosition {
        LogPosition(offset: endOffset, segmentBase: segments.last?.baseOffset ?? -1, position: segments.last?.size ?? 0)
    }

    /// With `flush.mode=async` the high watermark is the end; whether it moved.
    mutating func raiseHighWatermarkIfAsync() -> Bool {
        guard settings.flushMode == .async, highWatermark.offset < endOffset else { return false }
        highWatermark = endPosition
        return true
    }

    /// Whether the caller has to put the log into the flusher's queue.
    mutating func claimForFlush() -> Bool {
        if flush == .queued { return false }
        flush = .queued
        return true
    }

    /// The segment that has or would have the offset: the last whose base is at or below it.
    func segmentIndex(of offset: Int64) -> Int? {
        if let last = segments.last, last.baseOffset <= offset { return segments.count - 1 }
        var (low, high) = (0, segments.count)
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].baseOffset <= offset { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : low - 1
    }

    mutating func advanceStart(to offset: Int64) {
        guard offset > startOffset else { return }
        startOffset = offset
        if epochs.advanceStart(to: offset) { epochsChanged = true }
    }
}

/// Where reads ended lately, which is where the next ones start: the common case needs neither index nor file.
struct ReadCache {
    private struct Slot {
        var offset: Int64 = -1
        var segmentBase: Int64 = -1
        var position: Int64 = 0
    }

    // A tuple: no heap, no reference count.
    private var slots = (Slot(), Slot(), Slot(), Slot())
    private var next = 0

    func position(of offset: Int64, segmentBase: Int64) -> Int64? {
        if slots.0.offset == offset, slots.0.segmentBase == segmentBase { return slots.0.position }
        if slots.1.offset == offset, slots.1.segmentBase == segmentBase { return slots.1.position }
        if slots.2.offset == offset, slots.2.segmentBase == segmentBase { return slots.2.position }
        if slots.3.offset == offset, slots.3.segmentBase == segmentBase { return slots.3.position }
        return nil
    }

    mutating func note(_ place: LogPosition) {
        if position(of: place.offset, segmentBase: place.segmentBase) != nil { return }
        let slot = Slot(offset: place.offset, segmentBase: place.segmentBase, position: place.position)
        switch next {
        case 0: slots.0 = slot
        case 1: slots.1 = slot
        case 2: slots.2 = slot
        default: slots.3 = slot
        }
        next = (next + 1) & 3
    }

    mutating func clear() { self = ReadCache() }
}
