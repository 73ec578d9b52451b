import NIOCore
public import WeirProtocol

/// The handlers by API key, and what they advertise.
public struct HandlerTable: Sendable {
    /// Kafka's keys are small and dense; the table is indexed by them.
    private var entries: [HandlerEntry?] = Array(repeating: nil, count: 128)
    /// Keys out of that range: Weir's own.
    private var others: [Int16: HandlerEntry] = [:]

    public init() {}

    public mutating func register<Handler: APIHandler>(_ handler: Handler) {
        let entry = TypedHandlerEntry(handler)
        let key = Handler.Request.key.rawValue
        if let index = Int(exactly: key), entries.indices.contains(index) {
            entries[index] = entry
        } else {
            others[key] = entry
        }
    }

    func entry(_ key: Int16) -> HandlerEntry? {
        let index = Int(key)
        return entries.indices.contains(index) ? entries[index] : others[key]
    }

    func firstFlexible(_ key: APIKey) -> Int16? { entry(key.rawValue)?.firstFlexible }

    /// Every API that is handled, by rising key.
    public var supported: [(key: APIKey, versions: ClosedRange<Int16>)] {
        (entries.compactMap { $0 } + others.values)
            .sorted { $0.key < $1.key }
            .map { ($0.key, $0.versions) }
    }
}

/// A handler with its types erased. The decoding and the call are specialised in the subclass, so that a request costs one
/// virtual call.
class HandlerEntry: @unchecked Sendable {
    // Unchecked: all stored properties are constants of Sendable types; only the subclassing keeps the compiler from seeing it.
    let key: APIKey
    let versions: ClosedRange<Int16>
    let ordering: RequestOrdering
    let firstFlexible: Int16

    init(key: APIKey, versions: ClosedRange<Int16>, ordering: RequestOrdering, firstFlexible: Int16) {
        self.key = key
        self.versions = versions
        self.ordering = ordering
        self.firstFlexible = firstFlexible
    }

    /// Decodes the body and hands it to the handler, or throws before the handler saw anything.
    func run(_ body: ByteBuffer, _ context: RequestContext, slot: UInt64, sink: any ReplySink) throws(WireError) {}

    /// Answers a request whose version the handler does not have.
    func refuseVersion(_ context: RequestContext, slot: UInt64, sink: any ReplySink) {}
}

private final class TypedHandlerEntry<Handler: APIHandler>: HandlerEntry, @unchecked Sendable {
    // Unchecked for its superclass's sake: the handler is a constant of a Sendable type.
    private let handler: Handler

    init(_ handler: Handler) {
        self.handler = handler
        super.init(
            key: Handler.Request.key, versions: Handler.versions, ordering: Handler.ordering,
            firstFlexible: Handler.Request.firstFlexible)
    }

    override func run(_ body: ByteBuffer, _ context: RequestContext, slot: UInt64, sink: any ReplySink)
        throws(WireError)
    {
        let request = try WireReader.readRequest(Handler.Request.self, from: body, version: context.apiVersion)
        handler.handle(request, Call(context: context, slot: slot, sink: sink))
    }

    override func refuseVersion(_ context: RequestContext, slot: UInt64, sink: any ReplySink) {
        handler.refuseVersion(Call(context: context, slot: slot, sink: sink))
    }
}
