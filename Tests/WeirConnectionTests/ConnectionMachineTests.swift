import Testing
import WeirModel
import WeirProtocol

@testable import WeirConnection

@Suite("One connection")
struct ConnectionMachineTests {
    @Test("negotiates, sends, and matches answers in order")
    func ordinaryLife() {
        var machine = ConnectionMachine(handshakeTimeoutMs: 100)
        let handshake = machine.opened(now: at(0))
        #expect(handshake.key == .apiVersions && handshake.version == 3 && handshake.deadline == at(100))
        #expect(machine.request(.metadata, timeoutMs: 10, now: at(1)) == .notReady)
        #expect(machine.answered(correlationID: handshake.correlationID) == handshake)
        let table = VersionTable([.metadata: 0...9, .produce: 0...99])
        #expect(machine.negotiated(versions(table.ranges), now: at(2)) == .ready(table))
        guard case .send(let first) = machine.request(.metadata, timeoutMs: 10, now: at(3)),
            case .send(let second) = machine.request(.produce, timeoutMs: 50, now: at(4))
        else {
            Issue.record("requests are not sent")
            return
        }
        #expect(first.version == 9)
        #expect(second.version == SpokenVersions.range(of: .produce)?.upperBound)
        #expect(machine.nextDeadline == at(13))
        #expect(machine.overdue(now: at(12)) == nil)
        #expect(machine.overdue(now: at(13)) == first)
        #expect(machine.answered(correlationID: first.correlationID) == first)
        #expect(machine.answered(correlationID: first.correlationID) == nil)
        #expect(machine.closed() == [second])
        #expect(machine.request(.metadata, timeoutMs: 10, now: at(5)) == .notReady)
    }

    @Test("asks again when the broker does not know its ApiVersions")
    func olderBroker() {
        var machine = ConnectionMachine()
        let first = machine.opened(now: at(0))
        _ = machine.answered(correlationID: first.correlationID)
        let refusal = versions([.apiVersions: 0...1], error: .unsupportedVersion)
        guard case .askAgain(let second) = machine.negotiated(refusal, now: at(1)) else {
            Issue.record("it gives up")
            return
        }
        #expect(second.version == 1)
        _ = machine.answered(correlationID: second.correlationID)
        guard case .askAgain(let third) = machine.negotiated(refusal, now: at(2)) else {
            Issue.record("it gives up")
            return
        }
        #expect(third.version == 0)
        _ = machine.answered(correlationID: third.correlationID)
        guard case .close = machine.negotiated(refusal, now: at(3)) else {
            Issue.record("it asks for ever")
            return
        }
    }

    @Test("does not call what the broker does not speak")
    func unsupported() {
        var machine = ConnectionMachine()
        let handshake = machine.opened(now: at(0))
        _ = machine.answered(correlationID: handshake.correlationID)
        _ = machine.negotiated(versions([.produce: 0...2, .fetch: 99...100]), now: at(0))
        #expect(machine.request(.produce, timeoutMs: 1, now: at(0)) == .unsupported)
        #expect(machine.request(.fetch, timeoutMs: 1, now: at(0)) == .unsupported)
        #expect(machine.request(.joinGroup, timeoutMs: 1, now: at(0)) == .unsupported)
        #expect(machine.inFlightCount == 0)
    }

    @Test("a request without an answer waits for none")
    func unanswered() {
        var machine = ConnectionMachine()
        let handshake = machine.opened(now: at(0))
        _ = machine.answered(correlationID: handshake.correlationID)
        _ = machine.negotiated(versions([.produce: 0...9]), now: at(0))
        guard case .send = machine.request(.produce, timeoutMs: 1, expectsAnswer: false, now: at(0)) else {
            Issue.record("it is not sent")
            return
        }
        #expect(machine.inFlightCount == 0 && machine.overdue(now: at(100)) == nil)
    }

    @Test("a link waits longer after each failure, and not at all after a success")
    func link() {
        var link = LinkMachine(backoff: Backoff(initialMs: 100, maximumMs: 300))
        let random = FixedRandom(value: 20)  // of a spread of 40, so no jitter at the first step
        #expect(link.wanted(now: at(0)) == .connect)
        #expect(link.wanted(now: at(0)) == .nothing)
        link.down(now: at(0), random: random)
        #expect(link.wanted(now: at(50)) == .wait(until: at(100)))
        #expect(link.wanted(now: at(100)) == .connect)
        link.down(now: at(100), random: random)
        guard case .wait(let second) = link.wanted(now: at(100)) else {
            Issue.record("no wait after the second failure")
            return
        }
        #expect(second > at(250) && second < at(350))
        #expect(link.wanted(now: second) == .connect)
        link.up()
        #expect(link.isUp && link.failures == 0)
        link.down(now: at(1000), random: random)
        #expect(link.wanted(now: at(1000)) == .connect)
    }

    @Test("back-off stays between its bounds", arguments: [0, 1, 7, .max / 2, .max] as [UInt64])
    func backoff(random: UInt64) {
        let backoff = Backoff(initialMs: 50, maximumMs: 1000)
        for failures in [0, 1, 2, 5, 100, .max] {
            let delay = backoff.delayMs(failures: failures, random: FixedRandom(value: random))
            #expect(delay >= 40 && delay <= 1200)
        }
    }
}
