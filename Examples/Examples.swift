// One example per task, each in a file of its own that stands by itself.
//
//   swift run weir-examples TASK [HOST:PORT]      tasks: produce, consume, group, admin, json, replay, service
//
// The tests build and run all of them against a broker.

import WeirClient

@main
enum Examples {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        let client = try ClientConfiguration(bootstrap: arguments.dropFirst().first ?? "127.0.0.1:9092")
        switch arguments.first {
        case "produce": try await produce(client)
        case "consume": try await consume(client)
        case "group": try await readInGroup(client)
        case "admin": try await lookAfterTopics(client)
        case "json": try await exchangeJSON(client)
        case "replay": try await readAgain(client)
        case "service": try await serve(client)
        default: print("say which: produce, consume, group, admin, json, replay, service")
        }
    }
}
