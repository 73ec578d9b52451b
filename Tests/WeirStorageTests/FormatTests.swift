import Foundation
import NIOCore
import SystemPackage
import Testing
import WeirModel
import WeirRecords
import WeirSystem
import WeirTesting

@testable import WeirStorage

/// Files on the real disk, read by somebody else's code.
@Suite struct FormatTests {
    /// kafka-python reads the log; the indices are read here in Python by Kafka's description and compared with it.
    private static let script = #"""
        import struct, sys, zlib
        from kafka.record import MemoryRecords
        directory = sys.argv[1]
        import os
        expected = 0
        for name in sorted(n for n in os.listdir(directory) if n.endswith('.log')):
            base = int(name[:20])
            assert base == expected, (base, expected)
            data = open(os.path.join(directory, name), 'rb').read()
            records = MemoryRecords(data)
            starts, position, greatest = {}, 0, -1
            times = {}
            while records.has_next():
                batch = records.next_batch()
                assert batch.validate_crc()
                assert batch.base_offset == expected, (batch.base_offset, expected)
                size = 12 + struct.unpack('>i', data[position + 8:position + 12])[0]
                last = batch.base_offset + batch.last_offset_delta
                starts[position] = last
                if batch.max_timestamp > greatest:
                    greatest = batch.max_timestamp
                times[last] = greatest
                for record in batch:
                    assert record.offset == expected
                    assert record.key == b'k%d' % (record.offset - batch.base_offset), record.key
                    assert record.value == b'v' * len(record.value)
                    print(record.offset, record.timestamp, len(record.value))
                    expected += 1
                position += size
            assert position == len(data), 'zeros at the end of ' + name
            index = open(os.path.join(directory, name[:20] + '.index'), 'rb').read()
            assert len(index) % 8 == 0
            before = (-1, -1)
            for relative, place in struct.iter_unpack('>ii', index):
                assert starts[place] == base + relative, (place, relative)
                assert (relative, place) > before and place > before[1]
                before = (relative, place)
            timeindex = open(os.path.join(directory, name[:20] + '.timeindex'), 'rb').read()
            assert len(timeindex) % 12 == 0 and timeindex
            last_time = -1
            for timestamp, relative in struct.iter_unpack('>qi', timeindex):
                assert timestamp > last_time
                assert times[base + relative] == timestamp
                last_time = timestamp
            assert last_time == greatest, 'the last time entry is the greatest time'
        snapshots = [n for n in os.listdir(directory) if n.endswith('.snapshot')]
        data = open(os.path.join(directory, max(snapshots)), 'rb').read()
        from kafka.record.util import calc_crc32c
        version, crc, count = struct.unpack('>hIi', data[:10])
        assert version == 1 and calc_crc32c(data[6:]) == crc
        entries = list(struct.iter_unpack('>qhiqiqiq', data[10:]))
        assert len(entries) == count
        newest = {entry[0]: entry for entry in entries}
        print('producers', sorted((e[0], e[1], e[2], e[3]) for e in newest.values()))
        """#

    @Test func strangersReadOurFiles() throws {
        try withTemporaryDirectory { directory in
            let pool = ThreadPool(threads: 2, name: "test")
            defer { pool.close() }
            let time = VirtualTime()
            let data = try DataDirectory(directory.appending("data"), fileSystem: LinuxFileSystem())
            let manager = try LogManager.open(
                data, clusterID: "cluster", nodeID: BrokerID(1), clock: time, timers: time,
                random: SeededRandom(seed: 1), flushers: pool)
            var settings = TopicSettings()
            settings.segmentBytes = 20_000
            settings.indexIntervalBytes = 700
            let log = try manager.openLog(Fixture.tp, topicID: Fixture.topicID, settings: settings)
            var random = SeededGenerator(seed: 8)
            var lines: [String] = []
            var sequence: Int32 = 0
            for index in 0..<200 {
                let spec = BatchSpec(
                    records: Int.random(in: 1...4, using: &random), valueBytes: Int.random(in: 0...900, using: &random),
                    timestamp: 1_700_000_000_000 + Int64.random(in: 0...10_000, using: &random), timestampStep: 3,
                    producer: index % 3 == 0 ? nil : (77, 2, sequence),
                    codec: CompressionCodec.allCases[index % CompressionCodec.allCases.count])
                let result = try log.put(try batch(spec), epoch: Int32(index / 50))
                if spec.producer != nil { sequence += Int32(spec.records) }
                for record in 0..<spec.records {
                    let offset = result.baseOffset.rawValue + Int64(record)
                    lines.append("\(offset) \(spec.timestamp + Int64(record) * 3) \(spec.valueBytes)")
                }
                if result.lastOffset.rawValue >= 0, spec.producer != nil {
                    lines.removeAll { $0.hasPrefix("producers") }
                    lines.append("producers [(77, 2, \(sequence - 1), \(result.lastOffset))]")
                }
            }
            let producers = lines.filter { $0.hasPrefix("producers") }
            lines.removeAll { $0.hasPrefix("producers") }
            manager.close()
            let partition = directory.appending("data").appending("topic-0")
            let output = try Self.python([partition.string])
            #expect(output == lines + producers)
            let small = try ["leader-epoch-checkpoint", "partition.metadata"].map { name in
                String(
                    decoding: try #require(try LinuxFileSystem().contents(of: partition.appending(name))), as: UTF8.self
                )
            }
            #expect(small[0].hasPrefix("0\n4\n0 0\n1 "))
            #expect(small[1] == "version: 0\ntopic_id: \(Fixture.topicID)\n")
            let points = try #require(
                try LinuxFileSystem().contents(
                    of: directory.appending("data").appending(OffsetCheckpoint.recoveryPoints)))
            #expect(String(decoding: points, as: UTF8.self) == "0\n1\ntopic 0 \(log.endOffset)\n")
        }
    }

    private static func python(_ arguments: [String]) throws -> [String] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let python = ProcessInfo.processInfo.environment["WEIR_TEST_PYTHON"] ?? "python3"
        process.arguments = [python, "-c", script] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        try #require(
            process.terminationStatus == 0, "\(python) with kafka-python must read our files; set WEIR_TEST_PYTHON")
        return String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
