import Foundation
import Testing
import WeirTesting

@testable import WeirConnection

@Suite("Partition choice")
struct Murmur2Tests {
    /// From Kafka's `UtilsTest.testMurmur2`.
    @Test(
        "the hashes that Java computes",
        arguments: [
            ("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971), ("abc", 479_470_107),
        ] as [(String, Int32)])
    func vectors(text: String, hash: Int32) {
        let bytes = Array(text.utf8)
        #expect(bytes.withUnsafeBytes { Int32(bitPattern: Murmur2.hash($0)) } == hash)
    }

    @Test("ten thousand random keys go where kafka-python sends them")
    func strangers() throws {
        var random = SeededGenerator(seed: 20_260_101)
        var lines = ""
        var mine: [String] = []
        for _ in 0..<10_000 {
            let key = (0..<Int.random(in: 0...40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random)
            }
            let count = Int.random(in: 1...300, using: &random)
            lines += "\(count) \(key.map { String($0, radix: 16) }.joined(separator: ","))\n"
            mine.append(String(key.withUnsafeBytes { Murmur2.partition(of: $0, count: count) }))
        }
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("weir-keys-\(UUID().uuidString)")
        try lines.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let script = """
            import sys
            try:
                from kafka.partitioner.default import murmur2
            except ImportError:
                from kafka.partitioner import murmur2
            for line in open(sys.argv[1]):
                count, _, key = line.rstrip("\\n").partition(" ")
                key = bytes(int(part, 16) for part in key.split(",") if part)
                print((murmur2(key) & 0x7fffffff) % int(count))
            """
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            ProcessInfo.processInfo.environment["WEIR_TEST_PYTHON"] ?? "python3", "-c", script, file.path,
        ]
        process.standardOutput = output
        try process.run()
        let theirs = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "kafka-python is needed (WEIR_TEST_PYTHON names the interpreter)")
        let answers = theirs.split(separator: "\n").map(String.init)
        let differing = zip(answers, mine).filter { $0 != $1 }.count
        #expect(answers.count == mine.count && differing == 0)
    }
}
