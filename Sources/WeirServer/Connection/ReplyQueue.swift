import DequeModule
import WeirBroker

/// Keeps a connection's answers in the order of its requests, and says when the next request may start.
///
/// Slots number the requests. Answers come in any order and go out in slot order. After an exclusive request nothing starts
/// before its answer; pipelined ones let the next start at once, up to `outstandingMax` of them.
///
/// A value without time or I/O; the connection's event loop owns it.
struct ReplyQueue {
    /// Requests of one connection that may be in progress at a time: what a pipelining producer gets into one sync of the
    /// disk, and a bound on what an answer that never comes can pile up behind it.
    static let outstandingMaxDefault = 1024

    let outstandingMax: Int
    /// The oldest slot whose answer has not gone out.
    private var head: UInt64 = 0
    /// The answers from `head` on; nil where one is missing.
    private var answers = Deque<Reply?>()
    /// The unanswered slot that later requests wait for.
    private var exclusive: UInt64?
    /// Set when an answer that closes the connection has come: nothing starts any more.
    private(set) var willClose = false
    /// Set when it is its turn: nothing goes out any more.
    private(set) var isClosing = false

    init(outstandingMax: Int = outstandingMaxDefault) { self.outstandingMax = outstandingMax }

    /// Whether every request is answered.
    var isEmpty: Bool { answers.isEmpty }
    /// Whether the next request may start.
    var canStart: Bool { exclusive == nil && !willClose && answers.count < outstandingMax }

    /// A slot for a request that starts now.
    mutating func open() -> UInt64 {
        answers.append(nil)
        return head &+ UInt64(answers.count) &- 1
    }

    /// The request has been handed on, and may already be answered.
    mutating func started(_ slot: UInt64, _ ordering: RequestOrdering) {
        if ordering == .exclusive, isOutstanding(slot) { exclusive = slot }
    }

    /// An answer has come. False when none was expected there: it is dropped.
    mutating func answer(_ slot: UInt64, _ reply: Reply) -> Bool {
        guard isOutstanding(slot) else { return false }
        answers[Int(slot - head)] = reply
        if exclusive == slot { exclusive = nil }
        if case .close = reply { willClose = true }
        return true
    }

    /// The next answer in order, when it has come. After one that closes there is none.
    mutating func popReady() -> Reply? {
        guard !isClosing, let first = answers.first, let reply = first else { return nil }
        answers.removeFirst()
        head &+= 1
        if case .close = reply { isClosing = true }
        return reply
    }

    private func isOutstanding(_ slot: UInt64) -> Bool {
        guard slot >= head, slot - head < UInt64(answers.count) else { return false }
        return answers[Int(slot - head)] == nil
    }
}
