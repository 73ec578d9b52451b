internal import SystemPackage
internal import WeirModel
internal import WeirRecords
internal import WeirSystem

extension LogLoader {
    /// Brings to its end, or undoes, what a crash interrupted in a log's directory: a compaction, a deletion, a
    /// replacement of a file. See `PartitionLog+Replace` for the steps.
    ///
    /// - Throws: `.corrupt`, with nothing changed, when a cleaned segment that counts is damaged.
    func settleInterrupted() throws(LoadFailure) {
        let files = context.fileSystem
        let names = try disk { () throws(FileError) in try files.list(directory) }
        var swaps: [(base: Int64, end: Int64)] = []
        for name in names where name.hasSuffix(CleanedSegment.swapSuffix) {
            let stem = String(name.dropLast(CleanedSegment.swapSuffix.utf8.count))
            guard let (base, kind) = SegmentName.parse(stem), kind == .log else { continue }
            swaps.append((base, try end(ofSwap: name, base: base)))
        }
        try disk { () throws(FileError) in
            for suffix in [CleanedSegment.suffix, PartitionLog.deletedSuffix, ".tmp", ".new"] {
                for name in names where name.hasSuffix(suffix) { try files.remove(directory.appending(name)) }
            }
            for swap in swaps.sorted(by: { $0.base < $1.base }) {
                try complete(swap.base, end: swap.end, names)
            }
            // Indices of a cleaned segment whose log did not get as far.
            for name in try files.list(directory) where name.hasSuffix(CleanedSegment.swapSuffix) {
                try files.remove(directory.appending(name))
            }
            if !swaps.isEmpty { try files.syncDirectory(directory) }
        }
        for swap in swaps {
            context.notice(.info, "\(topicPartition): completed the compaction of offsets \(swap.base)..<\(swap.end)")
        }
    }

    /// Removes the segments that the cleaned one replaces, and gives its files their names.
    private func complete(_ base: Int64, end: Int64, _ names: [String]) throws(FileError) {
        let files = context.fileSystem
        let old = names.compactMap(SegmentName.parse).filter { $0.kind == .log && $0.offset > base && $0.offset < end }
        for offset in old.map(\.offset).sorted() {
            for kind in SegmentName.compacted.reversed() {
                try files.remove(directory.appending(SegmentName.text(offset, kind)))
            }
        }
        for kind in SegmentName.compacted {
            let path = directory.appending(SegmentName.text(base, kind))
            let swap = directory.appending(SegmentName.text(base, kind) + CleanedSegment.swapSuffix)
            // An index that is missing has its name already.
            guard try files.kind(of: swap) != nil else { continue }
            try files.rename(swap, to: path)
        }
    }

    /// The offset after a cleaned segment's last batch. It was synced before it got its name, so it must be sound.
    private func end(ofSwap name: String, base: Int64) throws(LoadFailure) -> Int64 {
        let path = directory.appending(name)
        let (end, position, size) = try disk { () throws(FileError) in
            let file = try context.fileSystem.open(path, create: false)
            let size = try file.size()
            var reader = BatchReader(file: file)
            var (position, end) = (Int64(0), base)
            while let header = try reader.sound(at: position, limit: size), header.baseOffset >= end {
                position += Int64(header.totalBytes)
                end = header.lastOffset + 1
            }
            return (end, position, size)
        }
        guard position == size else {
            throw .corrupt("\(path) is damaged at byte \(position); nothing was changed")
        }
        return end
    }
}
