import NIOCore
import SystemPackage
import Testing
import WeirModel
import WeirRecords
import WeirSystem
import WeirTesting

@testable import WeirStorage

/// A record as tests of compaction write and see it.
struct Entry: Equatable, CustomStringConvertible {
    var offset: Int64
    var key: String
    var value: String?
    var timestamp: Int64

    var description: String { "\(offset): \(key)=\(value ?? "null")@\(timestamp)" }
}

/// What a batch of keyed records is, beside the records.
struct KeyedSpec {
    var codec = CompressionCodec.none
    var timestamp: Int64 = 1_700_000_000_000
    var producer: (id: Int64, epoch: Int16, sequence: Int32)?
    var isTransactional = false
    var timestampType = TimestampType.createTime
}

func keyed(_ records: [(String, String?)], _ spec: KeyedSpec = KeyedSpec()) throws -> ValidatedBatch {
    var builder = RecordBatchBuilder(
        codec: spec.codec, producerID: spec.producer?.id ?? -1, producerEpoch: spec.producer?.epoch ?? -1,
        baseSequence: spec.producer?.sequence ?? -1, isTransactional: spec.isTransactional)
    for (index, record) in records.enumerated() {
        try builder.append(
            key: ByteBuffer(string: record.0), value: record.1.map { ByteBuffer(string: $0) },
            headers: [RecordHeader(key: "h", value: ByteBuffer(string: record.0))],
            timestamp: spec.timestamp + Int64(index))
    }
    return try BatchValidator.validate(
        try builder.finish(),
        rules: BatchRules(
            maxMessageBytes: 1 << 30, timestampType: spec.timestampType, nowMs: spec.timestamp, requireKeys: true))
}

/// A transaction's end.
func marker(producer: Int64, epoch: Int16 = 0, isCommit: Bool, timestamp: Int64) throws -> ValidatedBatch {
    var builder = RecordBatchBuilder(
        producerID: producer, producerEpoch: epoch, isTransactional: true, isControl: true)
    var key = ByteBuffer()
    key.writeMultipleIntegers(Int16(0), Int16(isCommit ? 1 : 0))
    var value = ByteBuffer()
    value.writeMultipleIntegers(Int16(0), Int32(0))
    try builder.append(key: key, value: value, timestamp: timestamp)
    return try BatchValidator.validate(
        try builder.finish(), rules: BatchRules(nowMs: timestamp, allowControl: true))
}

extension Fixture {
    static func compacting(_ change: (inout StorageSettings) -> Void = { _ in }) throws -> Fixture {
        var settings = StorageSettings()
        settings.cleaner.backoffMs = 1000
        settings.cleaner.bufferBytes = 2048
        change(&settings)
        return try Fixture(settings: settings)
    }

    /// Topic settings for small segments that are cleaned whenever there is anything to clean.
    static func compact(_ change: (inout TopicSettings) -> Void = { _ in }) -> TopicSettings {
        var settings = TopicSettings()
        settings.cleanupPolicy = .compact
        settings.segmentBytes = 2000
        settings.indexIntervalBytes = 200
        settings.minCleanableDirtyRatio = 0
        settings.retentionMs = -1
        change(&settings)
        return settings
    }

    /// Lets the cleaner look, and work until nothing is left to do.
    func clean() {
        for _ in 0..<3 {
            time.advance(milliseconds: storageSettings.cleaner.backoffMs + 1)
            round()
        }
    }

    /// Appends records, one a batch, and flushes.
    @discardableResult
    func write(_ log: PartitionLog, _ records: [(String, String?)]) throws -> [Entry] {
        var entries: [Entry] = []
        for record in records {
            let now = time.wallMilliseconds
            let result = try log.put(try keyed([record], KeyedSpec(timestamp: now)))
            entries.append(
                Entry(offset: result.baseOffset.rawValue, key: record.0, value: record.1, timestamp: now))
        }
        flush()
        return entries
    }

    /// Files that only an unfinished change leaves.
    func leftovers() throws -> [String] {
        try names().filter { $0.hasSuffix(".cleaned") || $0.hasSuffix(".swap") || $0.hasSuffix(".deleted") }
    }
}

extension PartitionLog {
    /// All records that a consumer sees from an offset on, through reads of at most that many bytes.
    func entries(from: Int64? = nil, maxBytes: Int = 1 << 20) throws -> [Entry] {
        var next = from.map { Offset($0) } ?? startOffset
        var entries: [Entry] = []
        var found = try read(from: next, maxBytes: maxBytes)
        while let slice = found.bytes {
            var batches = RecordBatchIterator(try slice.readAll())
            var count = 0
            while let view = try batches.next() {
                try view.verifyCRC()
                guard view.header.lastOffset >= next.rawValue else { throw Backwards(offset: next.rawValue) }
                if !view.header.attributes.isControl {
                    for record in try view.records() where record.offset >= next.rawValue {
                        entries.append(
                            Entry(
                                offset: record.offset, key: record.key.map { String(buffer: $0) } ?? "",
                                value: record.value.map { String(buffer: $0) }, timestamp: record.timestamp))
                    }
                }
                next = Offset(view.header.lastOffset + 1)
                count += 1
            }
            if count == 0 { throw Backwards(offset: next.rawValue) }
            found = try read(from: next, maxBytes: maxBytes)
        }
        guard next >= found.highWatermark else { throw Backwards(offset: next.rawValue) }
        return entries
    }

    /// A read that answered nothing new although there was more.
    struct Backwards: Error { let offset: Int64 }
}
