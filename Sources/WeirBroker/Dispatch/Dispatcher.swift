public import NIOCore
import WeirProtocol

/// The broker's door: takes a frame, finds the handler, and sees to what is not a request.
///
/// A frame that is not an understood request closes its connection, with the reason for the log; an ApiVersions request of an
/// unknown version gets Kafka's answer, from which the client learns which versions there are.
public final class Dispatcher: Sendable {
    private let handlers: HandlerTable

    public init(handlers: HandlerTable) { self.handlers = handlers }

    /// Runs one request on the calling thread.
    ///
    /// - Parameters:
    ///   - frame: The request without its length prefix. Records in it are kept as slices, not copied.
    ///   - slot: The sink's number for the request; its answer names it.
    /// - Returns: Whether the connection's next request may start before this one is answered.
    ///
    /// Wire format: api key int16, api version int16, correlation id int32, client id (nullable string, int16 length), in
    /// flexible versions tagged fields, then the body.
    public func dispatch(
        _ frame: ByteBuffer, slot: UInt64, connection: ConnectionInfo, sink: any ReplySink
    ) -> RequestOrdering {
        guard let key = frame.getInteger(at: frame.readerIndex, as: Int16.self),
            let version = frame.getInteger(at: frame.readerIndex + 2, as: Int16.self),
            let correlationID = frame.getInteger(at: frame.readerIndex + 4, as: Int32.self)
        else {
            sink.reply(slot, .close("a frame of \(frame.readableBytes) bytes is too short for a request"))
            return .exclusive
        }
        guard let entry = handlers.entry(key) else {
            sink.reply(slot, .close("the API key \(key) is unknown (version \(version))"))
            return .exclusive
        }
        guard entry.versions.contains(version) else {
            let context = RequestContext(
                connection: connection, principal: connection.principal, clientID: nil, apiVersion: version,
                correlationID: correlationID)
            entry.refuseVersion(context, slot: slot, sink: sink)
            return .exclusive
        }
        var body = frame
        do throws(WireError) {
            let header = try WireReader.readPrefix(
                RequestHeader.self, from: &body, version: version, flexible: version >= entry.firstFlexible)
            let context = RequestContext(
                connection: connection, principal: connection.principal, clientID: header.clientID, apiVersion: version,
                correlationID: correlationID)
            try entry.run(body, context, slot: slot, sink: sink)
            return entry.ordering
        } catch {
            sink.reply(slot, .close("a \(entry.key) request of version \(version) is malformed: \(error)"))
            return .exclusive
        }
    }
}
