// weir: the executable. Arguments and wiring only: what a command does lives in WeirTools, WeirClient and WeirServer.
// One file per group of commands.

import ArgumentParser

@main
struct Weir: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weir",
        abstract: "A persistent, partitioned log for streams that speaks the Kafka protocol.",
        discussion: """
            Start a broker with `weir broker`, then make a topic, write to it and read it:

              weir topic create greetings
              echo hello | weir produce greetings
              weir consume greetings --from earliest --exit-at-end

            Commands other than `broker` talk to any Kafka-compatible broker at --bootstrap HOST:PORT.
            Exit codes: 0 done, 1 failed, 2 wrong usage.
            """,
        subcommands: [
            BrokerCommand.self, TopicCommand.self, ProduceCommand.self, ConsumeCommand.self, GroupCommand.self,
            BenchCommand.self, VersionCommand.self,
        ])

    /// Parses and runs, and maps every outcome to Weir's exit codes.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var concurrent = command as? any AsyncParsableCommand {
                try await concurrent.run()
            } else {
                try command.run()
            }
        } catch {
            leave(with: error)
        }
    }

    /// 0 for help that was asked for, 1 for a command that failed, 2 for wrong usage (the argument parser's own 64).
    private static func leave(with error: any Error) -> Never {
        let code = exitCode(for: error)
        let message = fullMessage(for: error)
        if code == .failure, !(error is ExitCode) {
            // One line that says what is wrong and what to do.
            StandardError.print("weir: \(error)")
            endProcess(1)
        }
        if code == .success {
            if !message.isEmpty { print(message) }
            endProcess(0)
        }
        if !message.isEmpty { StandardError.print(message) }
        endProcess(code == .validationFailure ? 2 : code.rawValue)
    }
}
