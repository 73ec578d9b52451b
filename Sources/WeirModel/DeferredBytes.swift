/// Bytes of an answer that are not in memory: the server sends them from where they lie, with `sendfile` when it can.
///
/// WeirProtocol only counts them; the room that made the value (WeirStorage) and the one that sends it (WeirServer) know
/// what is behind it.
public protocol DeferredBytes: Sendable {
    /// How many bytes these are.
    var count: Int { get }
}
