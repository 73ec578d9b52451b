import WeirSystem

/// Counts connections, in total and by address, and turns away those over the limits.
final class Admission: Sendable {
    private struct Counts {
        var total = 0
        var byAddress: [String: Int] = [:]
    }

    private let counts = Locked(Counts())
    private let connectionsMax: Int
    private let connectionRoom: Int
    private let perAddressMax: Int
    private let overrides: [String: Int]

    init(limits: ServerLimits) {
        connectionsMax = limits.connectionsMax
        connectionRoom = limits.connectionRoom
        perAddressMax = limits.connectionsPerAddressMax
        overrides = limits.connectionsPerAddressOverrides
    }

    /// Counts a connection in; otherwise the reason why it may not come in. Whoever came in calls `leave`, once.
    func enter(_ address: String) -> String? {
        counts.withLock { counts -> String? in
            let here = counts.byAddress[address, default: 0]
            if counts.total >= connectionsMax { return "max.connections (\(connectionsMax)) is reached" }
            if counts.total >= connectionRoom {
                return "the limit on open files (ulimit -n) leaves room for \(connectionRoom) connections"
            }
            let most = overrides[address] ?? perAddressMax
            if here >= most { return "max.connections.per.ip (\(most)) is reached" }
            counts.total += 1
            counts.byAddress[address] = here + 1
            return nil
        }
    }

    func leave(_ address: String) {
        counts.withLock { counts in
            counts.total -= 1
            let here = counts.byAddress[address, default: 1] - 1
            counts.byAddress[address] = here > 0 ? here : nil
        }
    }

    var total: Int { counts.withLock { $0.total } }
}
