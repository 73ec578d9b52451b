internal import NIOCore
internal import WeirRecords
internal import WeirSystem

/// Why a log cannot be compacted.
enum CompactionFailure: Error {
    case disk(FileError)
    /// A batch is damaged.
    case damaged(String)
    /// The log changed under the work, or is closed: what was done is void.
    case overtaken

    static func during<Result>(
        _ body: () throws(FileError) -> Result
    ) throws(CompactionFailure) -> Result {
        do throws(FileError) {
            return try body()
        } catch {
            throw .disk(error)
        }
    }
}

/// Reads whole batches of a segment one after another, through a buffer, and checks them.
struct SegmentReader {
    private let segment: Segment
    private let size: Int64
    private let chunkBytes: Int
    private var chunk = ByteBuffer()
    /// Where the next batch begins, in bytes.
    private(set) var position: Int64 = 0
    /// Bytes that were read from the file.
    private(set) var bytesRead = 0

    init(_ segment: Segment, size: Int64, chunkBytes: Int) {
        self.segment = segment
        self.size = size
        self.chunkBytes = max(RecordBatchHeader.byteCount, chunkBytes)
    }

    var isAtEnd: Bool { position >= size }

    /// The next batch; nil at the end of the segment.
    mutating func next() throws(CompactionFailure) -> BatchView? {
        guard !isAtEnd else { return nil }
        do throws(RecordError) {
            var wanted = RecordBatchHeader.byteCount
            if chunk.readableBytes < wanted { try load(atLeast: wanted) }
            let header = try chunk.withUnsafeBytes { bytes throws(RecordError) in
                try RecordBatchHeader(parsing: bytes)
            }
            wanted = header.totalBytes
            guard Int64(wanted) <= size - position, header.lastOffset >= header.baseOffset else {
                throw RecordError(.invalidLength, "a batch of \(wanted) bytes does not fit")
            }
            if chunk.readableBytes < wanted { try load(atLeast: wanted) }
            var iterator = RecordBatchIterator(chunk)
            guard let batch = try iterator.next() else { throw RecordError(.truncated, "the file ends within a batch") }
            try batch.verifyCRC()
            chunk.moveReaderIndex(forwardBy: wanted)
            position += Int64(wanted)
            return batch
        } catch {
            if let failure { throw .disk(failure) }
            throw .damaged("\(segment.log.path), byte \(position): \(error)")
        }
    }

    /// What the file could not be read with.
    private var failure: FileError?

    private mutating func load(atLeast count: Int) throws(RecordError) {
        let wanted = Int(clamping: min(Int64(max(count, chunkBytes)), size - position))
        do throws(FileError) {
            chunk = try FileSlice(file: try segment.log.file(), offset: position, count: wanted).readAll()
        } catch {
            failure = error
        }
        bytesRead += chunk.readableBytes
        guard failure == nil, chunk.readableBytes >= count else {
            throw RecordError(.truncated, "the file ends within a batch")
        }
    }
}

extension ByteBuffer {
    fileprivate func withUnsafeBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(RecordError) -> Result
    ) throws(RecordError) -> Result {
        let outcome = withUnsafeReadableBytes { bytes -> Swift.Result<Result, RecordError> in
            do throws(RecordError) {
                return .success(try body(bytes))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }
}
