// WeirServer: the network and the life of a broker process: listeners, connections, ordered answers, limits, settings from
// outside, logging, signals, starting and stopping. It knows frames, and of requests only their key; what a request means
// is for WeirBroker, and partitions, groups and topics may never enter.

import Logging
import NIOCore
import NIOPosix
import Synchronization
import WeirBroker
import WeirModel
import WeirSystem

/// The listeners and their connections.
///
/// `bind` takes the addresses, so that the real ports are known; `serve` lets clients in.
final class BrokerServer: Sendable {
    let addresses: [ListenerAddress]
    private let listeners: [any Channel]
    private let shared: Shared

    /// What the listeners' accepting code uses; the dispatcher comes with `serve`.
    private final class Shared: Sendable {
        let loops: [ServerLoop]
        let services: ConnectionServices
        let dispatcher = Locked<(any RequestDispatcher)?>(nil)
        let nextConnection = Atomic<UInt64>(1)

        init(loops: [ServerLoop], services: ConnectionServices) {
            self.loops = loops
            self.services = services
        }
    }

    private init(addresses: [ListenerAddress], listeners: [any Channel], shared: Shared) {
        self.addresses = addresses
        self.listeners = listeners
        self.shared = shared
    }

    static func bind(
        _ wanted: [ListenerAddress], group: MultiThreadedEventLoopGroup, limits: ServerLimits, logger: Logger,
        coldAnswers: ColdAnswers? = nil
    ) async throws -> BrokerServer {
        let services = ConnectionServices(
            logger: logger, admission: Admission(limits: limits), coldAnswers: coldAnswers)
        let eventLoops = Array(group.makeIterator())
        let loops = eventLoops.map { ServerLoop(eventLoop: $0, limits: limits, loopCount: eventLoops.count) }
        let shared = Shared(loops: loops, services: services)
        var listeners: [any Channel] = []
        var addresses: [ListenerAddress] = []
        do {
            for address in wanted {
                let channel = try await listen(address, group: group, limits: limits, shared: shared)
                listeners.append(channel)
                var bound = address
                bound.port = channel.localAddress?.port ?? address.port
                addresses.append(bound)
            }
        } catch {
            for listener in listeners { try? await listener.close() }
            throw error
        }
        return BrokerServer(addresses: addresses, listeners: listeners, shared: shared)
    }

    private static func listen(
        _ address: ListenerAddress, group: MultiThreadedEventLoopGroup, limits: ServerLimits, shared: Shared
    ) async throws -> any Channel {
        var bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: limits.backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // Nobody is let in before `serve`; the kernel keeps early ones in the backlog.
            .serverChannelOption(.autoRead, value: false)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(
                .writeBufferWaterMark, value: ChannelOptions.Types.WriteBufferWaterMark(low: 64 << 10, high: 256 << 10))
        if let bytes = limits.sendBufferBytes {
            bootstrap = bootstrap.childChannelOption(.socketOption(.so_sndbuf), value: Int(bytes))
        }
        if let bytes = limits.receiveBufferBytes {
            bootstrap = bootstrap.serverChannelOption(.socketOption(.so_rcvbuf), value: Int(bytes))
        }
        let name = address.name
        return
            try await bootstrap
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try admit(channel, listener: name, shared: shared) }
            }
            .bind(host: address.host.isEmpty ? "0.0.0.0" : address.host, port: address.port).get()
    }

    /// Sets an accepted connection up, or throws, upon which NIO closes it.
    private static func admit(_ channel: any Channel, listener: String, shared: Shared) throws {
        let address = channel.remoteAddress?.ipAddress ?? "unknown"
        if let reason = shared.services.admission.enter(address) {
            shared.services.logger.info(
                "connection refused", metadata: ["client": "\(address)", "reason": "\(reason)"])
            throw ChannelError.ioOnClosedChannel
        }
        guard let loop = shared.loops.first(where: { $0.eventLoop === channel.eventLoop }),
            let dispatcher = shared.dispatcher.withLock({ $0 })
        else {
            shared.services.admission.leave(address)
            throw ChannelError.ioOnClosedChannel
        }
        let number = shared.nextConnection.wrappingAdd(1, ordering: .relaxed).oldValue
        let info = ConnectionInfo(id: ConnectionID(number), listener: listener, clientAddress: address)
        let connection = Connection(info: info, loop: loop, dispatcher: dispatcher, services: shared.services)
        do {
            try channel.syncOptions?.setOption(
                .recvAllocator, value: ConnectionReceiveAllocator(connection: connection))
        } catch {
            shared.services.admission.leave(address)
            throw error
        }
        // From here on the connection leaves by itself.
        try channel.pipeline.syncOperations.addHandler(connection)
    }

    /// Open connections.
    var connectionCount: Int { shared.services.admission.total }

    /// Lets clients in.
    func serve(_ dispatcher: any RequestDispatcher) async throws {
        shared.dispatcher.withLock { $0 = dispatcher }
        for listener in listeners {
            try await listener.setOption(.autoRead, value: true).get()
            listener.read()
        }
    }

    /// Lets nobody in any more.
    func stopListening() async {
        for listener in listeners { try? await listener.close().get() }
    }

    /// Has no further request start. Those in progress are answered as ever.
    func stopRequests() async {
        for loop in shared.loops {
            try? await loop.eventLoop.submit { loop.stopStarting() }.get()
        }
    }

    /// Closes every connection, without waiting for answers.
    func closeConnections() async {
        for loop in shared.loops {
            try? await loop.eventLoop.submit { loop.closeAll() }.get()
        }
    }
}
