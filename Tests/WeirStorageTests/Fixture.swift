import NIOCore
import SystemPackage
import Testing
public import WeirModel
import WeirRecords
import WeirSystem
import WeirTesting

@testable import WeirStorage

/// A data directory on a simulated disk in virtual time, whose flushers run when told.
final class Fixture {
    static let directory: FilePath = "/data"
    static let tp = TopicPartition("topic", PartitionIndex(0))
    static let topicID = UniqueID(high: 7, low: 9)

    var disk: SimulatedFileSystem
    let time: VirtualTime
    var workers = ManualWorkers()
    var manager: LogManager
    let notices: Notices
    var storageSettings: StorageSettings

    init(
        disk: SimulatedFileSystem = SimulatedFileSystem(), time: VirtualTime = VirtualTime(),
        settings: StorageSettings = StorageSettings(), notices: Notices = Notices()
    ) throws {
        self.disk = disk
        self.time = time
        self.notices = notices
        storageSettings = settings
        storageSettings.diskReserveBytes = storageSettings.diskReserveBytes ?? 0
        manager = try Self.open(disk, time, workers, storageSettings, notices)
    }

    private static func open(
        _ disk: SimulatedFileSystem, _ time: VirtualTime, _ workers: ManualWorkers, _ settings: StorageSettings,
        _ notices: Notices
    ) throws -> LogManager {
        let data = try DataDirectory(directory, fileSystem: disk)
        return try LogManager.open(
            data, clusterID: "cluster", nodeID: BrokerID(1), clock: time, timers: time, random: SeededRandom(seed: 1),
            flushers: workers, settings: settings, report: { notices.add($0) })
    }

    func log(_ settings: TopicSettings = TopicSettings(), _ tp: TopicPartition = Fixture.tp) throws -> PartitionLog {
        try manager.openLog(tp, topicID: Self.topicID, settings: settings)
    }

    /// Stops in order and starts again.
    func restart() throws {
        workers.runAll()
        manager.close()
        try reopen(disk)
    }

    /// Starts again on what a crash left.
    func reopen(_ disk: SimulatedFileSystem) throws {
        self.disk = disk
        workers = ManualWorkers()
        manager = try Self.open(disk, time, workers, storageSettings, notices)
    }

    /// Lets the flushers and the regular work run.
    func flush() { workers.runAll() }

    func round() {
        manager.round()
        workers.runAll()
    }

    func path(_ name: String) -> FilePath { Self.directory.appending("topic-0").appending(name) }

    func bytes(_ name: String) throws -> [UInt8] { try disk.contents(of: path(name)) ?? [] }

    func names() throws -> [String] { try disk.list(Self.directory.appending("topic-0")) }
}

final class Notices: Sendable {
    private let list = Locked<[StorageNotice]>([])
    func add(_ notice: StorageNotice) { list.withLock { $0.append(notice) } }
    var all: [StorageNotice] { list.withLock { $0 } }
    func contains(_ text: String) -> Bool { all.contains { $0.message.contains(text) } }
}

/// What a test's batch looks like.
struct BatchSpec {
    var records = 1
    var valueBytes = 10
    var timestamp: Int64 = 1_700_000_000_000
    var timestampStep: Int64 = 0
    var producer: (id: Int64, epoch: Int16, sequence: Int32)?
    var codec = CompressionCodec.none
    var fill = UInt8(ascii: "v")
}

/// A batch as the validator hands it on.
func batch(_ spec: BatchSpec = BatchSpec()) throws -> ValidatedBatch {
    var builder = RecordBatchBuilder(
        codec: spec.codec, producerID: spec.producer?.id ?? -1, producerEpoch: spec.producer?.epoch ?? -1,
        baseSequence: spec.producer?.sequence ?? -1)
    for index in 0..<spec.records {
        try builder.append(
            key: ByteBuffer(string: "k\(index)"),
            value: ByteBuffer(repeating: spec.fill, count: spec.valueBytes),
            timestamp: spec.timestamp + Int64(index) * spec.timestampStep)
    }
    return try BatchValidator.validate(
        try builder.finish(), rules: BatchRules(maxMessageBytes: 1 << 30, nowMs: 1_700_000_000_000))
}

func batch(records: Int = 1, valueBytes: Int = 10, timestamp: Int64 = 1_700_000_000_000) throws -> ValidatedBatch {
    try batch(BatchSpec(records: records, valueBytes: valueBytes, timestamp: timestamp))
}

extension PartitionLog {
    @discardableResult
    func put(_ batch: ValidatedBatch, epoch: Int32? = nil) throws -> AppendResult {
        try append(batch, leaderEpoch: LeaderEpoch(epoch ?? max(0, latestEpoch.rawValue)))
    }

    /// All batches from an offset to the bound, through as many reads as it takes.
    func headers(from: Int64? = nil, maxBytes: Int = 1 << 20, upTo bound: ReadBound = .highWatermark) throws
        -> [RecordBatchHeader]
    {
        var next = try from.map { Offset($0) } ?? startOffset
        var headers: [RecordBatchHeader] = []
        while let slice = try read(from: next, maxBytes: maxBytes, upTo: bound).bytes {
            var batches = RecordBatchIterator(try slice.readAll())
            var count = 0
            while let view = try batches.next() {
                try view.verifyCRC()
                headers.append(view.header)
                next = Offset(view.header.lastOffset + 1)
                count += 1
            }
            #expect(batches.remaining.readableBytes == 0, "an answer must hold whole batches")
            if count == 0 { break }
        }
        return headers
    }
}

/// Notes what a log tells.
final class Watcher: LogObserver {
    struct Progress: Equatable {
        var highWatermark: Int64
        var syncedEnd: Int64
    }
    private let state = Locked<(progress: [Progress], failures: Int)>(([], 0))

    func logAdvanced(_ log: PartitionLog, highWatermark: Offset, syncedEnd: Offset) {
        state.withLock {
            $0.progress.append(Progress(highWatermark: highWatermark.rawValue, syncedEnd: syncedEnd.rawValue))
        }
    }

    func logFailed(_ log: PartitionLog, error: StorageError) { state.withLock { $0.failures += 1 } }

    var progress: [Progress] { state.withLock { $0.progress } }
    var failures: Int { state.withLock { $0.failures } }
}

/// Offsets as numbers, in tests only.
extension Offset: ExpressibleByIntegerLiteral {
    public init(integerLiteral value: Int64) { self.init(value) }
}
