import Foundation
import Testing
import WeirClient

@Suite("The examples", .serialized)
struct ExampleTests {
    @Test("each runs to its end and says what it should", .timeLimit(.minutes(1)))
    func run() throws {
        let broker = try RealBroker()
        let runner = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let program = URL(filePath: runner).deletingLastPathComponent().appending(path: "weir-examples").path
        let expected = [
            "produce": "written 1000 more", "consume": "read ", "group": "doing job 10", "admin": "3 partitions",
            "json": "order 7: tea", "replay": "dataLoss", "service": "5 squared is 25",
        ]
        for (task, text) in expected.sorted(by: { $0.key < $1.key }) {
            let process = Process()
            let output = Pipe()
            process.executableURL = URL(filePath: program)
            process.arguments = [task, broker.address]
            process.standardOutput = output
            try process.run()
            let said = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 0, "\(task) said: \(said)")
            #expect(said.contains(text), "\(task) said: \(said)")
        }
    }
}
