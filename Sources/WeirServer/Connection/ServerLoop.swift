import NIOCore
import WeirBroker

/// What the connections of one event loop share: receive buffers, the mailbox, the list of connections with something to
/// send, and the sweep that closes idle ones.
///
/// A tick is one event: bytes from a socket, a batch of letters, a timer. Whatever answers it brings, on whichever of the
/// loop's connections, each of these is flushed once at its end.
final class ServerLoop: @unchecked Sendable {
    // Unchecked: `eventLoop`, `mailbox` and `limits` are constants; everything else is touched on the event loop only.
    let eventLoop: any EventLoop
    let mailbox = ReplyMailbox()
    let buffers = ReceiveBufferPool()
    let limits: ServerLimits

    private(set) var connections: [ConnectionID: Connection] = [:]
    private var touched: [Connection] = []
    private var isInTick = false
    /// Counts sweeps; connections note it when something happens on them.
    private(set) var sweepNumber: UInt32 = 0
    private var sweeps: RepeatedTask?
    /// Set when the broker stops: no request starts any more, while those in progress are answered.
    private(set) var isStopping = false

    /// Memory in unfinished and waiting frames.
    private var heldBytes = 0
    private let heldBytesMax: Int
    private var starved: [Connection] = []
    /// The one connection that may go on although memory is short, so that something always finishes.
    private weak var privileged: Connection?
    private var relief: Scheduled<Void>?
    /// How old an unfinished request may be while memory is short: clients that begin large requests and do not go on must
    /// not hold up those that would.
    static let shortageMax = TimeAmount.seconds(2)

    init(eventLoop: any EventLoop, limits: ServerLimits, loopCount: Int) {
        self.eventLoop = eventLoop
        self.limits = limits
        heldBytesMax = max(limits.requestMemoryMax / max(loopCount, 1), 1)
    }

    // MARK: Ticks

    /// Runs what one event brings, then flushes what it touched.
    func tick(_ body: () -> Void) {
        if isInTick { return body() }
        isInTick = true
        body()
        while let connection = touched.popLast() { connection.endTick() }
        isInTick = false
    }

    /// Has the connection looked at when the tick ends. Only called within one.
    func touch(_ connection: Connection) { touched.append(connection) }

    /// Brings an answer to one of this loop's connections, from any thread.
    func deliver(_ letter: ReplyMailbox.Letter) {
        if eventLoop.inEventLoop {
            tick { letter.connection.answered(letter.slot, letter.reply) }
        } else if mailbox.post(letter) {
            eventLoop.execute { [self] in
                let letters = mailbox.takeAll()
                tick { for letter in letters { letter.connection.answered(letter.slot, letter.reply) } }
            }
        }
    }

    // MARK: Connections

    func add(_ connection: Connection) {
        connections[connection.info.id] = connection
        if sweeps == nil { startSweeps() }
    }

    func remove(_ connection: Connection) {
        connections[connection.info.id] = nil
        if privileged === connection { privileged = nil }
        wakeStarved()
    }

    /// One timer for all connections: thousands of idle ones cost a walk over a table now and then.
    private func startSweeps() {
        let period = limits.sweepPeriod
        sweeps = eventLoop.scheduleRepeatedTask(initialDelay: period, delay: period) { [weak self] _ in
            self?.sweep()
        }
    }

    private func sweep() {
        sweepNumber &+= 1
        buffers.trim()
        privileged = nil
        wakeStarved()
        let idle = connections.values.filter { $0.isIdle(atSweep: sweepNumber) }
        tick { for connection in idle { connection.closeIdle() } }
        if connections.isEmpty {
            sweeps?.cancel()
            sweeps = nil
        }
    }

    func stopStarting() { isStopping = true }

    func closeAll() {
        sweeps?.cancel()
        sweeps = nil
        relief?.cancel()
        relief = nil
        for connection in connections.values { connection.closeNow() }
    }

    // MARK: Memory in flight

    /// A connection's memory for frames has changed.
    func heldChanged(from old: Int, to new: Int, by connection: Connection) {
        heldBytes += new - old
        if new == 0, privileged === connection { privileged = nil }
        if new < old { wakeStarved() }
    }

    /// Whether a connection that holds part of a frame may read more of it. One that may not is looked at again when
    /// memory is given back.
    func mayGrow(_ connection: Connection) -> Bool {
        if heldBytes <= heldBytesMax { return true }
        if privileged == nil { privileged = connection }
        if privileged === connection { return true }
        if !connection.isStarved {
            connection.isStarved = true
            starved.append(connection)
        }
        if relief == nil {
            relief = eventLoop.scheduleTask(in: Self.shortageMax) { [weak self] in self?.relieve() }
        }
        return false
    }

    /// Memory has been short for a while: makes room, beginning with what has been unfinished for longest.
    private func relieve() {
        relief = nil
        guard !starved.isEmpty else { return }
        let oldest = connections.values.filter { $0.heldBytes > 0 }.sorted { $0.heldSince < $1.heldSince }
        let latest = NIODeadline.now() - Self.shortageMax
        tick {
            for connection in oldest where heldBytes > heldBytesMax && connection.heldSince <= latest {
                connection.closeForMemory()
            }
        }
        // Who is still over the limit comes back here by `mayGrow`.
        privileged = nil
        wakeStarved()
    }

    private func wakeStarved() {
        guard !starved.isEmpty, heldBytes <= heldBytesMax || privileged == nil else { return }
        let waiting = starved
        starved = []
        for connection in waiting { connection.isStarved = false }
        tick { for connection in waiting { connection.touch() } }
    }
}
