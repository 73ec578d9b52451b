import NIOCore
import WeirModel

/// What the network side allows. Every limit has a Kafka key.
struct ServerLimits: Sendable {
    /// The longest frame, without its length prefix (`socket.request.max.bytes`).
    var frameBytesMax = 104_857_600
    /// Open connections in all (`max.connections`).
    var connectionsMax = Int.max
    /// Open connections that the process has descriptors for, beside its files.
    var connectionRoom = Int.max
    /// Open connections from one address (`max.connections.per.ip`).
    var connectionsPerAddressMax = Int.max
    /// Other limits for some addresses (`max.connections.per.ip.overrides`).
    var connectionsPerAddressOverrides: [String: Int] = [:]
    /// How long a connection may be silent with nothing in progress (`connections.max.idle.ms`); 0 or less is forever.
    var idleMilliseconds: Int64 = 600_000
    /// Memory in frames that are unfinished or wait their turn, over all connections (`queued.max.request.bytes`).
    var requestMemoryMax = 512 * 1024 * 1024
    /// The queue of connections that the kernel accepts ahead of the broker (`socket.listen.backlog.size`).
    var backlog: Int32 = 511
    /// Socket buffers in bytes; nil leaves them to the kernel (`socket.send.buffer.bytes`, `socket.receive.buffer.bytes`).
    var sendBufferBytes: Int32?
    var receiveBufferBytes: Int32?

    /// Sweeps within one idle time: a connection lives up to one sweep longer than it should.
    static let sweepsPerIdleTime: Int64 = 8

    /// Time between two sweeps: an eighth of the idle time, at least 50 ms and at most 15 s.
    var sweepPeriod: TimeAmount {
        guard idleMilliseconds > 0 else { return .seconds(15) }
        return .milliseconds(min(max(idleMilliseconds / Self.sweepsPerIdleTime, 50), 15_000))
    }

    /// How many sweeps a connection may stay silent for; nil is forever.
    var idleSweepsMax: UInt32? {
        guard idleMilliseconds > 0 else { return nil }
        let period = max(sweepPeriod.nanoseconds / 1_000_000, 1)
        return UInt32(clamping: (idleMilliseconds + period - 1) / period)
    }
}

extension ServerLimits {
    /// What stays free for everything but connections and segment files: an eighth, at least so many.
    static let descriptorReserveMin = 64

    /// How many connections a process may have whose logs hold so many files open. Without this bound connections would take
    /// the descriptors that appends and syncs need.
    static func connectionRoom(descriptors: Int, openFilesMax: Int) -> Int {
        max(16, descriptors - openFilesMax - max(descriptors / 8, descriptorReserveMin))
    }

    init(_ settings: BrokerSettings) {
        frameBytesMax = settings.socketRequestMaxBytes
        connectionsMax = settings.maxConnections
        connectionsPerAddressMax = settings.maxConnectionsPerIP
        connectionsPerAddressOverrides = settings.maxConnectionsPerIPOverrides
        idleMilliseconds = settings.connectionsMaxIdleMs
        requestMemoryMax = settings.queuedMaxRequestBytes > 0 ? settings.queuedMaxRequestBytes : Int.max
        backlog = Int32(clamping: settings.socketListenBacklogSize)
        if settings.socketSendBufferBytes > 0 { sendBufferBytes = Int32(clamping: settings.socketSendBufferBytes) }
        if settings.socketReceiveBufferBytes > 0 {
            receiveBufferBytes = Int32(clamping: settings.socketReceiveBufferBytes)
        }
    }
}
