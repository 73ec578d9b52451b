internal import WeirRecords

/// Kafka's producer snapshot, `<offset>.snapshot`, version 1: the producers' state as of that offset.
///
/// File format, all big-endian:
/// ```
/// int16 version (1) · uint32 CRC32C of everything after it · int32 number of entries · entries:
/// int64 producer id · int16 epoch · int32 last sequence · int64 last offset · int32 offset delta · int64 timestamp
/// · int32 coordinator epoch · int64 first offset of the open transaction
/// ```
/// Kafka keeps one entry a producer, its newest batch. Weir writes the whole window, oldest first: Kafka, which lets later
/// entries replace earlier ones, ends with the newest, and Weir still knows all five after a restart.
enum ProducerSnapshot {
    private static let version: Int16 = 1
    private static let headerBytes = 10
    private static let entryBytes = 46
    private static let crcStart = 6

    static func encode(_ states: ProducerStates) -> [UInt8] {
        var count = 0
        for producer in states.producers.values { count += max(1, producer.batches.count) }
        var out: [UInt8] = []
        out.reserveCapacity(headerBytes + count * entryBytes)
        out.append(version)
        out.append(UInt32(0))
        out.append(Int32(clamping: count))
        for id in states.producers.keys.sorted() {
            guard let producer = states.producers[id] else { continue }
            let none = ProducerStates.Batch(
                lastSequence: -1, lastOffset: -1, offsetDelta: 0, timestamp: producer.lastTimestamp)
            for batch in producer.batches.isEmpty ? [none] : producer.batches {
                out.append(id)
                out.append(producer.epoch)
                out.append(batch.lastSequence)
                out.append(batch.lastOffset)
                out.append(batch.offsetDelta)
                out.append(batch.timestamp)
                out.append(producer.coordinatorEpoch)
                out.append(producer.currentTransactionFirstOffset)
            }
        }
        let crc = out.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[crcStart...])) }
        for index in 0..<4 { out[2 + index] = UInt8(truncatingIfNeeded: crc >> UInt32(24 - 8 * index)) }
        return out
    }

    /// Nil when the bytes are no sound snapshot.
    static func decode(_ bytes: [UInt8]) -> ProducerStates? {
        var reader = BigEndianReader(bytes)
        guard let version = reader.next(Int16.self), version == Self.version,
            let crc = reader.next(UInt32.self),
            let count = reader.next(Int32.self), count >= 0,
            bytes.count == headerBytes + Int(count) * entryBytes,
            bytes.withUnsafeBytes({ CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[crcStart...])) }) == crc
        else { return nil }
        var states = ProducerStates()
        for _ in 0..<count {
            guard let id = reader.next(Int64.self), let epoch = reader.next(Int16.self),
                let lastSequence = reader.next(Int32.self), let lastOffset = reader.next(Int64.self),
                let offsetDelta = reader.next(Int32.self), let timestamp = reader.next(Int64.self),
                let coordinatorEpoch = reader.next(Int32.self), let transaction = reader.next(Int64.self)
            else { return nil }
            var producer = states.producers[id] ?? .init(epoch: epoch, lastTimestamp: timestamp, batches: [])
            if producer.epoch != epoch { producer.batches = [] }
            producer.epoch = epoch
            producer.lastTimestamp = timestamp
            producer.coordinatorEpoch = coordinatorEpoch
            producer.currentTransactionFirstOffset = transaction
            if lastSequence >= 0, offsetDelta >= 0 {
                if producer.batches.count >= ProducerStates.batchesMax { producer.batches.removeFirst() }
                producer.batches.append(
                    .init(
                        lastSequence: lastSequence, lastOffset: lastOffset, offsetDelta: offsetDelta,
                        timestamp: timestamp))
            }
            states.producers[id] = producer
        }
        return states
    }
}

/// Reads integers from bytes; nil at the end.
struct BigEndianReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func next<Integer: FixedWidthInteger>(_: Integer.Type) -> Integer? {
        let count = Integer.bitWidth / 8
        guard bytes.count - position >= count else { return nil }
        defer { position += count }
        return bytes.withUnsafeBytes {
            Integer(bigEndian: $0.loadUnaligned(fromByteOffset: position, as: Integer.self))
        }
    }
}

extension [UInt8] {
    fileprivate mutating func append<Integer: FixedWidthInteger>(_ value: Integer) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }
}
