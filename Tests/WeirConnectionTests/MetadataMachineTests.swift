import Testing
import WeirModel
import WeirProtocol
import WeirSystem

@testable import WeirConnection

@Suite("Metadata")
struct MetadataMachineTests {
    private func machine() -> MetadataMachine {
        MetadataMachine(backoff: Backoff(initialMs: 100, maximumMs: 1000), maximumAgeMs: 5_000)
    }

    @Test("is asked for once, kept, and asked for again when it is old or wrong")
    func refresh() {
        var machine = machine()
        machine.want("a")
        #expect(machine.poll(now: at(0)) == .request(topics: ["a"]))
        #expect(machine.poll(now: at(0)) == .nothing)
        machine.answered(metadata(["a": [(1, 0)]]), forAllTopics: false, now: at(10), random: FixedRandom())
        #expect(machine.view.leader(of: TopicPartition("a", PartitionIndex(0))) == BrokerID(1))
        #expect(machine.poll(now: at(20)) == .wait(until: at(5_010)))
        #expect(machine.poll(now: at(5_010)) == .request(topics: ["a"]))
        machine.answered(metadata(["a": [(1, 0)]]), forAllTopics: false, now: at(5_020), random: FixedRandom())
        machine.markStale()
        #expect(machine.poll(now: at(5_021)) == .request(topics: ["a"]))
    }

    @Test("a topic without a leader is asked for again soon")
    func unsettled() {
        var machine = machine()
        machine.want("a")
        _ = machine.poll(now: at(0))
        machine.answered(metadata(["a": [(nil, 0)]]), forAllTopics: false, now: at(0), random: FixedRandom())
        guard case .wait(let until) = machine.poll(now: at(1)) else {
            Issue.record("it does not wait")
            return
        }
        #expect(until >= at(70) && until <= at(130))
        #expect(machine.poll(now: until) == .request(topics: ["a"]))
    }

    @Test("what became stale while an answer was on its way is asked for again")
    func staleInFlight() {
        var machine = machine()
        machine.want("a")
        _ = machine.poll(now: at(0))
        machine.want("b")
        machine.answered(metadata(["a": [(1, 0)]]), forAllTopics: false, now: at(5), random: FixedRandom())
        guard case .wait(let until) = machine.poll(now: at(5)) else {
            Issue.record("it does not wait")
            return
        }
        #expect(machine.poll(now: until) == .request(topics: ["a", "b"]))
    }

    @Test("a leader epoch never goes back")
    func epochs() {
        var machine = machine()
        machine.want("a")
        _ = machine.poll(now: at(0))
        machine.answered(metadata(["a": [(2, 5)]]), forAllTopics: false, now: at(0), random: FixedRandom())
        machine.markStale()
        _ = machine.poll(now: at(0))
        machine.answered(metadata(["a": [(1, 4)]]), forAllTopics: false, now: at(0), random: FixedRandom())
        #expect(machine.view.leader(of: TopicPartition("a", PartitionIndex(0))) == BrokerID(2))
        machine.markStale()
        _ = machine.poll(now: at(0))
        machine.answered(metadata(["a": [(3, 6)]]), forAllTopics: false, now: at(0), random: FixedRandom())
        #expect(machine.view.leader(of: TopicPartition("a", PartitionIndex(0))) == BrokerID(3))
    }

    @Test("failures back off")
    func failures() {
        var machine = machine()
        machine.want("a")
        var waits: [Int64] = []
        var now = at(0)
        for _ in 0..<6 {
            #expect(machine.poll(now: now) == .request(topics: ["a"]))
            machine.failed(now: now, random: FixedRandom(value: 0))
            guard case .wait(let until) = machine.poll(now: now) else {
                Issue.record("it does not wait")
                return
            }
            waits.append(until.milliseconds(since: now))
            now = until
        }
        #expect(waits == waits.sorted() && waits[0] >= 80 && waits[5] <= 1_200 && waits[5] > waits[0] * 4)
    }
}
