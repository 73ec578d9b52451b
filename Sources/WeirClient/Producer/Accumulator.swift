import DequeModule
import NIOCore
import WeirConnection
import WeirModel
import WeirRecords
import WeirSystem

/// The records that are not on their way yet: one open batch per partition, filled by the senders' tasks under the
/// producer's lock and taken by its event loop.
struct Accumulator {
    /// A batch that is being filled. A class, so that filling it never copies.
    ///
    /// Unchecked: it belongs to whoever holds the accumulator's lock until it is taken, and to the event loop afterwards.
    final class OpenBatch: @unchecked Sendable {
        let id: ProducerMachine.BatchID
        var builder: RecordBatchBuilder
        let outcome: BatchOutcome
        let createdAt: MonotonicTime
        /// What it counts for in the accumulator's `bytes`.
        var bytes = 0

        init(
            id: ProducerMachine.BatchID, builder: RecordBatchBuilder, outcome: BatchOutcome, createdAt: MonotonicTime
        ) {
            self.id = id
            self.builder = builder
            self.outcome = outcome
            self.createdAt = createdAt
        }
    }

    /// A topic's open batches, by partition.
    struct Topic {
        let name: String
        var open: [OpenBatch?]
        /// Where records without a key go until their batch is full.
        var sticky: Int

        init(name: String, partitions: Int, random: any RandomSource) {
            self.name = name
            open = Array(repeating: nil, count: partitions)
            sticky = Int(random.next() % UInt64(max(1, partitions)))
        }
    }

    let configuration: ProducerConfiguration
    var topics: [Topic] = []
    var indices: [String: Int] = [:]
    /// Batches that are full, in the order in which they became so.
    var full: Deque<OpenBatch> = []
    /// Where open batches are.
    var open: [(topic: Int, partition: Int)] = []
    /// What all batches that are neither delivered nor failed take.
    var bytes = 0
    /// Those batches.
    var unresolved: Set<ProducerMachine.BatchID> = []
    private var nextID: UInt64 = 1
    /// Open batches up to this one are sent without waiting for the linger time.
    var flushUpTo: ProducerMachine.BatchID?
    var isClosed = false
    /// The event loop has been told to come.
    var isWoken = false
    /// Memory of batches that are through, for the next ones.
    var spare: [ByteBuffer] = []
    var spaceWaiters: Deque<Completion<Bool>> = []
    var flushWaiters: [(upTo: ProducerMachine.BatchID, completion: Completion<Bool>)] = []

    init(configuration: ProducerConfiguration) { self.configuration = configuration }

    /// Makes room for a topic's partitions, which may have become more.
    mutating func prepare(_ name: String, partitions: Int, random: any RandomSource) -> Int {
        if let index = indices[name] {
            let missing = partitions - topics[index].open.count
            if missing > 0 { topics[index].open.append(contentsOf: repeatElement(nil, count: missing)) }
            return index
        }
        topics.append(Topic(name: name, partitions: partitions, random: random))
        indices[name] = topics.count - 1
        return topics.count - 1
    }

    /// The newest batch so far.
    var newestID: ProducerMachine.BatchID { ProducerMachine.BatchID(nextID - 1) }

    enum AppendFailure: Error { case noSuchPartition, tooLarge(Int) }

    /// Adds a record to the open batch of its partition. `wakes` becomes true when the event loop has something to do.
    mutating func append(
        _ record: ProducerRecord, to topic: Int, timestamp: Int64, now: MonotonicTime, random: any RandomSource,
        wakes: inout Bool
    ) throws(AppendFailure) -> Delivery {
        let size = RecordBatchBuilder.recordBytesMax(key: record.key, value: record.value, headers: record.headers)
        guard size <= configuration.recordBytesMax else { throw .tooLarge(size) }
        let batch = try batch(for: record, size: size, topic: topic, now: now, random: random, wakes: &wakes)
        let time = record.timestamp ?? timestamp
        do throws(RecordError) {
            try batch.builder.append(
                key: record.key, value: record.value, headers: record.headers, timestamp: time)
        } catch {
            throw .tooLarge(size)
        }
        let after = batch.builder.estimatedBytes
        bytes += after - batch.bytes
        batch.bytes = after
        return Delivery(outcome: batch.outcome, index: Int32(clamping: batch.builder.count - 1), timestamp: time)
    }

    /// The open batch that the record goes to, with room for it.
    @inline(__always)
    private mutating func batch(
        for record: ProducerRecord, size: Int, topic: Int, now: MonotonicTime, random: any RandomSource,
        wakes: inout Bool
    ) throws(AppendFailure) -> OpenBatch {
        var partition = try partition(for: record, of: topic)
        if let open = topics[topic].open[partition] {
            if open.builder.isEmpty || open.builder.estimatedBytes + size <= configuration.batchBytesMax { return open }
            close(topic: topic, partition: partition, random: random)
            // Without a key the next batch is another partition's.
            partition = try self.partition(for: record, of: topic)
            wakes = true
            if let next = topics[topic].open[partition] {
                if next.builder.estimatedBytes + size <= configuration.batchBytesMax { return next }
                close(topic: topic, partition: partition, random: random)
                partition = try self.partition(for: record, of: topic)
            }
        }
        if let open = topics[topic].open[partition] { return open }
        wakes = true
        return begin(topic: topic, partition: partition, now: now)
    }

    private func partition(for record: ProducerRecord, of topic: Int) throws(AppendFailure) -> Int {
        let count = topics[topic].open.count
        if let wanted = record.partition {
            let index = Int(wanted.rawValue)
            guard topics[topic].open.indices.contains(index) else { throw .noSuchPartition }
            return index
        }
        guard let key = record.key else { return topics[topic].sticky }
        if let partitioner = configuration.partitioner {
            let index = partitioner(key, count)
            guard topics[topic].open.indices.contains(index) else { throw .noSuchPartition }
            return index
        }
        return key.withUnsafeReadableBytes { Murmur2.partition(of: $0, count: count) }
    }

    private mutating func begin(topic: Int, partition: Int, now: MonotonicTime) -> OpenBatch {
        let id = ProducerMachine.BatchID(nextID)
        nextID += 1
        unresolved.insert(id)
        open.append((topic, partition))
        let batch = OpenBatch(
            id: id,
            builder: RecordBatchBuilder(
                codec: configuration.compression, compressionLevel: configuration.compressionLevel,
                memory: spare.popLast() ?? ByteBuffer()),
            outcome: BatchOutcome(partition: TopicPartition(topics[topic].name, Int32(clamping: partition))),
            createdAt: now)
        topics[topic].open[partition] = batch
        return batch
    }

    /// Moves an open batch to the full ones; records without a key go to another partition from then on.
    private mutating func close(topic: Int, partition: Int, random: any RandomSource) {
        guard let batch = topics[topic].open[partition] else { return }
        topics[topic].open[partition] = nil
        open.removeAll { $0.topic == topic && $0.partition == partition }
        full.append(batch)
        if topics[topic].sticky == partition { turnSticky(topic, random: random) }
    }

    private mutating func turnSticky(_ topic: Int, random: any RandomSource) {
        let count = topics[topic].open.count
        guard count > 1 else { return }
        let step = 1 + Int(random.next() % UInt64(count - 1))
        topics[topic].sticky = (topics[topic].sticky + step) % count
    }

    /// Takes what is to be sent: full batches, and open ones whose time has come and whose partition `hasRoom`.
    /// The second value is when the next open batch is due.
    mutating func take(
        now: MonotonicTime, random: any RandomSource, hasRoom: (TopicPartition) -> Bool
    ) -> (batches: [OpenBatch], nextDue: MonotonicTime?) {
        var taken = Array(full)
        full.removeAll(keepingCapacity: true)
        var nextDue: MonotonicTime?
        var left: [(topic: Int, partition: Int)] = []
        for place in open {
            guard let batch = topics[place.topic].open[place.partition] else { continue }
            let isFlushed = isClosed || (flushUpTo.map { batch.id <= $0 } ?? false)
            let due = batch.createdAt.advanced(milliseconds: configuration.lingerMs)
            if isFlushed || (due <= now && hasRoom(batch.outcome.partition)) {
                topics[place.topic].open[place.partition] = nil
                taken.append(batch)
                if topics[place.topic].sticky == place.partition { turnSticky(place.topic, random: random) }
            } else {
                left.append(place)
                if due > now { nextDue = min(nextDue ?? due, due) }
            }
        }
        open = left
        return (taken, nextDue)
    }

    /// Keeps memory for batches to come, in all no more than the buffer may hold.
    mutating func recycle(_ buffers: [ByteBuffer]) {
        let most = max(1, configuration.bufferBytesMax / max(1, configuration.batchBytesMax))
        for buffer in buffers where spare.count < most { spare.append(buffer) }
    }

    /// A batch is delivered or has failed. Gives those who waited for room or for a flush.
    mutating func resolve(_ id: ProducerMachine.BatchID, bytes count: Int) -> [Completion<Bool>] {
        guard unresolved.remove(id) != nil else { return [] }
        bytes -= count
        var released: [Completion<Bool>] = []
        if bytes < configuration.bufferBytesMax {
            released.append(contentsOf: spaceWaiters)
            spaceWaiters.removeAll()
        }
        if !flushWaiters.isEmpty {
            let oldest = unresolved.min()
            flushWaiters.removeAll { waiter in
                guard oldest.map({ $0 > waiter.upTo }) ?? true else { return false }
                released.append(waiter.completion)
                return true
            }
        }
        return released
    }
}
