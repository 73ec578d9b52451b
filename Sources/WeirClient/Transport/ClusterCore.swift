import Logging
import NIOCore
import NIOPosix
import WeirConnection
import WeirModel
import WeirProtocol
import WeirSystem

/// What a client's parts share: one event loop, the links to brokers, and the cluster's metadata.
///
/// Unchecked: everything mutable belongs to the event loop, and every method that touches it says `onLoop` in its name or is
/// called from one that does.
final class ClusterCore: @unchecked Sendable {
    /// What a link is for. A long poll or a waiting JoinGroup holds up whatever comes after it on its connection.
    enum Purpose: Hashable { case general, fetch, group }

    /// Which broker a request goes to.
    enum Target: Hashable, Sendable {
        case any
        case broker(BrokerID)
        case controller
    }

    private enum LinkKey: Hashable {
        case bootstrap(Int)
        case broker(BrokerID, Purpose)
    }

    let configuration: ClientConfiguration
    let loop: any EventLoop
    let clock: any WeirClock
    let random: any RandomSource

    private(set) var metadata: MetadataMachine
    private var links: [LinkKey: BrokerLink] = [:]
    private var metadataTimer: Scheduled<Void>?
    private var topicWaiters: [TopicWaiter] = []
    private var observers: [Int: () -> Void] = [:]
    private var nextObserver = 0
    private var isClosed = false
    /// Whether any broker has ever answered.
    private var hasAnswered = false
    private let startedAt: MonotonicTime
    /// Whether asking for a topic's metadata may create it.
    private let createsTopics: Bool

    init(
        configuration: ClientConfiguration, createsTopics: Bool, clock: any WeirClock = SystemClock(),
        random: any RandomSource = SystemRandom()
    ) {
        self.configuration = configuration
        self.createsTopics = createsTopics
        self.clock = clock
        self.random = random
        loop = MultiThreadedEventLoopGroup.singleton.next()
        startedAt = clock.monotonic
        metadata = MetadataMachine(
            backoff: Backoff(initialMs: configuration.retryBackoffMs, maximumMs: configuration.retryBackoffMaxMs),
            maximumAgeMs: configuration.metadataMaxAgeMs)
    }

    /// Runs on the event loop, at once when called from it.
    func onLoop(_ body: @escaping @Sendable () -> Void) {
        if loop.inEventLoop { body() } else { loop.execute(body) }
    }

    /// Runs on the event loop and waits for what it gives.
    func perform<Value: Sendable>(
        _ body: @escaping @Sendable (Completion<Value>) -> Void
    ) async throws(ClientError) -> Value {
        let completion = Completion<Value>()
        onLoop { body(completion) }
        return try await completion.wait()
    }

    func close() {
        onLoop {
            guard !self.isClosed else { return }
            self.isClosed = true
            self.metadataTimer?.cancel()
            for link in self.links.values { link.close() }
            self.links = [:]
            let waiters = self.topicWaiters
            self.topicWaiters = []
            for waiter in waiters { waiter.complete(.failure(.closed)) }
            self.observers = [:]
        }
    }

    // MARK: Links

    private func link(_ key: LinkKey, to server: ClientConfiguration.Server) -> BrokerLink {
        if let link = links[key] {
            if link.server == server { return link }
            // The broker has moved to another address.
            link.close()
        }
        let link = BrokerLink(
            server: server, configuration: configuration, loop: loop, clock: clock, random: random)
        links[key] = link
        return link
    }

    func link(to id: BrokerID, for purpose: Purpose) -> BrokerLink? {
        guard let broker = metadata.view.brokers[id] else { return nil }
        return link(.broker(id, purpose), to: ClientConfiguration.Server(host: broker.host, port: broker.port))
    }

    /// Links worth asking anything, best first: connected ones, then known brokers, then the bootstrap list.
    private func candidates() -> [BrokerLink] {
        var found: [BrokerLink] = []
        var up: [BrokerLink] = []
        let brokers = metadata.view.brokers.values.sorted { $0.id < $1.id }
        let turn = brokers.isEmpty ? 0 : Int(random.next() % UInt64(brokers.count))
        for index in brokers.indices {
            let broker = brokers[(index + turn) % brokers.count]
            guard let link = link(to: broker.id, for: .general) else { continue }
            if link.isUp { up.append(link) } else { found.append(link) }
        }
        for (index, server) in configuration.bootstrap.enumerated() {
            let link = link(.bootstrap(index), to: server)
            if link.isUp { up.append(link) } else { found.append(link) }
        }
        return up + found
    }

    // MARK: Requests

    /// Sends one request over a link, without trying again.
    func send<R: WireRequest>(
        _ request: R, over link: BrokerLink, timeoutMs: Int64? = nil, expectsAnswer: Bool = true,
        maximumVersion: Int16 = .max, complete: @escaping (Result<R.Response, ClientError>) -> Void
    ) {
        let clientID = configuration.clientID
        link.send(
            BrokerLink.Call(
                key: R.key, firstFlexible: R.firstFlexible, timeoutMs: timeoutMs ?? configuration.requestTimeoutMs,
                expectsAnswer: expectsAnswer, maximumVersion: maximumVersion, enqueuedAt: clock.monotonic,
                encode: { (slot) throws(WireError) in
                    try BrokerLink.frame(request, slot: slot, clientID: clientID)
                },
                complete: { [weak link] result in
                    switch result {
                    case .failure(let error):
                        complete(.failure(error))
                    case .success(let (body, version)):
                        guard expectsAnswer else { return complete(.success(R.Response())) }
                        do throws(WireError) {
                            // Bytes left over are let pass, as by other clients: librdkafka's mock cluster, for one, ends
                            // some answers in a byte too many.
                            var rest = body
                            let response = try WireReader.readPrefix(
                                R.Response.self, from: &rest, version: version,
                                flexible: R.Response.isFlexible(version))
                            complete(.success(response))
                        } catch {
                            let text = "\(R.key.name) was answered with bytes that are not its answer: \(error)"
                            complete(.failure(ClientError(.protocolViolation, text)))
                            link?.violated(text)
                        }
                    }
                }))
    }

    /// Sends a request to a broker by id, without trying again.
    func send<R: WireRequest>(
        _ request: R, to id: BrokerID, for purpose: Purpose, timeoutMs: Int64? = nil, expectsAnswer: Bool = true,
        maximumVersion: Int16 = .max, complete: @escaping (Result<R.Response, ClientError>) -> Void
    ) {
        guard !isClosed else { return complete(.failure(.closed)) }
        guard let link = link(to: id, for: purpose) else {
            metadata.markStale()
            pollMetadata()
            return complete(
                .failure(
                    ClientError(
                        .connectionFailed, "broker \(id) is not in the cluster's metadata", isRetriable: true)))
        }
        send(
            request, over: link, timeoutMs: timeoutMs, expectsAnswer: expectsAnswer, maximumVersion: maximumVersion,
            complete: complete)
    }

    /// Asks brokers one after the other until one answers; the last failure when none does.
    func sendToAnyOnLoop<R: WireRequest>(
        _ request: R, timeoutMs: Int64? = nil, complete: @escaping (Result<R.Response, ClientError>) -> Void
    ) {
        guard !isClosed else { return complete(.failure(.closed)) }
        attempt(request, candidates()[...], timeoutMs: timeoutMs, first: nil, complete: complete)
    }

    private func attempt<R: WireRequest>(
        _ request: R, _ rest: ArraySlice<BrokerLink>, timeoutMs: Int64?, first: ClientError?,
        complete: @escaping (Result<R.Response, ClientError>) -> Void
    ) {
        guard let link = rest.first, !isClosed else {
            let none = ClientError(.connectionFailed, "no broker is known", isRetriable: true)
            return complete(.failure(isClosed ? .closed : first ?? none))
        }
        send(request, over: link, timeoutMs: timeoutMs) { result in
            switch result {
            case .success:
                self.hasAnswered = true
                complete(result)
            case .failure(let error) where error.isRetriable:
                self.attempt(request, rest.dropFirst(), timeoutMs: timeoutMs, first: first ?? error, complete: complete)
            case .failure:
                complete(result)
            }
        }
    }

    /// One try of a call from a task.
    func call<R: WireRequest>(
        _ request: R, to target: Target, for purpose: Purpose = .general, timeoutMs: Int64? = nil
    ) async throws(ClientError) -> R.Response {
        try await perform { completion in
            let done: (Result<R.Response, ClientError>) -> Void = { completion.finish($0) }
            switch target {
            case .any:
                self.sendToAnyOnLoop(request, timeoutMs: timeoutMs, complete: done)
            case .broker(let id):
                self.send(request, to: id, for: purpose, timeoutMs: timeoutMs, complete: done)
            case .controller:
                if let id = self.metadata.view.controller {
                    self.send(request, to: id, for: purpose, timeoutMs: timeoutMs, complete: done)
                } else {
                    self.sendToAnyOnLoop(request, timeoutMs: timeoutMs, complete: done)
                }
            }
        }
    }

    /// Runs `body` again, with back-off, while it fails in a way that may pass and the call's time is not up.
    func retrying<Value>(
        _ body: () async throws(ClientError) -> Value
    ) async throws(ClientError) -> Value {
        let begin = clock.monotonic
        let backoff = Backoff(
            initialMs: configuration.retryBackoffMs, maximumMs: configuration.retryBackoffMaxMs)
        var failures = 0
        while true {
            do throws(ClientError) {
                return try await body()
            } catch {
                guard error.isRetriable else { throw error }
                failures += 1
                let now = clock.monotonic
                if error.code == .connectionFailed, !mayStillBootstrap(now: now) { throw error }
                let delay = backoff.delayMs(failures: failures, random: random)
                if now.advanced(milliseconds: delay) >= begin.advanced(milliseconds: configuration.callTimeoutMs) {
                    throw error
                }
                onLoop { self.markStaleOnLoop() }
                try await pause(milliseconds: delay)
            }
        }
    }

    /// Whether failing to connect is still tolerated: always once a broker has answered.
    private func mayStillBootstrap(now: MonotonicTime) -> Bool {
        hasAnswered || now < startedAt.advanced(milliseconds: configuration.bootstrapTimeoutMs)
    }

    var mayStillBootstrapOnLoop: Bool { mayStillBootstrap(now: clock.monotonic) }

    // MARK: Metadata

    struct TopicWaiter {
        let topic: String
        let deadline: MonotonicTime
        /// Until then an unknown topic may still appear.
        let unknownUntil: MonotonicTime
        let complete: (Result<ClusterView.Topic, ClientError>) -> Void
    }

    /// Calls back after every change of the metadata, on the loop, until removed.
    func observeOnLoop(_ body: @escaping () -> Void) -> Int {
        nextObserver += 1
        observers[nextObserver] = body
        return nextObserver
    }

    func removeObserverOnLoop(_ id: Int) { observers[id] = nil }

    func markStaleOnLoop() {
        metadata.markStale()
        pollMetadata()
    }

    func wantAllTopicsOnLoop() {
        metadata.wantsAllTopics = true
        markStaleOnLoop()
    }

    /// Keeps a topic's metadata fresh from now on.
    func wantOnLoop(_ topic: String) {
        metadata.want(topic)
        pollMetadata()
    }

    func forgetOnLoop(_ topic: String) { metadata.forget(topic) }

    /// A topic's metadata, without errors. `unknownGraceMs` is how long an unknown topic is waited for: it may be about to
    /// be created, or not known to every broker yet.
    func topic(_ name: String, unknownGraceMs: Int64) async throws(ClientError) -> ClusterView.Topic {
        try await perform { completion in
            self.awaitTopicOnLoop(name, unknownGraceMs: unknownGraceMs) { completion.finish($0) }
        }
    }

    func awaitTopicOnLoop(
        _ name: String, unknownGraceMs: Int64, complete: @escaping (Result<ClusterView.Topic, ClientError>) -> Void
    ) {
        guard !isClosed else { return complete(.failure(.closed)) }
        if let problem = TopicName.problem(with: name) {
            return complete(.failure(ClientError(.invalidArgument, "topic '\(name)': \(problem)")))
        }
        metadata.want(name)
        let now = clock.monotonic
        let waiter = TopicWaiter(
            topic: name, deadline: now.advanced(milliseconds: configuration.callTimeoutMs),
            unknownUntil: now.advanced(milliseconds: unknownGraceMs), complete: complete)
        if let topic = metadata.view.topics[name], topic.error == .none { return complete(.success(topic)) }
        topicWaiters.append(waiter)
        pollMetadata()
    }

    func pollMetadata() {
        guard !isClosed else { return }
        switch metadata.poll(now: clock.monotonic) {
        case .nothing:
            break
        case .wait(let until):
            metadataTimer?.cancel()
            let delay = max(1, until.milliseconds(since: clock.monotonic) + 1)
            metadataTimer = loop.assumeIsolated().scheduleTask(in: .milliseconds(delay)) { [weak self] in
                self?.pollMetadata()
            }
        case .request(let topics):
            requestMetadata(topics)
        }
    }

    private func requestMetadata(_ topics: [String]?) {
        var request = MetadataRequest()
        request.allowAutoTopicCreation = createsTopics
        request.topics = topics?.map { name in
            var topic = MetadataRequest.MetadataRequestTopic()
            topic.name = name
            return topic
        }
        sendToAnyOnLoop(request, timeoutMs: nil) { result in
            switch result {
            case .success(let response):
                self.metadata.answered(
                    response, forAllTopics: topics == nil, now: self.clock.monotonic, random: self.random)
                self.settleTopicWaiters(failure: nil)
                for observer in self.observers.sorted(by: { $0.key < $1.key }) { observer.value() }
            case .failure(let error):
                self.configuration.logger.debug("no metadata", metadata: ["error": "\(error)"])
                self.metadata.failed(now: self.clock.monotonic, random: self.random)
                self.settleTopicWaiters(failure: error)
            }
            self.pollMetadata()
        }
    }

    private func settleTopicWaiters(failure: ClientError?) {
        let now = clock.monotonic
        var left: [TopicWaiter] = []
        for waiter in topicWaiters {
            if let outcome = outcome(for: waiter, failure: failure, now: now) {
                if case .failure(let error) = outcome, error.code == .unknownTopicOrPartition {
                    metadata.forget(waiter.topic)
                }
                waiter.complete(outcome)
            } else {
                left.append(waiter)
            }
        }
        topicWaiters = left
    }

    /// Nil to go on waiting.
    private func outcome(
        for waiter: TopicWaiter, failure: ClientError?, now: MonotonicTime
    ) -> Result<ClusterView.Topic, ClientError>? {
        if let failure {
            let isOver = !failure.isRetriable || now >= waiter.deadline
            return isOver || !mayStillBootstrap(now: now) ? .failure(failure) : nil
        }
        let code = metadata.view.topics[waiter.topic]?.error ?? .unknownTopicOrPartition
        if code == .none, let topic = metadata.view.topics[waiter.topic] { return .success(topic) }
        let patience = code == .unknownTopicOrPartition ? waiter.unknownUntil : waiter.deadline
        if code.isRetriable, now < patience { return nil }
        return .failure(.answered(code, about: "topic '\(waiter.topic)'"))
    }
}
