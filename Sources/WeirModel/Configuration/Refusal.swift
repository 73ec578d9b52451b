/// Why a request, or one item of it, is refused: the error code and the sentence of its answer.
public struct Refusal: Error, Sendable, Hashable, CustomStringConvertible {
    public let code: ErrorCode
    public let message: String

    public init(_ code: ErrorCode, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { "\(code.name): \(message)" }
}
