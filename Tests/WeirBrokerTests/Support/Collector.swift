import NIOCore
import WeirBroker
import WeirProtocol
import WeirStorage
import WeirSystem

/// A connection's stand-in: keeps every reply, and lets tests wait for one.
final class Collector: ReplySink {
    private struct State {
        var replies: [UInt64: Reply] = [:]
        var waiting: [UInt64: CheckedContinuation<Reply, Never>] = [:]
        var extra: [UInt64] = []
    }
    private let state = Locked(State())

    func reply(_ slot: UInt64, _ reply: Reply) {
        let waiter = state.withLock { state in
            if state.replies[slot] != nil { state.extra.append(slot) }
            state.replies[slot] = reply
            return state.waiting.removeValue(forKey: slot)
        }
        waiter?.resume(returning: reply)
    }

    /// The reply, if it is there.
    func peek(_ slot: UInt64) -> Reply? { state.withLock { $0.replies[slot] } }

    /// Slots that were answered twice.
    var answeredTwice: [UInt64] { state.withLock { $0.extra } }

    func wait(_ slot: UInt64) async -> Reply {
        await withCheckedContinuation { continuation in
            let ready = state.withLock { state -> Reply? in
                if let reply = state.replies[slot] { return reply }
                state.waiting[slot] = continuation
                return nil
            }
            if let ready { continuation.resume(returning: ready) }
        }
    }
}

struct Unexpected: Error, CustomStringConvertible {
    let description: String
}

extension Reply {
    /// The frame's bytes without the length, with what lies in files read in.
    func bytes() throws -> ByteBuffer {
        guard case .frame(let frame) = self else { throw Unexpected(description: "not a frame but \(self)") }
        var whole = ByteBuffer()
        for part in frame.parts {
            switch part {
            case .bytes(var buffer): whole.writeBuffer(&buffer)
            case .deferred(let bytes):
                guard let slice = bytes as? FileSlice else { throw Unexpected(description: "unknown deferred bytes") }
                var read = try slice.readAll()
                whole.writeBuffer(&read)
            }
        }
        guard let length = whole.readInteger(as: Int32.self), Int(length) == whole.readableBytes else {
            throw Unexpected(description: "the length is not the frame's")
        }
        return whole
    }

    func decode<Response: WireMessage>(_ type: Response.Type, version: Int16) throws -> Response {
        var bytes = try bytes()
        let flexible = Response.key != .apiVersions && Response.isFlexible(version)
        _ = try WireReader.readPrefix(ResponseHeader.self, from: &bytes, version: version, flexible: flexible)
        return try WireReader.read(type, from: bytes, version: version)
    }

    var closeReason: String? {
        guard case .close(let reason) = self else { return nil }
        return reason
    }

    var isNothing: Bool {
        guard case .nothing = self else { return false }
        return true
    }
}
