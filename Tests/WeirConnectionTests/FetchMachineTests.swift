import Testing
import WeirModel

@testable import WeirConnection

@Suite("A consumer's reading side")
struct FetchMachineTests {
    private let first = TopicPartition("a", PartitionIndex(0))
    private let second = TopicPartition("a", PartitionIndex(1))
    private let view = ClusterView(metadata(["a": [(1, 3), (1, 3)]]))

    private func machine(_ change: (inout FetchMachine.Configuration) -> Void = { _ in }) -> FetchMachine {
        var configuration = FetchMachine.Configuration()
        configuration.bufferedPerPartitionMax = 100
        configuration.backoff = Backoff(initialMs: 10, maximumMs: 10)
        change(&configuration)
        return FetchMachine(configuration: configuration)
    }

    private func answer(
        _ machine: inout FetchMachine, _ item: FetchMachine.FetchItem, error: ErrorCode = .none, next: Int64?,
        bytes: Int = 60, logStart: Int64 = 0, diverged: Int64? = nil
    ) -> FetchMachine.Verdict {
        machine.fetched(
            item.partition, tag: item.tag,
            FetchMachine.Fetched(
                error: error, highWatermark: Offset(100), logStart: Offset(logStart), byteCount: bytes,
                nextPosition: next.map { Offset($0) }, lastEpoch: LeaderEpoch(3),
                divergedAt: diverged.map { Offset($0) }),
            now: at(0), random: FixedRandom(value: 2))
    }

    @Test("looks the position up, fetches, and goes on from what came")
    func follow() throws {
        var machine = machine()
        machine.start(first, at: .earliest)
        let start = machine.poll(now: at(0), view: view)
        let lookup = try #require(start.lookups[BrokerID(1)]?.first)
        #expect(lookup.timestamp == -2 && lookup.currentEpoch == LeaderEpoch(3) && start.fetches.isEmpty)
        #expect(machine.poll(now: at(0), view: view) == FetchMachine.PollResult())
        #expect(machine.lookedUp(lookup, error: .none, offset: 5, now: at(0), random: FixedRandom()) == .nothing)
        let fetch = try #require(machine.poll(now: at(0), view: view).fetches.first)
        #expect(fetch.items.map(\.position) == [Offset(5)] && fetch.waitMs == 500)
        // One fetch per broker at a time.
        #expect(machine.poll(now: at(0), view: view).fetches.isEmpty)
        machine.fetchEnded(fetch)
        #expect(answer(&machine, fetch.items[0], next: 9) == .deliver)
        let next = try #require(machine.poll(now: at(0), view: view).fetches.first)
        #expect(next.items.map(\.position) == [Offset(9)] && next.items[0].lastEpoch == LeaderEpoch(3))
    }

    @Test("leaves a full partition out, and hurries the broker that has others")
    func backPressure() throws {
        var machine = machine()
        machine.start(first, at: .offset(Offset(0)))
        machine.start(second, at: .offset(Offset(0)))
        let fetch = try #require(machine.poll(now: at(0), view: view).fetches.first)
        #expect(fetch.items.count == 2)
        machine.fetchEnded(fetch)
        let mine = try #require(fetch.items.first { $0.partition == first })
        #expect(answer(&machine, mine, next: 4, bytes: 150) == .deliver)
        let next = try #require(machine.poll(now: at(0), view: view).fetches.first)
        #expect(next.items.map(\.partition) == [second] && next.waitMs == 10)
        machine.fetchEnded(next)
        machine.taken(first, tag: mine.tag, byteCount: 150)
        #expect(machine.poll(now: at(0), view: view).fetches.first?.items.count == 2)
    }

    @Test("what belongs to an older seek is dropped")
    func seek() throws {
        var machine = machine()
        machine.start(first, at: .offset(Offset(0)))
        let fetch = try #require(machine.poll(now: at(0), view: view).fetches.first)
        machine.start(first, at: .offset(Offset(50)))
        machine.fetchEnded(fetch)
        #expect(answer(&machine, fetch.items[0], next: 9) == .stale)
        #expect(machine.poll(now: at(0), view: view).fetches.first?.items.first?.position == Offset(50))
        machine.stop(first)
        #expect(machine.poll(now: at(0), view: view).fetches.isEmpty && machine.assigned.isEmpty)
    }

    @Test("paused partitions are not fetched")
    func pause() {
        var machine = machine()
        machine.start(first, at: .offset(Offset(0)))
        machine.pause(first)
        #expect(machine.poll(now: at(0), view: view).fetches.isEmpty)
        machine.resume(first)
        #expect(machine.poll(now: at(0), view: view).fetches.count == 1)
    }

    @Test("records that are gone are reported, and nothing is read before a seek")
    func loss() throws {
        var machine = machine()
        machine.start(first, at: .offset(Offset(10)))
        let fetch = try #require(machine.poll(now: at(0), view: view).fetches.first)
        machine.fetchEnded(fetch)
        let verdict = answer(&machine, fetch.items[0], error: .offsetOutOfRange, next: nil, logStart: 40)
        #expect(verdict == .lost(position: Offset(10), resumesAt: Offset(40)))
        #expect(machine.poll(now: at(0), view: view).fetches.isEmpty)
        machine.start(first, at: .offset(Offset(40)))
        #expect(machine.poll(now: at(0), view: view).fetches.first?.items.first?.position == Offset(40))
    }

    @Test("a log that was cut off below the position is reported too")
    func truncation() throws {
        var machine = machine()
        machine.start(first, at: .offset(Offset(10)))
        let fetch = try #require(machine.poll(now: at(0), view: view).fetches.first)
        machine.fetchEnded(fetch)
        #expect(
            answer(&machine, fetch.items[0], next: nil, diverged: 7)
                == .lost(position: Offset(10), resumesAt: Offset(7)))
    }

    @Test("or skipped, when that is wanted")
    func skip() throws {
        var machine = machine {
            $0.reportsLoss = false
            $0.resetTo = .earliest
        }
        machine.start(first, at: .offset(Offset(10)))
        let fetch = try #require(machine.poll(now: at(0), view: view).fetches.first)
        machine.fetchEnded(fetch)
        #expect(answer(&machine, fetch.items[0], error: .offsetOutOfRange, next: nil, logStart: 40) == .nothing)
        #expect(machine.poll(now: at(0), view: view).lookups[BrokerID(1)]?.first?.timestamp == -2)
    }

    @Test("a moved leader is looked for after a back-off")
    func leaderMoved() throws {
        var machine = machine()
        machine.start(first, at: .offset(Offset(10)))
        let fetch = try #require(machine.poll(now: at(0), view: view).fetches.first)
        machine.fetchEnded(fetch)
        #expect(answer(&machine, fetch.items[0], error: .notLeaderOrFollower, next: nil) == .refreshMetadata)
        let wait = machine.poll(now: at(0), view: view)
        #expect(wait.fetches.isEmpty)
        let wake = try #require(wait.wakeAt)
        #expect(machine.poll(now: wake, view: view).fetches.first?.items.first?.position == Offset(10))
        #expect(machine.poll(now: wake, view: ClusterView(metadata(["a": [(nil, 4), (1, 3)]]))).fetches.isEmpty)
    }

    @Test("a time after the last record means the end")
    func lateTime() throws {
        var machine = machine()
        machine.start(first, at: .timestamp(123))
        let lookup = try #require(machine.poll(now: at(0), view: view).lookups[BrokerID(1)]?.first)
        #expect(lookup.timestamp == 123)
        _ = machine.lookedUp(lookup, error: .none, offset: -1, now: at(0), random: FixedRandom())
        #expect(machine.poll(now: at(0), view: view).lookups[BrokerID(1)]?.first?.timestamp == -1)
    }

    @Test("partitions take turns at the front")
    func fairness() throws {
        var machine = machine()
        machine.start(first, at: .offset(Offset(0)))
        machine.start(second, at: .offset(Offset(0)))
        var fronts: Set<TopicPartition> = []
        for _ in 0..<2 {
            let fetch = try #require(machine.poll(now: at(0), view: view).fetches.first)
            fronts.insert(fetch.items[0].partition)
            machine.fetchEnded(fetch)
        }
        #expect(fronts == [first, second])
    }
}
