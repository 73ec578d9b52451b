// WeirBroker: what a broker does with each request: one handler file per API key, the partitions and waiting requests
// behind them, cluster metadata, the group coordinator's driver and authorisation. It knows no sockets, no event loops and
// no threads of its own: frames come in through `Dispatcher`, answers go out through `ReplySink`, time and disk come
// through WeirSystem's seams. NIO's channels, TLS and HTTP may never enter.

public import WeirProtocol

/// Answers one API. Handlers hold references to the broker's parts and no state of a request.
///
/// `handle` runs on the connection's event loop and must not block: work that waits (for a sync, for data, for the
/// registry) keeps the `Call` and answers later, from any thread.
public protocol APIHandler: Sendable {
    associatedtype Request: WireRequest
    /// The versions that ApiVersions advertises and the dispatcher lets in.
    static var versions: ClosedRange<Int16> { get }
    /// Whether the connection's next request waits for this one's answer.
    static var ordering: RequestOrdering { get }
    /// Answers through the call, exactly once.
    func handle(_ request: Request, _ call: Call<Request.Response>)
    /// Answers a request of a version that is not in `versions`, whose body was not read. Closes the connection unless
    /// the handler has something better: only ApiVersions does.
    func refuseVersion(_ call: Call<Request.Response>)
}

extension APIHandler {
    public static var ordering: RequestOrdering { .exclusive }

    public func refuseVersion(_ call: Call<Request.Response>) {
        let versions = Self.versions
        call.close(
            "\(Request.key) has versions \(versions.lowerBound) to \(versions.upperBound), not \(call.context.apiVersion)"
        )
    }
}

/// What a request does to the ones behind it on its connection. Answers keep the requests' order in both cases.
public enum RequestOrdering: Sendable {
    /// The next request starts once this one is answered.
    case exclusive
    /// The next request may start at once.
    case pipelined
}
