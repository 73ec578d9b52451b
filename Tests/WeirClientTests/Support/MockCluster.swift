import Foundation
import Testing
import WeirClient

/// A child process that is spoken to in lines.
final class LineProcess {
    struct Ended: Error { let said: String }

    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private var rest = Data()

    init(_ arguments: [String], readsErrors: Bool = false) throws {
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = arguments
        process.standardInput = input
        if readsErrors {
            process.standardError = output
            process.standardOutput = FileHandle.nullDevice
        } else {
            process.standardOutput = output
            process.standardError = FileHandle.standardError
        }
        try process.run()
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
    }

    func line() throws -> String {
        while true {
            if let end = rest.firstIndex(of: 0x0A) {
                let line = String(decoding: rest[rest.startIndex..<end], as: UTF8.self)
                rest = Data(rest[rest.index(after: end)...])
                return line
            }
            let more = output.fileHandleForReading.availableData
            if more.isEmpty { throw Ended(said: String(decoding: rest, as: UTF8.self)) }
            rest.append(more)
        }
    }

    func send(_ line: String) throws { try input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8)) }

    func signal(_ number: Int32) {
        kill(process.processIdentifier, number)
        process.waitUntilExit()
    }

    static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..").standardized
}

/// librdkafka's mock cluster, which neither side of ours wrote.
final class MockCluster {
    let bootstrap: String
    private let process: LineProcess

    init(brokers: Int = 3) throws {
        let python = ProcessInfo.processInfo.environment["WEIR_TEST_PYTHON"] ?? "python3"
        let script = LineProcess.root.appending(path: "tools/tests/mock_cluster.py").path
        process = try LineProcess([python, script, String(brokers)])
        let said = try process.line()
        guard said.hasPrefix("bootstrap ") else { throw LineProcess.Ended(said: said) }
        bootstrap = String(said.dropFirst("bootstrap ".count))
    }

    /// See tools/tests/mock_cluster.py.
    func run(_ command: String) throws {
        try process.send(command)
        let answer = try process.line()
        #expect(answer == "ok", "\(command)")
    }

    func client() throws -> ClientConfiguration {
        var configuration = try ClientConfiguration(bootstrap: bootstrap)
        configuration.retryBackoffMs = 10
        configuration.retryBackoffMaxMs = 100
        return configuration
    }
}

/// A broker of this build, in a process of its own.
final class RealBroker {
    let directory: URL
    let address: String
    private var process: LineProcess
    private let listen: String

    /// SwiftPM puts the program beside the test runner.
    private static let binary: String = {
        let runner = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(filePath: runner).deletingLastPathComponent().appending(path: "weir").path
    }()

    init(_ options: String...) throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "weir-client-\(UUID().uuidString)")
        let (process, address) = try Self.start(directory, "127.0.0.1:0", options)
        self.process = process
        self.address = address
        listen = address
    }

    deinit {
        process.signal(SIGKILL)
        try? FileManager.default.removeItem(at: directory)
    }

    private static func start(
        _ directory: URL, _ listen: String, _ options: [String]
    ) throws -> (LineProcess, String) {
        let process = try LineProcess(
            [binary, "broker", "--data", directory.path, "--listen", listen] + options, readsErrors: true)
        while true {
            let line = try process.line()
            if line.hasPrefix("weir broker "), let address = line.split(separator: " ").last,
                line.contains(" ready on ")
            {
                return (process, String(address))
            }
        }
    }

    /// Ends the process by the signal and starts it again on the same directory and port.
    func restart(_ signal: Int32) throws {
        process.signal(signal)
        (process, _) = try Self.start(directory, listen, [])
    }

    func client() throws -> ClientConfiguration {
        var configuration = try ClientConfiguration(bootstrap: address)
        configuration.retryBackoffMs = 10
        configuration.retryBackoffMaxMs = 100
        return configuration
    }
}
