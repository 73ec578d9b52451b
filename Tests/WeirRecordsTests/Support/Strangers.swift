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

    static func hex(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 0xF)])
        }
        return text.isEmpty ? "-" : String(decoding: text, as: UTF8.self)
    }

    static func bytes(_ hex: String) throws -> ByteBuffer {
        if hex == "-" { return ByteBuffer() }
        let digits = Array(hex.utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for index in stride(from: 0, to: digits.count - 1, by: 2) {
            guard let byte = UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) else {
                throw Failure(description: "not hex: \(hex.prefix(60))")
            }
            bytes.append(byte)
        }
        return ByteBuffer(bytes: bytes)
    }

    static func text(_ records: [Record]) -> String {
        records.map { record in
            let headers = record.headers.map { "\(hex($0.key.utf8)):\(nullable($0.value))" }.joined(separator: "|")
            return "\(record.timestamp),\(nullable(record.key)),\(nullable(record.value)),\(headers)"
        }.joined(separator: ";")
    }

    private static func nullable(_ bytes: ByteBuffer?) -> String { bytes.map { hex($0.readableBytesView) } ?? "null" }
}
