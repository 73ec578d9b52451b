import ArgumentParser
import WeirClient
import WeirTools

/// A command that failed: its message is all that is printed, and the exit code is 1.
struct CommandFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Runs a body whose failure is a mistake in the arguments: exit code 2.
func usage<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws -> Value {
    do {
        return try body()
    } catch let error {
        throw ValidationError("\(error)")
    }
}

/// The reading of durations, under a name that arguments may use without importing the tools.
enum DurationText {
    static func milliseconds(_ text: String) -> Int64? { TimeText.duration(text) }
}
