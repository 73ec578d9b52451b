internal import SystemPackage
internal import WeirRecords
internal import WeirSystem

/// Reads whole batches and checks them, through a buffer that is reused.
struct BatchReader {
    private let file: any File
    private var buffer: [UInt8]
    private var start: Int64 = 0
    private var count = 0

    private static let chunk = 256 << 10

    init(file: any File) {
        self.file = file
        buffer = [UInt8](repeating: 0, count: Self.chunk)
    }

    /// The header at the position if a whole batch with a right checksum stands there and ends before the limit.
    mutating func sound(at position: Int64, limit: Int64) throws(FileError) -> RecordBatchHeader? {
        let head = RecordBatchHeader.byteCount
        guard position >= 0, limit - position >= Int64(head), try load(position, head) else { return nil }
        let offset = Int(position - start)
        let header = buffer.withUnsafeBytes { bytes in
            try? RecordBatchHeader(parsing: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + head]))
        }
        guard let header, header.batchLength >= 49, header.lastOffsetDelta >= 0, header.baseOffset >= 0,
            header.lastOffset >= header.baseOffset, header.lastOffset < Int64.max,
            Int64(header.totalBytes) <= limit - position, try load(position, header.totalBytes)
        else { return nil }
        let at = Int(position - start)
        let isSound = buffer.withUnsafeBytes { bytes in
            let batch = UnsafeRawBufferPointer(rebasing: bytes[at..<at + header.totalBytes])
            return CRC32C.checksum(UnsafeRawBufferPointer(rebasing: batch[RecordBatchHeader.checkedFrom...]))
                == header.crc
        }
        return isSound ? header : nil
    }

    private mutating func load(_ position: Int64, _ bytes: Int) throws(FileError) -> Bool {
        if position >= start, position + Int64(bytes) <= start + Int64(count) { return true }
        if bytes > buffer.count { buffer = [UInt8](repeating: 0, count: bytes) }
        var failure: FileError?
        let file = file
        count = buffer.withUnsafeMutableBytes { buffer in
            do throws(FileError) {
                return try file.read(into: buffer, at: position)
            } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        start = position
        return count >= bytes
    }
}

/// Looks at what is behind the last sound batch of a log, to tell a torn tail from corruption.
struct TailExamination {
    enum Verdict {
        /// Zeros or nothing: reserved space that was never written.
        case blank
        /// An unfinished write with nothing sound behind it.
        case torn(bytes: Int64)
        /// Sectors that were never written, as a power cut leaves them when later writes reached the disk first.
        case lostWrites(bytes: Int64)
        /// Damage of another kind, with a sound batch behind it.
        case corrupt(String)
    }

    let loader: LogLoader
    let segment: Segment
    let position: Int64
    let expected: Int64

    private static let sector: Int64 = 512
    private static let chunk = 1 << 20

    func verdict(later: [Segment]) throws(FileError) -> Verdict {
        let file = try segment.log.file()
        let end = segment.size
        var laterBytes: Int64 = 0
        for segment in later { laterBytes += try writtenBytes(segment) }
        let written = try lastNonZero(file, from: position, to: end)
        let bytes = max(0, written - position) + laterBytes
        if bytes == 0 { return .blank }
        guard let sound = try firstSound(file, after: position, to: written, later: later) else {
            return .torn(bytes: bytes)
        }
        let isLost = try hasLostSector(file, to: end, before: min(sound.position ?? end, end))
        return isLost ? .lostWrites(bytes: bytes) : .corrupt(sound.text)
    }

    /// Copies what will be cut to the side; where to.
    func keepCopy(later: [Segment]) throws(FileError) -> FilePath {
        let files = loader.context.fileSystem
        let side = loader.directory.removingLastComponent().appending(LogManager.setAsideName)
        try files.makeDirectory(side, intermediates: true)
        let stamp = "\(loader.topicPartition).tail-\(expected)-\(loader.context.clock.wallMilliseconds)"
        let target = side.appending(stamp)
        try files.makeDirectory(target, intermediates: true)
        for (source, from) in [(segment, position)] + later.map({ ($0, Int64(0)) }) {
            let input = try source.log.file()
            let output = try files.open(target.appending(SegmentName.text(source.baseOffset, .log)), create: true)
            try output.truncate(to: 0)
            var at = from
            var buffer = [UInt8](repeating: 0, count: Self.chunk)
            while at < source.size {
                let count = try Self.read(input, into: &buffer, at: at)
                if count == 0 { break }
                try Self.write(output, buffer, count, at: at - from)
                at += Int64(count)
            }
            try output.sync()
        }
        try files.syncDirectory(target)
        return target
    }

    private func writtenBytes(_ segment: Segment) throws(FileError) -> Int64 {
        try lastNonZero(try segment.log.file(), from: 0, to: segment.size)
    }

    /// The end of the last byte that is not zero, `from` when all are.
    private func lastNonZero(_ file: any File, from: Int64, to end: Int64) throws(FileError) -> Int64 {
        var last = from
        var at = from
        var buffer = [UInt8](repeating: 0, count: Self.chunk)
        while at < end {
            let count = min(try Self.read(file, into: &buffer, at: at), Int(clamping: end - at))
            if count == 0 { break }
            if let index = buffer[..<count].lastIndex(where: { $0 != 0 }) { last = at + Int64(index) + 1 }
            at += Int64(count)
        }
        return last
    }

    /// Where a sound batch of this log stands behind the position, with the byte if it is in the same segment; nil when
    /// there is none.
    private func firstSound(
        _ file: any File, after position: Int64, to end: Int64, later: [Segment]
    ) throws(FileError) -> (text: String, position: Int64?)? {
        var reader = BatchReader(file: file)
        var buffer = [UInt8](repeating: 0, count: Self.chunk)
        var at = position + 1
        while at < end {
            let count = try Self.read(file, into: &buffer, at: at)
            if count < RecordBatchHeader.byteCount { break }
            for index in 0...(count - RecordBatchHeader.byteCount) where buffer[index + 16] == 2 {
                // A batch's first offset is near what is expected here: most bytes are ruled out by it.
                let base = buffer.withUnsafeBytes {
                    Int64(bigEndian: $0.loadUnaligned(fromByteOffset: index, as: Int64.self))
                }
                guard base > expected, base - expected <= Int64(Int32.max) else { continue }
                if try reader.sound(at: at + Int64(index), limit: end) != nil {
                    return ("\(segment.log.path), byte \(at + Int64(index))", at + Int64(index))
                }
            }
            at += Int64(count - RecordBatchHeader.byteCount + 1)
        }
        for segment in later {
            var reader = BatchReader(file: try segment.log.file())
            if try reader.sound(at: 0, limit: segment.size) != nil { return ("\(segment.log.path), byte 0", nil) }
        }
        return nil
    }

    /// Whether the bad batch has a sector that is all zero within it, or goes beyond the end of the file. Where its header is
    /// among what is missing, it reaches to the next sound one at most.
    private func hasLostSector(_ file: any File, to end: Int64, before next: Int64) throws(FileError) -> Bool {
        if position >= end { return true }
        let header = try HeaderWindow.withWindow(file) { window throws(FileError) in
            try window.header(at: position, limit: Int64.max)
        }
        var stop = next
        if let header, header.baseOffset >= expected {
            stop = position + Int64(header.totalBytes)
            if stop > end { return true }
        }
        stop = min(stop, end)
        var buffer = [UInt8](repeating: 0, count: Int(clamping: stop - position))
        guard try Self.read(file, into: &buffer, at: position) == buffer.count else { return true }
        var at = position
        while at < stop {
            let sectorEnd = min((at / Self.sector + 1) * Self.sector, stop)
            if buffer[Int(at - position)..<Int(sectorEnd - position)].allSatisfy({ $0 == 0 }) { return true }
            at = sectorEnd
        }
        return false
    }

    private static func read(_ file: any File, into buffer: inout [UInt8], at position: Int64) throws(FileError) -> Int
    {
        var failure: FileError?
        let count = buffer.withUnsafeMutableBytes { buffer in
            do throws(FileError) {
                return try file.read(into: buffer, at: position)
            } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        return count
    }

    private static func write(_ file: any File, _ buffer: [UInt8], _ count: Int, at position: Int64) throws(FileError) {
        var failure: FileError?
        buffer.withUnsafeBytes { buffer in
            do throws(FileError) {
                try file.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]), at: position)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }
}
