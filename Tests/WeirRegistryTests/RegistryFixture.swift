import SystemPackage
import WeirModel
import WeirRegistry
import WeirRegistrySQLite
import WeirSystem

/// Time that stands still until it is moved; timers fire as it is.
final class ManualTime: WeirClock, Timers {
    private struct State {
        var now: Int64 = 0
        var last = 0
        var pending: [Int: (at: Int64, body: @Sendable () -> Void)] = [:]
    }

    private struct Handle: TimerHandle {
        let id: Int
        let time: ManualTime
        func cancel() { time.state.withLock { $0.pending[id] = nil } }
    }

    private let state = Locked(State())

    var monotonic: MonotonicTime { MonotonicTime(nanoseconds: state.withLock { $0.now } * 1_000_000) }
    var wallMilliseconds: Int64 { state.withLock { $0.now } }

    func schedule(afterMilliseconds delay: Int64, _ body: @escaping @Sendable () -> Void) -> any TimerHandle {
        state.withLock { state in
            state.last += 1
            state.pending[state.last] = (state.now + delay, body)
            return Handle(id: state.last, time: self)
        }
    }

    /// Moves time on, firing what falls due in order.
    func advance(_ milliseconds: Int64) {
        let end = state.withLock { $0.now } + milliseconds
        while true {
            let body = state.withLock { state -> (@Sendable () -> Void)? in
                guard let next = state.pending.min(by: { ($0.value.at, $0.key) < ($1.value.at, $1.key) }),
                    next.value.at <= end
                else {
                    state.now = end
                    return nil
                }
                state.pending[next.key] = nil
                state.now = max(state.now, next.value.at)
                return next.value.body
            }
            guard let body else { return }
            body()
        }
    }

    /// Fires timers as soon as they are set, whenever nothing else runs, until the body is done.
    func running<Value: Sendable>(_ body: () async throws -> Value) async rethrows -> Value {
        let pump = Task {
            while !Task.isCancelled {
                self.advance(1)
                await Task.yield()
            }
        }
        defer { pump.cancel() }
        return try await body()
    }
}

/// Random numbers from a seed.
final class SeededSource: RandomSource {
    private let state: Locked<UInt64>
    init(seed: UInt64) { state = Locked(seed) }

    func next() -> UInt64 {
        state.withLock { state in
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }
}

/// The backends that the common suites run against.
enum Backend: String, CaseIterable, Sendable {
    case simulated
    case sqlite
}

/// One registry in a directory of its own, which goes away with it.
final class Fixture: Sendable {
    let registry: any Registry
    let time = ManualTime()
    let directory: FilePath?

    init(_ backend: Backend) throws {
        switch backend {
        case .simulated:
            directory = nil
            registry = SimulatedRegistry(seed: 1, clock: time, timers: time)
        case .sqlite:
            let made = try Self.temporaryDirectory()
            directory = made
            registry = try SQLiteRegistry(path: made.appending("registry.db"), clock: time, timers: time)
        }
    }

    deinit {
        if let directory { try? LinuxFileSystem().removeTree(directory) }
    }

    static func temporaryDirectory() throws -> FilePath {
        let name = UInt64.random(in: 0...UInt64.max)
        let path = FilePath("/tmp/weir-registry-test-\(String(name, radix: 36))")
        try LinuxFileSystem().makeDirectory(path, intermediates: true)
        return path
    }
}

extension ClusterStore {
    /// A store with brokers registered.
    static func withBrokers(
        _ registry: any Registry, seed: UInt64 = 1, brokers: ClosedRange<Int32> = 1...1
    ) async throws -> ClusterStore {
        let store = try await ClusterStore.open(
            registry, nodeID: BrokerID(brokers.lowerBound), random: SeededSource(seed: seed))
        for id in brokers {
            let number = UInt64(id)
            _ = try await store.registerBroker(
                BrokerID(id),
                endpoints: [BrokerEndpoint(listener: "PLAINTEXT", host: "127.0.0.1", port: 9000 + Int(id))],
                incarnation: UniqueID(high: number, low: 1), directories: [UniqueID(high: number, low: 2)]
            ).get()
        }
        return store
    }
}

/// Waits until a condition holds, giving way to others; false when it does not within many turns.
func eventually(_ condition: () async -> Bool) async -> Bool {
    for _ in 0..<200_000 {
        if await condition() { return true }
        await Task.yield()
    }
    return false
}
