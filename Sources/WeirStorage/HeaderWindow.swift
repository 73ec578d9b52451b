internal import WeirRecords
internal import WeirSystem

/// Reads batch headers of a segment one after another, a few of them with each call to the system.
struct HeaderWindow {
    private let file: any File
    private let buffer: UnsafeMutableRawBufferPointer
    private var start: Int64 = 0
    private var count = 0

    static let byteCount = 2048

    /// - Parameter buffer: scratch space of at least a header's size, valid while the window is used.
    init(file: any File, buffer: UnsafeMutableRawBufferPointer) {
        self.file = file
        self.buffer = buffer
    }

    /// The header at the position if one stands there whose whole batch ends at or before `limit`; nil otherwise.
    mutating func header(at position: Int64, limit: Int64) throws(FileError) -> RecordBatchHeader? {
        let needed = Int64(RecordBatchHeader.byteCount)
        guard position >= 0, limit - position >= needed else { return nil }
        if position < start || position + needed > start + Int64(count) {
            count = try file.read(into: buffer, at: position)
            start = position
        }
        guard position + needed <= start + Int64(count) else { return nil }
        let offset = Int(position - start)
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[offset..<offset + RecordBatchHeader.byteCount])
        guard let header = try? RecordBatchHeader(parsing: bytes), header.batchLength >= 49,
            header.lastOffsetDelta >= 0, header.lastOffset >= header.baseOffset,
            Int64(header.totalBytes) <= limit - position
        else { return nil }
        return header
    }

    /// Runs `body` with a window over the file.
    static func withWindow<Result, Failure: Error>(
        _ file: any File, _ body: (inout HeaderWindow) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: 8) { buffer throws(Failure) in
            var window = HeaderWindow(file: file, buffer: buffer)
            return try body(&window)
        }
    }
}
