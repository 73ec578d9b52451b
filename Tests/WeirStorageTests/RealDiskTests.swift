import NIOCore
import SystemPackage
import Testing
import WeirModel
import WeirRecords
import WeirSystem
import WeirTesting

@testable import WeirStorage

/// Real files, real threads.
@Suite struct RealDiskTests {
    private func open(_ directory: FilePath, _ pool: ThreadPool, _ notices: Notices) throws -> LogManager {
        let time = VirtualTime()
        var settings = StorageSettings()
        settings.checkpointBytes = 100_000
        settings.diskReserveBytes = 0
        return try LogManager.open(
            try DataDirectory(directory, fileSystem: LinuxFileSystem()), clusterID: "cluster", nodeID: BrokerID(1),
            clock: time, timers: time, random: SystemRandom(), flushers: pool, settings: settings,
            report: { notices.add($0) })
    }

    /// Appenders and readers of several logs at once; then everything must be there, in order, with nothing between.
    @Test(.timeLimit(.minutes(2))) func concurrentAppendsAndReads() throws {
        try withTemporaryDirectory { directory in
            let flushers = ThreadPool(threads: 4, name: "flush")
            let notices = Notices()
            let manager = try open(directory, flushers, notices)
            var settings = TopicSettings()
            settings.segmentBytes = 60_000
            settings.indexIntervalBytes = 500
            let logs = try (0..<3).map {
                try manager.openLog(
                    TopicPartition("t", PartitionIndex($0)), topicID: Fixture.topicID, settings: settings)
            }
            let appenders = ThreadPool(threads: 8, name: "append")
            let failures = Locked<[String]>([])
            let perThread = 150
            let total = Int64(2 * perThread * 2)
            for index in 0..<6 {
                let log = logs[index % 3]
                appenders.submit {
                    do {
                        for _ in 0..<perThread { try log.put(try batch(records: 2, valueBytes: 300)) }
                    } catch { failures.withLock { $0.append("append: \(error)") } }
                }
            }
            for log in logs {
                appenders.submit {
                    do {
                        var next: Int64 = 0
                        while next < total {
                            guard let slice = try log.read(from: Offset(next), maxBytes: 5000).bytes else { continue }
                            var batches = RecordBatchIterator(try slice.readAll())
                            while let view = try batches.next() {
                                try view.verifyCRC()
                                guard view.header.baseOffset == next else {
                                    failures.withLock { $0.append("\(next) is at \(view.header.baseOffset)") }
                                    return
                                }
                                next = view.header.lastOffset + 1
                            }
                        }
                    } catch { failures.withLock { $0.append("read: \(error)") } }
                }
            }
            appenders.close()
            #expect(failures.withLock { $0 } == [])
            manager.close()
            flushers.close()
            let again = ThreadPool(threads: 2, name: "flush")
            let next = try open(directory, again, notices)
            #expect(next.wasCleanlyStopped)
            for log in logs {
                let reopened = try next.openLog(log.topicPartition, topicID: Fixture.topicID, settings: settings)
                #expect(reopened.endOffset == Offset(total))
                #expect(try reopened.headers().count == Int(total) / 2)
            }
            next.close()
            again.close()
            #expect(notices.all == [])
        }
    }

    /// What a broker that was killed left: the reserved space, no marker, and everything that was appended.
    @Test func comesBackAfterAKill() throws {
        try withTemporaryDirectory { directory in
            let flushers = ThreadPool(threads: 2, name: "flush")
            let notices = Notices()
            let first = try open(directory, flushers, notices)
            let log = try first.openLog(Fixture.tp, topicID: Fixture.topicID, settings: TopicSettings())
            for _ in 0..<50 { try log.put(try batch(valueBytes: 3000)) }
            flushers.close()
            first.data.unlock()
            let pool = ThreadPool(threads: 2, name: "flush")
            let second = try open(directory, pool, notices)
            #expect(!second.wasCleanlyStopped)
            let reopened = try second.openLog(Fixture.tp, topicID: Fixture.topicID, settings: TopicSettings())
            #expect(reopened.endOffset == Offset(50))
            #expect(try reopened.headers().count == 50)
            second.close()
            pool.close()
            #expect(notices.all == [])
        }
    }
}
