internal import SystemPackage
internal import WeirModel
internal import WeirRecords
internal import WeirSystem

/// Finds out what a log knew of its producers: the newest sound snapshot, and the batch headers after it.
struct ProducerReplay {
    let directory: FilePath
    let context: StorageContext

    /// The state at `end`, and the snapshots that could be read.
    func states(
        at end: Int64, start: Int64, segments: [Segment], snapshots: [Int64]
    ) throws(FileError) -> (states: ProducerStates, snapshots: [Int64]) {
        var sound = snapshots.filter { $0 <= end }
        var states = ProducerStates()
        var from = start
        while let newest = sound.last {
            let path = directory.appending(SegmentName.text(newest, .snapshot))
            if let bytes = try context.fileSystem.contents(of: path), let decoded = ProducerSnapshot.decode(bytes) {
                states = decoded
                from = max(newest, start)
                break
            }
            context.notice(.warning, "\(path) is not a sound producer snapshot; an older one is used")
            sound.removeLast()
        }
        for segment in segments where segment.size > 0 {
            let next = segments.first { $0.baseOffset > segment.baseOffset }?.baseOffset ?? end
            if next <= from || from >= end { continue }
            try replay(segment, from: from, into: &states)
        }
        return (states, sound)
    }

    private func replay(_ segment: Segment, from: Int64, into states: inout ProducerStates) throws(FileError) {
        let relative = from - segment.baseOffset
        let entry = try segment.offsetIndex.lastOfPrefix { Int64($0.relativeOffset) <= relative }
        let file = try segment.log.file()
        var result = states
        try HeaderWindow.withWindow(file) { window throws(FileError) in
            var position = entry.map { Int64($0.position) } ?? 0
            while let header = try window.header(at: position, limit: segment.size) {
                if header.baseOffset >= from { result.update(header) }
                position += Int64(header.totalBytes)
            }
        }
        states = result
    }
}
