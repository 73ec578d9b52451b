// WeirTools: what the commands do: records as text and JSON, times and templates as people write them, plans.
// Never in here: arguments, terminals, exit codes; those are the executable's.

/// A problem with what a user wrote, or with what was asked for: one line that says what is wrong and what to do.
public struct ToolError: Error, Sendable, Equatable, CustomStringConvertible {
    public let message: String

    public init(_ message: String) { self.message = message }

    public var description: String { message }
}
