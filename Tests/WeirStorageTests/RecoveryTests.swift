import NIOCore
import SystemPackage
import Testing
import WeirModel
import WeirRecords
import WeirSystem
import WeirTesting

@testable import WeirStorage

@Suite struct RecoveryTests {
    private let segment = SegmentName.text(0, .log)

    private func bytes(_ fixture: Fixture, _ name: String) throws -> [UInt8] {
        try #require(fixture.disk.contents.first { $0.path == fixture.path(name) }).bytes
    }

    /// A log of ten batches, synced, on a disk whose process was killed.
    private func killed(checkpoint: Bool = false) throws -> (Fixture, batchBytes: Int) {
        let fixture = try Fixture()
        let log = try fixture.log()
        for _ in 0..<10 { try log.put(try batch(valueBytes: 100)) }
        fixture.flush()
        if checkpoint {
            log.checkpoint()
            fixture.manager.writeCheckpoints()
        }
        let size = Int(log.sizeBytes) / 10
        try fixture.reopen(fixture.disk.killed())
        return (fixture, size)
    }

    @Test func cleanRestartReadsNextToNothing() throws {
        let fixture = try Fixture()
        var settings = TopicSettings()
        settings.segmentBytes = 50_000
        let log = try fixture.log(settings)
        for _ in 0..<500 { try log.put(try batch(valueBytes: 1000)) }
        fixture.flush()
        try fixture.restart()
        #expect(fixture.manager.wasCleanlyStopped)
        let reads = Locked(0)
        fixture.disk.setFault { operation, path in
            if operation == .read, path.string.hasSuffix(".log") { reads.withLock { $0 += 1 } }
            return nil
        }
        let again = try fixture.log(settings)
        #expect(again.endOffset == Offset(500))
        // The first header of the last segment, and its last batches.
        #expect(reads.withLock { $0 } <= 6)
        fixture.disk.setFault(nil)
        #expect(try again.headers().count == 500)
        #expect(fixture.notices.all.isEmpty)
    }

    @Test func secondBrokerIsRefused() throws {
        let fixture = try Fixture()
        let error = #expect(throws: StorageError.self) {
            _ = try DataDirectory(Fixture.directory, fileSystem: fixture.disk)
        }
        #expect(error?.kind == .locked)
        fixture.manager.close()
        _ = try DataDirectory(Fixture.directory, fileSystem: fixture.disk)
    }

    @Test func directoriesKnowTheirOwner() throws {
        let fixture = try Fixture()
        let identifier = fixture.manager.directoryID
        try fixture.restart()
        #expect(fixture.manager.directoryID == identifier)
        fixture.manager.close()
        for (cluster, node) in [("other", Int32(1)), ("cluster", 2)] {
            let data = try DataDirectory(Fixture.directory, fileSystem: fixture.disk)
            #expect(data.clusterID == "cluster")
            #expect(data.nodeID == BrokerID(1))
            let error = #expect(throws: StorageError.self) {
                _ = try LogManager.open(
                    data, clusterID: cluster, nodeID: BrokerID(node), clock: fixture.time, timers: fixture.time,
                    random: SeededRandom(seed: 1), flushers: fixture.workers)
            }
            #expect(error?.kind == .wrongIdentity)
            data.unlock()
        }
    }

    @Test func reservedZerosAreNoDamage() throws {
        let (fixture, size) = try killed()
        #expect(try bytes(fixture, segment).count == 64 << 10)
        let log = try fixture.log()
        #expect(log.endOffset == Offset(10))
        #expect(try bytes(fixture, segment).count == size * 10)
        #expect(fixture.notices.all.isEmpty)
    }

    @Test func tornTailIsCut() throws {
        for kept in [16, 60, 61, 100] {
            let (fixture, size) = try killed()
            let whole = try bytes(fixture, segment)
            fixture.disk.overwrite(fixture.path(segment), with: Array(whole[..<(size * 9 + kept)]))
            let log = try fixture.log()
            #expect(log.failure == nil)
            #expect(log.endOffset == Offset(9))
            #expect(fixture.notices.contains("unfinished write"))
            #expect(try log.put(try batch()).baseOffset == Offset(9))
        }
    }

    @Test func damageWithSoundBatchesBehindIsCorruption() throws {
        let (fixture, size) = try killed()
        var damaged = try bytes(fixture, segment)
        damaged[size * 4 + 80] ^= 0x10
        fixture.disk.overwrite(fixture.path(segment), with: damaged)
        let log = try fixture.log()
        #expect(log.failure?.kind == .corrupt)
        #expect(try bytes(fixture, segment) == damaged)
        let read = #expect(throws: ReadError.self) { try log.read(from: .zero, maxBytes: 100) }
        #expect(read?.code == .kafkaStorageError)
        let refused = try batch()
        let append = #expect(throws: AppendError.self) { try log.put(refused) }
        #expect(append?.code == .kafkaStorageError)
        #expect(fixture.notices.contains("is offline"))
        // It is judged the same at the next start, however this one stops.
        try fixture.restart()
        #expect(try fixture.log().failure?.kind == .corrupt)
        #expect(try bytes(fixture, segment) == damaged)
    }

    @Test func damageBelowTheRecoveryPointIsCorruption() throws {
        let (fixture, size) = try killed(checkpoint: true)
        let whole = try bytes(fixture, segment)
        fixture.disk.overwrite(fixture.path(segment), with: Array(whole[..<(size * 9 + 30)]))
        let log = try fixture.log()
        #expect(log.failure?.kind == .corrupt)
        let (gone, _) = try killed(checkpoint: true)
        try gone.disk.remove(gone.path(segment))
        #expect(try gone.log().failure?.kind == .corrupt)
    }

    @Test func lostSectorsAreCutAndKept() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        for _ in 0..<6 { try log.put(try batch(valueBytes: 2000)) }
        fixture.flush()
        let size = Int(log.sizeBytes) / 6
        try fixture.reopen(fixture.disk.killed())
        var damaged = try bytes(fixture, segment)
        let sector = (size * 2 / 512 + 2) * 512
        for index in sector..<sector + 512 { damaged[index] = 0 }
        fixture.disk.overwrite(fixture.path(segment), with: damaged)
        let again = try fixture.log()
        #expect(again.failure == nil)
        #expect(again.endOffset == Offset(2))
        #expect(fixture.notices.contains("are kept in"))
        let side = try fixture.disk.list(Fixture.directory.appending("_set_aside"))
        #expect(side.count == 1 && side[0].hasPrefix("topic-0.tail-2-"))
    }

    @Test func fsyncFailureTakesTheDirectoryOffline() throws {
        let fixture = try Fixture()
        let told = Locked(0)
        fixture.manager.onOffline { _ in told.withLock { $0 += 1 } }
        let log = try fixture.log()
        let other = try fixture.log(TopicSettings(), TopicPartition("other", PartitionIndex(0)))
        try log.put(try batch())
        let syncs = Locked(0)
        fixture.disk.setFault { operation, _ in
            guard operation == .sync else { return nil }
            syncs.withLock { $0 += 1 }
            return .ioError
        }
        fixture.flush()
        #expect(!fixture.manager.isOnline)
        #expect(log.highWatermark == .zero)
        #expect(told.withLock { $0 } == 1)
        let count = syncs.withLock { $0 }
        let refused = try batch()
        for log in [log, other] {
            let error = #expect(throws: AppendError.self) { try log.put(refused) }
            #expect(error?.code == .kafkaStorageError)
            #expect(throws: ReadError.self) { try log.read(from: .zero, maxBytes: 10) }
        }
        fixture.round()
        fixture.manager.close()
        #expect(syncs.withLock { $0 } == count)
        fixture.disk.setFault(nil)
        try fixture.reopen(fixture.disk)
        #expect(!fixture.manager.wasCleanlyStopped)
    }

    @Test func fullDiskRefusesAndRecovers() throws {
        let fixture = try Fixture()
        let log = try fixture.log()
        try log.put(try batch())
        fixture.flush()
        fixture.disk.setCapacity(80 << 10)
        let large = try batch(valueBytes: 100_000)
        let error = #expect(throws: AppendError.self) { try log.put(large) }
        #expect(error?.code == .kafkaStorageError)
        #expect(fixture.manager.isOnline)
        #expect(log.endOffset == Offset(1))
        #expect(try log.headers().count == 1)
        fixture.disk.setCapacity(10 << 20)
        #expect(try log.put(large).baseOffset == Offset(1))
        fixture.flush()
        #expect(try log.headers().count == 2)
    }

    @Test func reserveIsKept() throws {
        var settings = StorageSettings()
        settings.diskReserveBytes = 1 << 20
        let fixture = try Fixture(settings: settings)
        let log = try fixture.log()
        try log.put(try batch())
        fixture.flush()
        fixture.disk.setCapacity(1 << 19)
        fixture.round()
        let refused = try batch()
        #expect(throws: AppendError.self) { try log.put(refused) }
        #expect(try log.headers().count == 1)
        fixture.disk.setCapacity(1 << 30)
        fixture.round()
        try log.put(refused)
    }

    @Test func strangersAreSetAside() throws {
        let fixture = try Fixture()
        for name in ["a", "b", "c"] {
            let log = try fixture.log(TopicSettings(), TopicPartition(name, PartitionIndex(0)))
            try log.put(try batch())
        }
        fixture.flush()
        try fixture.restart()
        let known = [
            TopicPartition("a", PartitionIndex(0)): Fixture.topicID,
            TopicPartition("b", PartitionIndex(0)): UniqueID(high: 1, low: 1),
        ]
        #expect(try fixture.manager.setAsideUnknown(known: known) == ["b-0", "c-0"])
        #expect(try fixture.disk.list(Fixture.directory.appending("_set_aside")) == ["b-0", "c-0"])
        let kept = try fixture.log(TopicSettings(), TopicPartition("a", PartitionIndex(0)))
        #expect(kept.endOffset == Offset(1))
        // Opened under another id, without having asked first.
        try fixture.restart()
        let other = try fixture.manager.openLog(
            TopicPartition("a", PartitionIndex(0)), topicID: UniqueID(high: 5, low: 5), settings: TopicSettings())
        #expect(other.endOffset == .zero)
        #expect(other.failure == nil)
    }

    @Test func deletedLogsGoAway() throws {
        let fixture = try Fixture()
        fixture.manager.start()
        let log = try fixture.log()
        try log.put(try batch())
        fixture.flush()
        try fixture.manager.deleteLog(Fixture.tp)
        #expect(
            try fixture.disk.list(Fixture.directory).contains { $0.hasSuffix("-delete") && $0.hasPrefix("topic-0.") })
        // The name is free at once.
        let next = try fixture.manager.openLog(
            Fixture.tp, topicID: UniqueID(high: 2, low: 2), settings: TopicSettings())
        #expect(try next.put(try batch()).baseOffset == .zero)
        fixture.time.advance(milliseconds: 60_000)
        fixture.flush()
        #expect(try fixture.disk.list(Fixture.directory).allSatisfy { !$0.hasSuffix("-delete") })
        // One that a stop left is removed at the next start.
        try fixture.manager.deleteLog(Fixture.tp)
        try fixture.restart()
        #expect(try fixture.disk.list(Fixture.directory).contains { $0.hasSuffix("-delete") })
        fixture.manager.start()
        fixture.flush()
        #expect(try fixture.disk.list(Fixture.directory).allSatisfy { !$0.hasSuffix("-delete") })
    }

    @Test func descriptorsAreBounded() throws {
        var storage = StorageSettings()
        storage.openFilesMax = 20
        let fixture = try Fixture(settings: storage)
        var settings = TopicSettings()
        settings.indexIntervalBytes = 1
        let logs = try (0..<100).map { try fixture.log(settings, TopicPartition("t", PartitionIndex($0))) }
        for round in 0..<3 {
            for log in logs {
                for _ in 0..<70 { try log.put(try batch()) }
                fixture.flush()
                #expect(try log.headers().count == (round + 1) * 70)
            }
        }
        #expect(fixture.manager.openFileCount <= 20)
        #expect(fixture.disk.openFileCounts.now <= 20)
        #expect(fixture.disk.openFileCounts.most <= 26)
    }

    @Test func damagedIndicesAreRebuilt() throws {
        var settings = TopicSettings()
        settings.segmentBytes = 10_000
        settings.indexIntervalBytes = 500
        let source = try Fixture()
        let log = try source.log(settings)
        for _ in 0..<100 { try log.put(try batch(valueBytes: 300)) }
        source.flush()
        source.manager.close()
        let headers = try source.disk.contents.filter { $0.path.string.hasSuffix("index") }
        #expect(headers.count > 4)
        var random = SeededGenerator(seed: 2)
        for _ in 0..<60 {
            let fixture = try Fixture(disk: source.disk.killed(), time: source.time)
            let (path, bytes) = try #require(headers.randomElement(using: &random))
            var damaged = bytes
            switch Int.random(in: 0..<4, using: &random) {
            case 0: damaged.removeLast(Int.random(in: 0...damaged.count, using: &random))
            case 1: damaged = damaged.map { _ in 0 }
            case 2: damaged.append(contentsOf: (0..<24).map { _ in UInt8.random(in: 0...255, using: &random) })
            default:
                for _ in 0..<3 {
                    if damaged.isEmpty { break }
                    damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(
                        in: 0...255, using: &random)
                }
            }
            fixture.disk.overwrite(path, with: damaged)
            let log = try fixture.log(settings)
            #expect(log.failure == nil)
            #expect(log.endOffset == Offset(100))
            for offset in (0..<100).shuffled(using: &random).prefix(20) {
                let read = try log.read(from: Offset(Int64(offset)), maxBytes: 400)
                let bytes = try #require(read.bytes).readAll()
                #expect(bytes.getInteger(at: 0, as: Int64.self) == Int64(offset))
            }
            _ = try log.offset(forTimestamp: 1_700_000_000_000)
        }
    }

    /// Whatever stands in the files: an answer or an error, never a crash, and never a record that was not appended. (A
    /// batch's offset is not covered by its checksum: where only that was changed it may be seen under another.)
    @Test(arguments: 0..<8 as Range<UInt64>) func mutatedFilesNeverCrash(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let source = try Fixture()
        var settings = TopicSettings()
        settings.segmentBytes = 3000
        settings.indexIntervalBytes = 200
        let log = try source.log(settings)
        var checksums: Set<UInt32> = []
        for index in 0..<30 as Range<Int32> {
            let made = try batch(BatchSpec(valueBytes: 200, producer: (1, 0, index)))
            try log.put(made, epoch: index / 10)
            checksums.insert(made.header.crc)
        }
        source.flush()
        if random.oneIn(2) { log.checkpoint() }
        if random.oneIn(2) { source.manager.close() } else { source.manager.writeCheckpoints() }
        let files = source.disk.contents.filter { !$0.bytes.isEmpty && !$0.path.string.hasSuffix("meta.properties") }
        for round in 0..<40 {
            let disk = source.disk.killed()
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let (path, bytes) = try #require(files.randomElement(using: &random))
                var damaged = bytes
                switch Int.random(in: 0..<5, using: &random) {
                case 0: damaged.removeLast(Int.random(in: 1...damaged.count, using: &random))
                case 1: damaged.insert(UInt8.random(in: 0...255, using: &random), at: damaged.count / 2)
                case 2:
                    let start = Int.random(in: 0..<damaged.count, using: &random)
                    for index in start..<min(damaged.count, start + 600) { damaged[index] = 0 }
                default:
                    for _ in 0..<Int.random(in: 1...4, using: &random) {
                        let place = Int.random(in: 0..<damaged.count, using: &random)
                        damaged[place] = UInt8.random(in: 0...255, using: &random)
                    }
                }
                disk.overwrite(path, with: damaged)
            }
            let fixture = try Fixture(disk: disk, time: source.time)
            let log = try fixture.log(settings)
            if log.failure != nil { continue }
            // Reads may fail with an error code where a segment below the recovery point is damaged.
            var next = log.startOffset.rawValue
            while next < log.endOffset.rawValue {
                guard let slice = try? log.read(from: Offset(next), maxBytes: 500).bytes else { break }
                var batches = RecordBatchIterator(try slice.readAll())
                guard let view = try? batches.next() else { break }
                if (try? view.verifyCRC()) == nil { break }
                #expect(checksums.contains(view.header.crc), "seed \(seed), round \(round)")
                next = max(next + 1, view.header.lastOffset + 1)
            }
            _ = try? log.offset(forTimestamp: 1_700_000_000_000)
            _ = try? log.put(try batch())
            fixture.flush()
            fixture.manager.close()
        }
    }
}
