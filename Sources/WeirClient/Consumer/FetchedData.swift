import NIOCore
import Synchronization
import WeirConnection
import WeirModel
import WeirRecords

/// How far the user has come in a partition, shared between the reader and the event loop.
final class Progress: Sendable {
    let partition: TopicPartition
    /// The machine's tag of the assignment or seek that this belongs to.
    let tag: UInt64
    /// The next offset to process: everything before it has been.
    private let next: Atomic<Int64>
    /// A seek, a revocation or an unassignment has come since: what is still buffered is not delivered.
    private let isStaleFlag = Atomic<Bool>(false)
    private let isHeldFlag = Atomic<Bool>(false)
    /// The reader stops before this offset.
    let until: Int64

    init(partition: TopicPartition, tag: UInt64, position: Int64, until: Int64) {
        self.partition = partition
        self.tag = tag
        self.until = until
        next = Atomic(position)
    }

    var position: Int64 {
        get { next.load(ordering: .relaxed) }
        set { next.store(newValue, ordering: .relaxed) }
    }

    var isStale: Bool {
        get { isStaleFlag.load(ordering: .relaxed) }
        set { isStaleFlag.store(newValue, ordering: .relaxed) }
    }

    /// The reader has a record, or a batch, that it has not processed yet.
    var isHeld: Bool {
        get { isHeldFlag.load(ordering: .acquiring) }
        set { isHeldFlag.store(newValue, ordering: .releasing) }
    }

    /// The reader has seen all it shall see.
    var isComplete: Bool { position >= until }
}

/// One partition's part of a fetch answer, on its way to the reader.
struct FetchedData: Sendable {
    let progress: Progress
    /// Batches, the last one complete.
    let bytes: ByteBuffer
    /// Where reading shall begin; the first batch may begin before.
    let position: Int64
    let aborted: [(producerID: Int64, firstOffset: Int64)]
    let byteCount: Int

    /// Where the batches in the bytes end: the next offset and the last batch's epoch; nil when there is no complete one.
    static func scan(_ bytes: ByteBuffer) throws(RecordError) -> (next: Int64, epoch: Int32)? {
        var iterator = RecordBatchIterator(bytes)
        var found: (next: Int64, epoch: Int32)?
        while let batch = try iterator.next() {
            found = (batch.header.lastOffset &+ 1, batch.header.partitionLeaderEpoch)
        }
        return found
    }
}

/// Walks the batches of fetched data on the reader's side: checks, decompresses, leaves out what is not for the user.
struct BatchWalker {
    let data: FetchedData
    private var batches: RecordBatchIterator
    private var position: Int64
    private var pendingAborts: ArraySlice<(producerID: Int64, firstOffset: Int64)>
    private var abortedNow: Set<Int64> = []
    private let checksChecksums: Bool
    private let decompressedBytesMax: Int

    init(_ data: FetchedData, configuration: ConsumerConfiguration) {
        self.data = data
        batches = RecordBatchIterator(data.bytes)
        position = data.position
        pendingAborts = data.aborted.sorted { $0.firstOffset < $1.firstOffset }[...]
        checksChecksums = configuration.checksChecksums
        decompressedBytesMax = configuration.decompressedBytesMax
    }

    /// Where the reader stands once the batch given last is used up.
    private(set) var positionAfter: Int64 = -1

    mutating func next() throws(ClientError) -> ConsumerBatch? {
        do throws(RecordError) {
            while let batch = try batches.next() {
                let header = batch.header
                positionAfter = header.lastOffset &+ 1
                guard header.lastOffset >= position else { continue }
                if checksChecksums { try batch.verifyCRC() }
                if try isLeftOut(batch) {
                    data.progress.position = max(data.progress.position, positionAfter)
                    continue
                }
                let bytes = try batch.recordBytes(limit: decompressedBytesMax)
                let storage = BatchStorage(
                    partition: data.progress.partition, leaderEpoch: header.partitionLeaderEpoch, bytes: bytes)
                return ConsumerBatch(storage: storage, header: header, from: position, until: data.progress.until)
            }
            return nil
        } catch {
            throw ClientError(
                .corruptData, "\(data.progress.partition) has bytes that cannot be read: \(error)",
                advice: "seek beyond the batch to go on", partition: data.progress.partition, cause: error)
        }
    }

    /// Whether the batch is a transaction's marker, or belongs to a transaction that was aborted.
    private mutating func isLeftOut(_ batch: BatchView) throws(RecordError) -> Bool {
        let header = batch.header
        while let first = pendingAborts.first, first.firstOffset <= header.lastOffset {
            abortedNow.insert(first.producerID)
            pendingAborts.removeFirst()
        }
        if header.attributes.isControl {
            // Key: version int16, type int16; type 0 is an abort.
            let type = try batch.records(limit: decompressedBytesMax).first?.key
                .flatMap { $0.getInteger(at: $0.readerIndex + 2, as: Int16.self) }
            if type == 0 { abortedNow.remove(header.producerID) }
            return true
        }
        return header.attributes.isTransactional && abortedNow.contains(header.producerID)
    }
}
