internal import WeirModel
internal import WeirRecords

/// What a log remembers of each idempotent producer, by Kafka's rules (`ProducerStateManager`, `ProducerAppendInfo`).
struct ProducerStates: Sendable, Equatable {
    /// A batch that may be sent again.
    struct Batch: Sendable, Equatable {
        let lastSequence: Int32
        let lastOffset: Int64
        /// Last offset less first; equally last sequence less first.
        let offsetDelta: Int32
        let timestamp: Int64

        var baseOffset: Int64 { lastOffset &- Int64(offsetDelta) }
        var baseSequence: Int32 { ProducerStates.sequence(lastSequence, minus: offsetDelta) }
    }

    struct Producer: Sendable, Equatable {
        var epoch: Int16
        var lastTimestamp: Int64
        var coordinatorEpoch: Int32 = -1
        var currentTransactionFirstOffset: Int64 = -1
        /// The newest five of this epoch, oldest first: what a client may have in flight.
        var batches: [Batch]
    }

    static let batchesMax = 5

    enum Verdict: Equatable {
        case new
        case duplicate(Batch)
        case refused(ErrorCode, String)
    }

    var producers: [Int64: Producer] = [:]

    /// What to do with a batch whose header has a producer id; changes nothing.
    func judge(_ header: RecordBatchHeader, checkSequence: Bool) -> Verdict {
        guard let producer = producers[header.producerID] else { return .new }
        if header.producerEpoch < producer.epoch {
            return .refused(
                .invalidProducerEpoch,
                "producer \(header.producerID) has epoch \(producer.epoch), the batch \(header.producerEpoch)")
        }
        guard checkSequence else { return .new }
        let first = header.baseSequence
        if header.producerEpoch > producer.epoch {
            if first == 0 { return .new }
            return .refused(
                .outOfOrderSequenceNumber,
                "producer \(header.producerID) starts epoch \(header.producerEpoch) with sequence \(first), not 0")
        }
        let last = header.lastSequence
        for batch in producer.batches where batch.lastSequence == last && batch.baseSequence == first {
            return .duplicate(batch)
        }
        let previous = producer.batches.last?.lastSequence ?? -1
        let expected = previous == Int32.max ? 0 : previous + 1
        if first == expected { return .new }
        return .refused(
            .outOfOrderSequenceNumber,
            "producer \(header.producerID) (epoch \(producer.epoch)) sent sequence \(first), expected \(expected)")
    }

    /// Takes an appended batch; its header has the offsets it was stored with.
    mutating func update(_ header: RecordBatchHeader) {
        guard header.producerID >= 0 else { return }
        let isControl = header.attributes.isControl
        if producers[header.producerID] == nil {
            var batches: [Batch] = []
            batches.reserveCapacity(Self.batchesMax)
            producers[header.producerID] = Producer(
                epoch: header.producerEpoch, lastTimestamp: header.maxTimestamp, batches: batches)
        }
        Self.update(&producers[header.producerID], header, isControl)
    }

    private static func update(_ producer: inout Producer?, _ header: RecordBatchHeader, _ isControl: Bool) {
        if producer?.epoch != header.producerEpoch {
            producer?.epoch = header.producerEpoch
            producer?.batches.removeAll(keepingCapacity: true)
        }
        producer?.lastTimestamp = header.maxTimestamp
        if isControl {
            producer?.currentTransactionFirstOffset = -1
            return
        }
        if let count = producer?.batches.count, count >= batchesMax {
            producer?.batches.removeFirst(count - batchesMax + 1)
        }
        producer?.batches.append(
            Batch(
                lastSequence: header.lastSequence, lastOffset: header.lastOffset, offsetDelta: header.lastOffsetDelta,
                timestamp: header.maxTimestamp))
        if header.attributes.isTransactional, producer?.currentTransactionFirstOffset == -1 {
            producer?.currentTransactionFirstOffset = header.baseOffset
        }
    }

    /// Forgets producers without an open transaction whose last batch is older.
    mutating func expire(before timestamp: Int64) {
        guard !producers.isEmpty else { return }
        producers = producers.filter {
            $0.value.currentTransactionFirstOffset >= 0 || $0.value.lastTimestamp >= timestamp
        }
    }

    /// Sequences count modulo 2³¹.
    static func sequence(_ sequence: Int32, minus count: Int32) -> Int32 {
        sequence >= count ? sequence &- count : Int32.max &- (count &- sequence) &+ 1
    }
}
