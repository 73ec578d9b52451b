import NIOCore
import Testing
import WeirBroker
import WeirProtocol

@testable import WeirServer

private func frame(_ text: String) -> Reply { .frame(OutboundBytes(parts: [.bytes(ByteBuffer(string: text))])) }

extension ReplyQueue {
    /// Every answer that may go out now, as text.
    fileprivate mutating func ready() -> [String] {
        var out: [String] = []
        while let reply = popReady() {
            switch reply {
            case .frame(let bytes):
                if case .bytes(let buffer)? = bytes.parts.first { out.append(String(buffer: buffer)) }
            case .nothing: out.append("nothing")
            case .close(let reason): out.append("close: \(reason)")
            }
        }
        return out
    }
}

extension ReplyQueue {
    fileprivate mutating func expectAnswer(
        _ slot: UInt64, _ reply: Reply, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let isTaken = answer(slot, reply)
        #expect(isTaken, sourceLocation: sourceLocation)
    }

    fileprivate mutating func expectDropped(
        _ slot: UInt64, _ reply: Reply, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let isTaken = answer(slot, reply)
        #expect(!isTaken, sourceLocation: sourceLocation)
    }

    fileprivate mutating func expectReady(_ texts: [String], sourceLocation: SourceLocation = #_sourceLocation) {
        let out = ready()
        #expect(out == texts, sourceLocation: sourceLocation)
    }
}

@Suite struct ReplyQueueTests {
    @Test func pipelinedAnswersGoOutInTheOrderOfTheirRequests() {
        var queue = ReplyQueue()
        let slots = (0..<4).map { _ in
            let slot = queue.open()
            queue.started(slot, .pipelined)
            return slot
        }
        #expect(queue.canStart)
        queue.expectAnswer(slots[2], frame("c"))
        queue.expectReady([])
        queue.expectAnswer(slots[0], frame("a"))
        queue.expectReady(["a"])
        queue.expectAnswer(slots[1], .nothing)
        queue.expectReady(["nothing", "c"])
        #expect(!queue.isEmpty)
        queue.expectAnswer(slots[3], frame("d"))
        queue.expectReady(["d"])
        #expect(queue.isEmpty)
    }

    @Test func nothingStartsBeforeAnExclusiveRequestIsAnswered() {
        var queue = ReplyQueue()
        let produce = queue.open()
        queue.started(produce, .pipelined)
        let fetch = queue.open()
        queue.started(fetch, .exclusive)
        #expect(!queue.canStart)
        queue.expectAnswer(produce, frame("p"))
        #expect(!queue.canStart)
        queue.expectAnswer(fetch, frame("f"))
        #expect(queue.canStart)
        queue.expectReady(["p", "f"])
    }

    @Test func anExclusiveRequestAnsweredAtOnceHoldsNothingUp() {
        var queue = ReplyQueue()
        let slot = queue.open()
        queue.expectAnswer(slot, frame("now"))
        queue.expectReady(["now"])
        queue.started(slot, .exclusive)
        #expect(queue.canStart)

        // Answered at once, but behind one that is not.
        let waiting = queue.open()
        queue.started(waiting, .pipelined)
        let behind = queue.open()
        queue.expectAnswer(behind, frame("behind"))
        queue.started(behind, .exclusive)
        #expect(queue.canStart)
        queue.expectReady([])
        queue.expectAnswer(waiting, frame("waiting"))
        queue.expectReady(["waiting", "behind"])
    }

    @Test func closingComesAfterTheAnswersBeforeItAndBeforeNothing() {
        var queue = ReplyQueue()
        let first = queue.open()
        queue.started(first, .pipelined)
        let bad = queue.open()
        queue.expectAnswer(bad, .close("bad"))
        queue.started(bad, .exclusive)
        let after = queue.open()
        queue.expectAnswer(after, frame("after"))
        queue.expectReady([])
        queue.expectAnswer(first, frame("first"))
        queue.expectReady(["first", "close: bad"])
        #expect(queue.isClosing)
        #expect(!queue.canStart)
    }

    @Test func secondAndUnknownAnswersAreDropped() {
        var queue = ReplyQueue()
        let slot = queue.open()
        queue.expectDropped(slot + 1, frame("never opened"))
        queue.expectAnswer(slot, frame("once"))
        queue.expectDropped(slot, frame("twice"))
        queue.expectReady(["once"])
        queue.expectDropped(slot, frame("late"))
        queue.expectReady([])
    }

    @Test func outstandingRequestsAreBounded() {
        var queue = ReplyQueue(outstandingMax: 3)
        var slots: [UInt64] = []
        while queue.canStart {
            let slot = queue.open()
            queue.started(slot, .pipelined)
            slots.append(slot)
        }
        #expect(slots.count == 3)
        queue.expectAnswer(slots[1], .nothing)
        #expect(!queue.canStart, "an answer that waits for an earlier one still takes its place")
        queue.expectAnswer(slots[0], .nothing)
        queue.expectReady(["nothing", "nothing"])
        #expect(queue.canStart)
    }

    @Test(arguments: 0..<50 as Range<UInt64>) func anyOrderOfAnswersGivesTheOrderOfRequests(seed: UInt64) {
        var random = SplitMix(state: seed)
        var queue = ReplyQueue(outstandingMax: 64)
        var outstanding: [UInt64] = []
        var sent: [String] = []
        var next = 0
        while next < 300 || !outstanding.isEmpty {
            if next < 300, queue.canStart, random.next() % 2 == 0 {
                let slot = queue.open()
                #expect(slot == UInt64(next))
                queue.started(slot, random.next() % 5 == 0 ? .exclusive : .pipelined)
                outstanding.append(slot)
                next += 1
            } else if !outstanding.isEmpty {
                let slot = outstanding.remove(at: Int(random.next() % UInt64(outstanding.count)))
                queue.expectAnswer(slot, frame("\(slot)"))
                sent += queue.ready()
            }
        }
        #expect(sent == (0..<300).map(String.init), "seed \(seed)")
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
