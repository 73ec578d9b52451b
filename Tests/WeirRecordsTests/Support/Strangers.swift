import Foundation
import NIOCore
import WeirRecords

/// Asks tools/tests/kafka_records.py, which writes and reads with kafka-python and the codecs from PyPI.
///
/// The interpreter is `WEIR_TEST_PYTHON`, `python3` unless set.
enum Strangers {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// One answer for each request; throws when the script cannot run or answers an error.
    static func ask(_ requests: [String]) throws -> [String] {
        let answers = try run(input: requests.joined(separator: "\n") + "\n")
        guard answers.count == requests.count else {
            throw Failure(description: "\(answers.count) answers to \(requests.count) requests")
        }
        for (request, answer) in zip(requests, answers) where answer.hasPrefix("error") {
            throw Failure(description: "\(answer) for \(request.prefix(120))")
        }
        return answers
    }

    private static func run(input: String) throws -> [String] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..").standardized
        let python = ProcessInfo.processInfo.environment["WEIR_TEST_PYTHON"] ?? "python3"
        let folder = FileManager.default.temporaryDirectory.appending(path: "weir-records-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        // Through files: two pipes and one thread can wait for each other.
        let (stdin, stdout, stderr) = (
            folder.appending(path: "in"), folder.appending(path: "out"), folder.appending(path: "err")
        )
        try Data(input.utf8).write(to: stdin)
        try Data().write(to: stdout)
        try Data().write(to: stderr)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [python, root.appending(path: "tools/tests/kafka_records.py").path]
        process.standardInput = try FileHandle(forReadingFrom: stdin)
        process.standardOutput = try FileHandle(forWritingTo: stdout)
        process.standardError = try FileHandle(forWritingTo: stderr)
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let said = String(decoding: try Data(contentsOf: stderr), as: UTF8.self)
            throw Failure(
                description: "\(python) kafka_records.py failed (WEIR_TEST_PYTHON names the interpreter, which needs"
                    + " the packages of Tests/Clients/requirements.txt): \(said.suffix(2000))")
        }
        return String(decoding: try Data(contentsOf: stdout), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    // The script's text forms.

    static func hex(_ bytes: some Collection<UInt8>) -> String {
        bytes.isEmpty ? "-" : Data(bytes).reduce(into: "") { $0 += pairs[Int($1)] }
    }

    private static let pairs: [String] = (0...255).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }

    static func bytes(_ hex: String) throws -> ByteBuffer {
        if hex == "-" { return ByteBuffer() }
        var buffer = ByteBuffer()
        buffer.reserveCapacity(hex.utf8.count / 2)
        var high: UInt8?
        for digit in hex.utf8 {
            let nibble: UInt8
            switch digit {
            case 0x30...0x39: nibble = digit - 0x30
            case 0x61...0x66: nibble = digit - 0x57
            default: throw Failure(description: "not hex: \(hex.prefix(60))")
            }
            if let first = high {
                buffer.writeInteger(first << 4 | nibble)
                high = nil
            } else {
                high = nibble
            }
        }
        return buffer
    }

    static func text(_ records: [Record]) -> String {
        records.map { record in
            let headers = record.headers.map { "\(hex($0.key.utf8)):\(nullable($0.value))" }.joined(separator: "|")
            return "\(record.timestamp),\(nullable(record.key)),\(nullable(record.value)),\(headers)"
        }.joined(separator: ";")
    }

    private static func nullable(_ bytes: ByteBuffer?) -> String { bytes.map { hex($0.readableBytesView) } ?? "null" }
}
