/// Which leader epoch starts at which offset: Kafka's leader epoch cache and its checkpoint file.
struct LeaderEpochs: Sendable, Equatable {
    struct Entry: Sendable, Equatable {
        let epoch: Int32
        let startOffset: Int64
    }

    /// Ascending in epoch and in offset.
    private(set) var entries: [Entry] = []

    init() {}

    /// Takes entries in file order, leaving out those that do not ascend.
    init(_ list: [(epoch: Int32, startOffset: Int64)]) {
        for (epoch, startOffset) in list { _ = assign(epoch, at: startOffset) }
    }

    var latest: Entry? { entries.last }

    /// Notes the epoch of a batch at the offset; whether that was news.
    mutating func assign(_ epoch: Int32, at offset: Int64) -> Bool {
        guard epoch >= 0 else { return false }
        if let last = entries.last {
            if epoch <= last.epoch { return false }
            // A leadership without any batch leaves no trace.
            while let last = entries.last, last.startOffset >= offset { entries.removeLast() }
        }
        entries.append(Entry(epoch: epoch, startOffset: offset))
        return true
    }

    /// Forgets epochs that start at or after the offset; whether there were any.
    mutating func truncate(to offset: Int64) -> Bool {
        let before = entries.count
        while let last = entries.last, last.startOffset >= offset { entries.removeLast() }
        return entries.count != before
    }

    /// Lets the epochs before the offset collapse into the one that holds it; whether anything changed.
    mutating func advanceStart(to offset: Int64) -> Bool {
        guard
            let first = entries.firstIndex(where: { $0.startOffset > offset })
                ?? (entries.isEmpty ? nil : entries.count),
            first > 0
        else { return false }
        let held = entries[first - 1]
        if first == 1, held.startOffset >= offset { return false }
        entries.replaceSubrange(..<first, with: [Entry(epoch: held.epoch, startOffset: max(held.startOffset, offset))])
        return true
    }

    /// The largest epoch at or below the requested one, and where the next one starts; nil when not known.
    /// (Kafka's `LeaderEpochFileCache.endOffsetFor`.)
    func endOffset(for epoch: Int32, logEnd: Int64) -> (epoch: Int32, endOffset: Int64)? {
        guard epoch >= 0, let latest = entries.last, epoch <= latest.epoch else { return nil }
        if epoch == latest.epoch { return (epoch, logEnd) }
        guard let higher = entries.firstIndex(where: { $0.epoch > epoch }) else { return nil }
        if higher == 0 { return (epoch, entries[0].startOffset) }
        return (entries[higher - 1].epoch, entries[higher].startOffset)
    }

    /// The epoch of the batch at the offset, -1 when not known.
    func epoch(at offset: Int64) -> Int32 {
        entries.last(where: { $0.startOffset <= offset })?.epoch ?? -1
    }
}
