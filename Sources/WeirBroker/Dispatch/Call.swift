public import WeirProtocol

/// A request's way back: answered exactly once, from any thread.
///
/// A value of a few words: parking one costs no more than its copy.
public struct Call<Response: WireMessage>: Sendable {
    public let context: RequestContext
    private let slot: UInt64
    private let sink: any ReplySink

    public init(context: RequestContext, slot: UInt64, sink: any ReplySink) {
        self.context = context
        self.slot = slot
        self.sink = sink
    }

    /// Encodes the response in the request's version and sends it.
    public func answer(_ response: Response) { answer(response, version: context.apiVersion) }

    /// Encodes in another version: only for ApiVersions, whose answer to an unknown version is v0.
    func answer(_ response: Response, version: Int16) {
        let flexibleHeader = Response.key != .apiVersions && Response.isFlexible(version)
        do throws(WireError) {
            let frame = try WireWriter.frame(
                header: ResponseHeader(correlationID: context.correlationID), flexibleHeader: flexibleHeader,
                body: response, version: version)
            sink.reply(slot, .frame(frame))
        } catch {
            sink.reply(slot, .close("the answer to \(Response.key) cannot be encoded: \(error)"))
        }
    }

    /// Sends nothing, and lets the connection go on: Produce with acks=0.
    public func answerNothing() { sink.reply(slot, .nothing) }

    /// Closes the connection.
    public func close(_ reason: String) { sink.reply(slot, .close(reason)) }
}
