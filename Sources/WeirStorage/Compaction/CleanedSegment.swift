internal import NIOCore
internal import SystemPackage
internal import WeirRecords
internal import WeirSystem

/// A segment that compaction writes: files named `.cleaned`, which mean nothing until they are renamed to `.swap`.
struct CleanedSegment {
    static let suffix = ".cleaned"
    static let swapSuffix = ".swap"

    let segment: Segment
    private let context: StorageContext
    private let indexInterval: Int
    private let bufferBytes: Int
    private var buffer = ByteBuffer()
    /// Where the buffer's first byte belongs.
    private var written: Int64 = 0

    /// Makes the files, empty, whatever an earlier attempt left.
    init(
        directory: FilePath, baseOffset: Int64, context: StorageContext, indexInterval: Int, bufferBytes: Int
    ) throws(FileError) {
        self.context = context
        self.indexInterval = indexInterval
        self.bufferBytes = bufferBytes
        for kind in SegmentName.compacted {
            let path = directory.appending(SegmentName.text(baseOffset, kind) + Self.suffix)
            try context.fileSystem.remove(path)
        }
        segment = Segment(
            directory: directory, baseOffset: baseOffset, files: context.files,
            createdMs: context.clock.wallMilliseconds, suffix: Self.suffix)
        _ = try segment.log.file(create: true)
        _ = try segment.offsetIndex.handle.file(create: true)
        _ = try segment.timeIndex.handle.file(create: true)
        // Until they are synced the files stay open: a write error would be lost with the descriptor.
        for handle in segment.handles { handle.pin() }
    }

    mutating func append(_ bytes: ByteBuffer, _ header: RecordBatchHeader) throws(FileError) {
        try segment.note(header, at: segment.size, indexInterval: indexInterval)
        segment.size += Int64(header.totalBytes)
        buffer.writeImmutableBuffer(bytes)
        if buffer.readableBytes >= bufferBytes { try write() }
    }

    private mutating func write() throws(FileError) {
        guard buffer.readableBytes > 0 else { return }
        let file = try segment.log.file()
        var failure: FileError?
        buffer.withUnsafeReadableBytes { bytes in
            do throws(FileError) {
                try file.write(bytes, at: written)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        written += Int64(buffer.readableBytes)
        buffer.clear()
    }

    /// Writes and syncs everything.
    mutating func finish() throws(FileError) {
        try write()
        segment.allocated = segment.size
        try segment.finish(context.fileSystem)
        for handle in segment.handles { try handle.file(create: true).sync() }
    }

    /// Closes the files. Nothing is written afterwards.
    func close() {
        for handle in segment.handles { handle.retire() }
    }

    /// Closes and removes the files, under whichever of their names.
    func discard() throws(FileError) {
        close()
        for kind in SegmentName.compacted {
            for suffix in [Self.suffix, Self.swapSuffix] {
                try context.fileSystem.remove(segment.path(kind, suffix))
            }
        }
    }
}
