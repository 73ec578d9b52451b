import Foundation
import NIOCore

/// Runs tools/tests/kafka_schemas.py, which speaks Kafka's protocol with kafka-python.
///
/// The interpreter is `WEIR_TEST_PYTHON`, `python3` unless set; it must be able to import kafka-python 3.
enum KafkaPython {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// What kafka-python says about one message.
    struct Line {
        let name: String
        let version: Int16
        let bytes: ByteBuffer
        let fields: [String: String]
    }

    /// Random messages, `count` for each name and version.
    static func generate(_ wanted: [(name: String, version: Int16)], count: Int, seed: UInt64) throws -> [Line] {
        let input = wanted.map { "\($0.name) \($0.version)\n" }.joined()
        return try run(["generate", "--seed", "\(seed)", "--count", "\(count)"], input: input).map(parse)
    }

    /// What kafka-python reads from messages, and how it writes them again; an error text for those it cannot read.
    static func check(
        _ messages: [(name: String, version: Int16, bytes: ByteBuffer)]
    ) throws -> [Result<Line, Failure>] {
        let input = messages.map { message in
            let text = hex(message.bytes.readableBytesView)
            return "\(message.name) \(message.version) \(text.isEmpty ? "-" : text)\n"
        }.joined()
        return try run(["check"], input: input).map { row in
            let words = row.split(separator: " ", maxSplits: 3)
            if words.count > 3, words[2] == "error" { return .failure(Failure(description: String(words[3]))) }
            return .success(try parse(row))
        }
    }

    private static func parse(_ row: Substring) throws -> Line {
        let words = row.split(separator: " ")
        guard words.count == 4, let version = Int16(words[1]), let bytes = bytes(hex: words[2] == "-" ? "" : words[2])
        else { throw Failure(description: "not a line of kafka_schemas.py: \(row.prefix(200))") }
        var fields: [String: String] = [:]
        for pair in words[3].split(separator: ";") where pair != "-" {
            let sides = pair.split(separator: "=", maxSplits: 1)
            guard sides.count == 2 else { throw Failure(description: "not a field of kafka_schemas.py: \(pair)") }
            fields[String(sides[0])] = String(sides[1])
        }
        return Line(name: String(words[0]), version: version, bytes: bytes, fields: fields)
    }

    private static func run(_ arguments: [String], input: String) throws -> [Substring] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..").standardized
        let python = ProcessInfo.processInfo.environment["WEIR_TEST_PYTHON"] ?? "python3"
        let folder = FileManager.default.temporaryDirectory.appending(path: "weir-protocol-\(UUID().uuidString)")
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
        process.arguments = [python, root.appending(path: "tools/tests/kafka_schemas.py").path] + arguments
        process.standardInput = try FileHandle(forReadingFrom: stdin)
        process.standardOutput = try FileHandle(forWritingTo: stdout)
        process.standardError = try FileHandle(forWritingTo: stderr)
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let said = String(decoding: try Data(contentsOf: stderr), as: UTF8.self)
            throw Failure(
                description: "\(python) kafka_schemas.py \(arguments.joined(separator: " ")) failed"
                    + " (WEIR_TEST_PYTHON names the interpreter): \(said.suffix(2000))")
        }
        return String(decoding: try Data(contentsOf: stdout), as: UTF8.self).split(separator: "\n")
    }
}
