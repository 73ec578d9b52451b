import Testing
import WeirModel
import WeirSystem
import WeirTesting

@testable import WeirConnection

@Suite("A producer's sending side")
struct ProducerMachineTests {
    private let partition = TopicPartition("a", PartitionIndex(0))
    private let identity = ProducerIdentity(id: ProducerID(7), epoch: 0)

    private func machine(idempotent: Bool = true, timeoutMs: Int64 = 1_000) -> ProducerMachine {
        var configuration = ProducerMachine.Configuration()
        configuration.isIdempotent = idempotent
        configuration.deliveryTimeoutMs = timeoutMs
        configuration.backoff = Backoff(initialMs: 10, maximumMs: 10)
        return ProducerMachine(configuration: configuration)
    }

    private func poll(_ machine: inout ProducerMachine, _ now: Int64, leader: Int32? = 1) -> ProducerMachine.PollResult
    {
        machine.poll(now: at(now), leader: { _ in leader.map { BrokerID($0) } }, freeRequests: { _ in 5 })
    }

    /// Sequences that a poll sends, in order.
    private func sequences(_ result: ProducerMachine.PollResult) -> [Int32] {
        result.sends.flatMap { $0.batches.map(\.sequence) }
    }

    private func enqueue(
        _ machine: inout ProducerMachine, _ ids: ClosedRange<UInt64>, count: Int32 = 10, now: Int64 = 0
    ) {
        let slot = machine.slot(of: partition)
        for id in ids {
            machine.enqueue(
                ProducerMachine.BatchID(id), slot: slot, recordCount: count, byteCount: 100, createdAt: at(now))
        }
    }

    private func finish(
        _ machine: inout ProducerMachine, _ id: UInt64, _ outcome: ProducerMachine.Outcome, _ now: Int64
    ) -> ProducerMachine.Verdict {
        machine.finished(
            ProducerMachine.BatchID(id), slot: 0, outcome: outcome, now: at(now), random: FixedRandom(value: 2))
    }

    @Test("gets an identity, then numbers batches by their records, five in flight")
    func pipeline() {
        var machine = machine()
        enqueue(&machine, 1...7)
        let first = poll(&machine, 0)
        #expect(first.wantsIdentity && first.identityToReplace == nil && first.sends.isEmpty)
        #expect(!poll(&machine, 0).wantsIdentity)
        machine.identified(identity)
        #expect(sequences(poll(&machine, 1)) == [0, 10, 20, 30, 40])
        #expect(finish(&machine, 1, .answered(.none), 2) == .delivered)
        #expect(sequences(poll(&machine, 2)) == [50])
        #expect(!machine.isEmpty)
    }

    @Test("a lost answer is retried alone, under the same sequence")
    func retryAlone() {
        var machine = machine()
        enqueue(&machine, 1...3)
        _ = poll(&machine, 0)
        machine.identified(identity)
        #expect(sequences(poll(&machine, 0)) == [0, 10, 20])
        #expect(finish(&machine, 1, .lost, 1) == .retried(needsMetadata: true))
        #expect(finish(&machine, 2, .lost, 1) == .retried(needsMetadata: true))
        // The third is still in flight: nothing overtakes, nothing goes beside it.
        #expect(sequences(poll(&machine, 20)).isEmpty)
        #expect(finish(&machine, 3, .answered(.outOfOrderSequenceNumber), 21) == .retried(needsMetadata: false))
        #expect(sequences(poll(&machine, 40)) == [0])
        #expect(finish(&machine, 1, .answered(.none), 41) == .delivered)
        #expect(sequences(poll(&machine, 60)) == [10])
        #expect(finish(&machine, 2, .answered(.duplicateSequenceNumber), 61) == .delivered)
        #expect(sequences(poll(&machine, 80)) == [20])
        #expect(finish(&machine, 3, .answered(.none), 81) == .delivered)
        #expect(machine.isEmpty)
    }

    @Test("a broker that forgot the producer gets a new epoch, from sequence 0")
    func bump() {
        var machine = machine()
        enqueue(&machine, 1...2)
        _ = poll(&machine, 0)
        machine.identified(identity)
        _ = poll(&machine, 0)
        #expect(finish(&machine, 1, .answered(.unknownProducerID), 1) == .retried(needsMetadata: false))
        // Not before everything in flight has come back.
        #expect(!poll(&machine, 2).wantsIdentity)
        #expect(finish(&machine, 2, .answered(.outOfOrderSequenceNumber), 3) == .retried(needsMetadata: false))
        let result = poll(&machine, 4)
        #expect(result.wantsIdentity && result.identityToReplace == identity && result.sends.isEmpty)
        machine.identified(ProducerIdentity(id: ProducerID(7), epoch: 1))
        let resent = poll(&machine, 30)
        #expect(sequences(resent) == [0])
        #expect(resent.sends.first?.batches.first?.identity?.epoch == 1)
    }

    @Test("a refused batch fails, and those numbered after it are sent under a new epoch")
    func refusal() {
        var machine = machine()
        enqueue(&machine, 1...2)
        _ = poll(&machine, 0)
        machine.identified(identity)
        _ = poll(&machine, 0)
        guard case .failed(let failure) = finish(&machine, 1, .answered(.messageTooLarge), 1) else {
            Issue.record("it does not fail")
            return
        }
        #expect(failure.reason == .refused(.messageTooLarge))
        #expect(finish(&machine, 2, .answered(.outOfOrderSequenceNumber), 2) == .retried(needsMetadata: false))
        #expect(poll(&machine, 3).wantsIdentity)
    }

    @Test("a refused batch that nothing follows gives its number back")
    func refusalAlone() {
        var machine = machine()
        enqueue(&machine, 1...1)
        _ = poll(&machine, 0)
        machine.identified(identity)
        _ = poll(&machine, 0)
        _ = finish(&machine, 1, .answered(.invalidRecord), 1)
        enqueue(&machine, 2...2, now: 2)
        let result = poll(&machine, 2)
        #expect(!result.wantsIdentity && sequences(result) == [0])
    }

    @Test("without a leader nothing is sent, and it expires with a reason")
    func expiry() {
        var machine = machine(idempotent: false, timeoutMs: 100)
        enqueue(&machine, 1...2)
        let result = poll(&machine, 0, leader: nil)
        #expect(result.needsMetadata && result.sends.isEmpty && result.wakeAt == at(100))
        let late = poll(&machine, 100, leader: nil)
        #expect(late.failures.map(\.id.rawValue) == [1, 2])
        #expect(late.failures.first?.reason == .expired(lastFailure: nil, wasSent: false))
        #expect(machine.isEmpty)
    }

    @Test("a fenced producer fails everything")
    func fenced() {
        var machine = machine()
        enqueue(&machine, 1...3)
        _ = poll(&machine, 0)
        machine.identified(identity)
        _ = poll(&machine, 0)
        guard case .failed = finish(&machine, 1, .answered(.producerFenced), 1) else {
            Issue.record("it goes on")
            return
        }
        _ = finish(&machine, 2, .lost, 1)
        enqueue(&machine, 4...4, now: 2)
        #expect(poll(&machine, 2).failures.map(\.id.rawValue).sorted() == [2, 4])
    }

    @Test("sequences wrap from 2³¹-1 to 0")
    func wrap() {
        #expect(ProducerMachine.advance(.max, by: 1) == 0)
        #expect(ProducerMachine.advance(.max - 4, by: 10) == 5)
        #expect(ProducerMachine.advance(0, by: 3) == 3)
    }

    @Test("whatever a broker loses, delays or forgets: each record once, in order", arguments: 0..<60 as Range<UInt64>)
    func storm(seed: UInt64) {
        var storm = ProducerStorm(seed: seed)
        storm.run()
        #expect(storm.problems.isEmpty, "seed \(seed): \(storm.problems.prefix(3))")
        #expect(storm.log == Array(1...storm.batchCount), "seed \(seed)")
    }
}

/// One partition, one broker that keeps Kafka's rules for idempotent producers, and a network that loses requests and answers.
private struct ProducerStorm {
    let batchCount: UInt64 = 40
    var machine: ProducerMachine
    var log: [UInt64] = []
    var problems: [String] = []
    private var random: SeededGenerator
    private var now: Int64 = 0
    private var epoch: Int16 = -1
    private var brokerEpoch: Int16 = -1
    private var brokerNext: Int32 = 0
    /// The last five batches that the broker remembers: sequence and count.
    private var remembered: [(sequence: Int32, count: Int32)] = []
    private var sent: [(send: ProducerMachine.BatchSend, count: Int32)] = []
    private var counts: [UInt64: Int32] = [:]

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        var configuration = ProducerMachine.Configuration()
        configuration.deliveryTimeoutMs = 10_000_000
        configuration.backoff = Backoff(initialMs: 5, maximumMs: 50)
        machine = ProducerMachine(configuration: configuration)
    }

    mutating func run() {
        let slot = machine.slot(of: TopicPartition("a", PartitionIndex(0)))
        var next: UInt64 = 1
        for _ in 0..<20_000 {
            if log.count == Int(batchCount), machine.isEmpty { return }
            now += Int64.random(in: 0...20, using: &random)
            if next <= batchCount, random.oneIn(2) {
                counts[next] = Int32.random(in: 1...5, using: &random)
                machine.enqueue(
                    ProducerMachine.BatchID(next), slot: slot, recordCount: counts[next] ?? 1, byteCount: 10,
                    createdAt: at(now))
                next += 1
            }
            step()
            if !sent.isEmpty, random.oneIn(2) { answerOldest() }
        }
        problems.append("not done after 20000 steps: \(log.count) batches in the log")
    }

    private mutating func step() {
        let free = 5 - sent.count
        let result = machine.poll(now: at(now), leader: { _ in BrokerID(1) }, freeRequests: { _ in free })
        if !result.failures.isEmpty { problems.append("failed: \(result.failures)") }
        if result.wantsIdentity {
            if random.oneIn(4) {
                machine.identityFailed(.coordinatorLoadInProgress, now: at(now), random: FixedRandom(value: 2))
            } else {
                epoch += 1
                machine.identified(ProducerIdentity(id: ProducerID(1), epoch: epoch))
            }
        }
        for send in result.sends {
            for batch in send.batches { sent.append((batch, counts[batch.id.rawValue] ?? 1)) }
        }
    }

    /// The broker's side of the oldest request on the wire.
    private mutating func answerOldest() {
        // A connection that breaks loses everything on it; what had arrived has been appended.
        if random.oneIn(8) {
            let arrived = Int.random(in: 0...sent.count, using: &random)
            for request in sent.prefix(arrived) { _ = append(request) }
            let all = sent
            sent = []
            for request in all { finish(request.send, .lost) }
            return
        }
        let request = sent.removeFirst()
        let code: ErrorCode = random.oneIn(10) ? .notLeaderOrFollower : append(request)
        finish(request.send, .answered(code))
    }

    private mutating func finish(_ send: ProducerMachine.BatchSend, _ outcome: ProducerMachine.Outcome) {
        let verdict = machine.finished(
            send.id, slot: send.slot, outcome: outcome, now: at(now), random: FixedRandom(value: 2))
        if case .failed(let failure) = verdict { problems.append("failed: \(failure)") }
    }

    private mutating func append(_ request: (send: ProducerMachine.BatchSend, count: Int32)) -> ErrorCode {
        guard let identity = request.send.identity else {
            problems.append("a batch without an identity")
            return .invalidRecord
        }
        if identity.epoch < brokerEpoch { return .invalidProducerEpoch }
        if identity.epoch > brokerEpoch {
            guard request.send.sequence == 0 else { return .outOfOrderSequenceNumber }
            brokerEpoch = identity.epoch
            brokerNext = 0
            remembered = []
        }
        if remembered.contains(where: { $0.sequence == request.send.sequence && $0.count == request.count }) {
            return .duplicateSequenceNumber
        }
        guard request.send.sequence == brokerNext else { return .outOfOrderSequenceNumber }
        brokerNext += request.count
        remembered.append((request.send.sequence, request.count))
        if remembered.count > 5 { remembered.removeFirst() }
        log.append(request.send.id.rawValue)
        return .none
    }
}
