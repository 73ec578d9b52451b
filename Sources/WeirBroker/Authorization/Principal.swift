/// Who sends a request, as Kafka names principals: `User:ANONYMOUS`.
public struct Principal: Hashable, Sendable, CustomStringConvertible {
    public let type: String
    public let name: String

    public init(type: String = "User", name: String) {
        self.type = type
        self.name = name
    }

    /// The one who did not authenticate.
    public static let anonymous = Principal(name: "ANONYMOUS")

    public var description: String { "\(type):\(name)" }
}
