import DequeModule
import Logging
import NIOCore
import WeirConnection
import WeirModel
import WeirProtocol
import WeirRecords
import WeirSystem

/// Drives the fetch machine and hands what it brings to the reader.
///
/// Unchecked: `queue` is behind its lock; everything else belongs to the cluster's event loop.
final class ConsumerCore: @unchecked Sendable {
    /// What the reader's side shares with the loop.
    struct Queue {
        var data: Deque<FetchedData> = []
        var waiter: Completion<Bool>?
        var failures: Deque<ClientError> = []
        var isClosed = false
        /// Set when the reader shall stop once these are read.
        var isBounded = false
        var unfinished: Set<TopicPartition> = []
        /// What was taken since the loop was last told.
        var taken: [(partition: TopicPartition, tag: UInt64, byteCount: Int)] = []
        var isWoken = false
    }

    let cluster: ClusterCore
    let configuration: ConsumerConfiguration
    let queue = Locked(Queue())
    private(set) var machine: FetchMachine
    private(set) var progress: [TopicPartition: Progress] = [:]
    private var timer: (at: MonotonicTime, task: Scheduled<Void>)?
    private var observer: Int?
    private var isClosed = false
    /// The membership, when the consumer is in a group.
    var group: GroupCore?

    init(cluster: ClusterCore, configuration: ConsumerConfiguration) {
        self.cluster = cluster
        self.configuration = configuration
        var settings = FetchMachine.Configuration()
        settings.bufferedPerPartitionMax = configuration.partitionPrefetchBytesMax
        settings.bufferedTotalMax = configuration.prefetchBytesMax
        settings.waitMs = configuration.fetchWaitMs
        settings.reportsLoss = configuration.lossPolicy == .report
        settings.resetTo = configuration.lossPolicy == .skipToEarliest ? .earliest : .latest
        machine = FetchMachine(configuration: settings)
        cluster.onLoop { [weak self] in
            self?.observer = cluster.observeOnLoop { [weak self] in self?.pump() }
        }
    }

    // MARK: Assignment, on the loop

    /// Starts to read a partition, or moves it. `until` is where the reader stops.
    func startOnLoop(_ partition: TopicPartition, at spec: OffsetSpec, until: Int64 = .max) {
        cluster.wantOnLoop(partition.topic)
        progress[partition]?.isStale = true
        machine.start(partition, at: spec)
        var position: Int64 = -1
        if case .offset(let offset) = spec { position = offset.rawValue }
        if let tag = machine.tag(of: partition) {
            progress[partition] = Progress(partition: partition, tag: tag, position: position, until: until)
        }
    }

    func stopOnLoop(_ partition: TopicPartition) {
        progress.removeValue(forKey: partition)?.isStale = true
        machine.stop(partition)
        finished(partition)
        nudge()
    }

    func pauseOnLoop(_ partitions: [TopicPartition]) {
        for partition in partitions { machine.pause(partition) }
    }

    func resumeOnLoop(_ partitions: [TopicPartition]) {
        for partition in partitions { machine.resume(partition) }
        pump()
    }

    // MARK: The pump

    func pump() {
        guard !isClosed else { return }
        let taken = queue.withLock { queue in
            queue.isWoken = false
            defer { queue.taken.removeAll(keepingCapacity: true) }
            return queue.taken
        }
        for part in taken { machine.taken(part.partition, tag: part.tag, byteCount: part.byteCount) }
        let result = machine.poll(now: cluster.clock.monotonic, view: cluster.metadata.view)
        for (broker, items) in result.lookups.sorted(by: { $0.key < $1.key }) { lookUp(items, at: broker) }
        for fetch in result.fetches { send(fetch) }
        if result.needsMetadata { cluster.markStaleOnLoop() }
        if let wakeAt = result.wakeAt { arm(at: wakeAt) }
    }

    private func arm(at deadline: MonotonicTime) {
        if let timer, timer.at <= deadline { return }
        timer?.task.cancel()
        let delay = max(1, deadline.milliseconds(since: cluster.clock.monotonic) + 1)
        let task = cluster.loop.assumeIsolated().scheduleTask(in: .milliseconds(delay)) {
            self.timer = nil
            self.pump()
        }
        timer = (deadline, task)
    }

    /// Not at once: a failure may be reported before `send` returns.
    private func schedulePump() { cluster.loop.execute { self.pump() } }

    private func send(_ fetch: FetchMachine.Fetch) {
        var request = FetchRequest()
        request.maxWaitMs = fetch.waitMs
        request.minBytes = configuration.fetchBytesMin
        request.maxBytes = configuration.fetchBytesMax
        request.isolationLevel = configuration.isolation.rawValue
        request.rackID = configuration.rack
        var positions: [String: Int] = [:]
        for item in fetch.items {
            var partition = FetchRequest.FetchPartition()
            partition.partition = item.partition.partition.rawValue
            partition.currentLeaderEpoch = item.currentEpoch.rawValue
            partition.fetchOffset = item.position.rawValue
            partition.lastFetchedEpoch = item.lastEpoch.rawValue
            partition.partitionMaxBytes = configuration.partitionBytesMax
            if let position = positions[item.partition.topic] {
                request.topics[position].partitions.append(partition)
            } else {
                var topic = FetchRequest.FetchTopic()
                topic.topic = item.partition.topic
                topic.partitions = [partition]
                positions[item.partition.topic] = request.topics.count
                request.topics.append(topic)
            }
        }
        let timeout = cluster.configuration.requestTimeoutMs &+ Int64(fetch.waitMs)
        cluster.send(request, to: fetch.broker, for: .fetch, timeoutMs: timeout) { result in
            self.machine.fetchEnded(fetch)
            switch result {
            case .success(let response): self.received(response, for: fetch)
            case .failure(let error): self.failed(fetch, error)
            }
            self.schedulePump()
        }
    }

    private func failed(_ fetch: FetchMachine.Fetch, _ error: ClientError) {
        guard !isClosed else { return }
        if error.isRetriable {
            cluster.configuration.logger.debug("fetch failed", metadata: ["error": "\(error)"])
            cluster.markStaleOnLoop()
            machine.failed(
                fetch.items.map { ($0.partition, $0.tag) }, now: cluster.clock.monotonic, random: cluster.random)
        } else {
            report(error)
        }
    }

    private func received(_ response: FetchResponse, for fetch: FetchMachine.Fetch) {
        let code = ErrorCode(rawValue: response.errorCode)
        guard code == .none else {
            return failed(fetch, .answered(code, about: "fetching from broker \(fetch.broker)"))
        }
        let now = cluster.clock.monotonic
        for topic in response.responses {
            for part in topic.partitions {
                let partition = TopicPartition(topic.topic, part.partitionIndex)
                guard let item = fetch.items.first(where: { $0.partition == partition }) else { continue }
                take(part, item: item, now: now)
            }
        }
    }

    private func take(_ part: FetchResponse.PartitionData, item: FetchMachine.FetchItem, now: MonotonicTime) {
        var bytes = ByteBuffer()
        if case .bytes(let buffer) = part.records { bytes = buffer }
        var end: (next: Int64, epoch: Int32)?
        do throws(RecordError) {
            end = try FetchedData.scan(bytes)
        } catch {
            return report(
                ClientError(
                    .corruptData, "\(item.partition) has bytes that are not record batches: \(error)",
                    partition: item.partition, cause: error))
        }
        let verdict = machine.fetched(
            item.partition, tag: item.tag,
            FetchMachine.Fetched(
                error: ErrorCode(rawValue: part.errorCode), highWatermark: Offset(part.highWatermark),
                logStart: Offset(part.logStartOffset), byteCount: bytes.readableBytes,
                nextPosition: end.map { Offset($0.next) }, lastEpoch: LeaderEpoch(end?.epoch ?? -1),
                divergedAt: part.divergingEpoch.epoch >= 0 ? Offset(part.divergingEpoch.endOffset) : nil),
            now: now, random: cluster.random)
        switch verdict {
        case .deliver:
            guard let progress = progress[item.partition], progress.tag == item.tag else { return }
            deliver(
                FetchedData(
                    progress: progress, bytes: bytes, position: item.position.rawValue,
                    aborted: (part.abortedTransactions ?? []).map { ($0.producerID, $0.firstOffset) },
                    byteCount: bytes.readableBytes))
        case .nothing, .stale:
            break
        case .refreshMetadata:
            cluster.markStaleOnLoop()
        case .lost(let position, let resumesAt):
            reportLoss(item.partition, from: position, to: resumesAt)
        case .refused(let code):
            report(.answered(code, about: "partition \(item.partition)", partition: item.partition))
        }
    }

    private func reportLoss(_ partition: TopicPartition, from position: Offset, to resumesAt: Offset?) {
        var error: ClientError
        if let resumesAt, resumesAt > position {
            error = ClientError(
                .dataLoss,
                "\(partition): offsets \(position) to \(resumesAt - 1) are no longer in the log",
                advice: "seek to \(resumesAt) to go on without them", partition: partition)
        } else {
            error = ClientError(
                .dataLoss,
                "\(partition): the log has no offset \(position); it may have been cut off or made anew",
                advice: "seek to the earliest or latest offset to go on", partition: partition)
        }
        error.brokerCode = .offsetOutOfRange
        error.lostRange = (position, resumesAt)
        report(error)
    }

    // MARK: Look-ups

    private func lookUp(_ items: [FetchMachine.LookupItem], at broker: BrokerID) {
        var request = ListOffsetsRequest()
        request.isolationLevel = configuration.isolation.rawValue
        request.topics = byTopic(items.map(\.partition)).map { topic, partitions in
            var wire = ListOffsetsRequest.ListOffsetsTopic()
            wire.name = topic
            wire.partitions = partitions.compactMap { partition in
                guard let item = items.first(where: { $0.partition == partition }) else { return nil }
                var wire = ListOffsetsRequest.ListOffsetsPartition()
                wire.partitionIndex = partition.partition.rawValue
                wire.currentLeaderEpoch = item.currentEpoch.rawValue
                wire.timestamp = item.timestamp
                return wire
            }
            return wire
        }
        cluster.send(request, to: broker, for: .general) { result in
            guard !self.isClosed else { return }
            let now = self.cluster.clock.monotonic
            switch result {
            case .failure(let error):
                if error.isRetriable {
                    self.cluster.markStaleOnLoop()
                    self.machine.failed(items.map { ($0.partition, $0.tag) }, now: now, random: self.cluster.random)
                } else {
                    self.report(error)
                }
            case .success(let response):
                for item in items { self.lookedUp(item, in: response, now: now) }
            }
            self.schedulePump()
        }
    }

    private func lookedUp(_ item: FetchMachine.LookupItem, in response: ListOffsetsResponse, now: MonotonicTime) {
        let part = response.topics.first { $0.name == item.partition.topic }?.partitions
            .first { $0.partitionIndex == item.partition.partition.rawValue }
        let code = part.map { ErrorCode(rawValue: $0.errorCode) } ?? .unknownTopicOrPartition
        switch machine.lookedUp(item, error: code, offset: part?.offset ?? -1, now: now, random: cluster.random) {
        case .refreshMetadata:
            cluster.markStaleOnLoop()
        case .refused(let code):
            report(.answered(code, about: "partition \(item.partition)", partition: item.partition))
        case .deliver, .nothing, .stale, .lost:
            if let position = machine.position(of: item.partition), let progress = progress[item.partition],
                progress.position < 0
            {
                progress.position = position.rawValue
            }
        }
    }

    // MARK: To the reader

    private func deliver(_ data: FetchedData) {
        let waiter = queue.withLock { queue in
            queue.data.append(data)
            defer { queue.waiter = nil }
            return queue.waiter
        }
        waiter?.finish(.success(true))
    }

    /// The reader's next call throws this.
    func report(_ error: ClientError) {
        let waiter = queue.withLock { queue in
            queue.failures.append(error)
            defer { queue.waiter = nil }
            return queue.waiter
        }
        waiter?.finish(.success(true))
    }

    /// Wakes the reader to look again.
    func nudge() {
        let waiter = queue.withLock { queue in
            defer { queue.waiter = nil }
            return queue.waiter
        }
        waiter?.finish(.success(true))
    }

    /// The reader's sequence ends.
    func endReading() {
        let waiter = queue.withLock { queue in
            queue.isClosed = true
            defer { queue.waiter = nil }
            return queue.waiter
        }
        waiter?.finish(.success(true))
    }

    func close() {
        endReading()
        cluster.onLoop {
            self.isClosed = true
            self.group = nil
            self.timer?.task.cancel()
            if let observer = self.observer { self.cluster.removeObserverOnLoop(observer) }
            for progress in self.progress.values { progress.isStale = true }
            self.cluster.close()
        }
    }

    /// The next data for the reader; nil at the end. Throws what the loop reported.
    func next() async throws(ClientError) -> FetchedData? {
        while true {
            let completion = Completion<Bool>()
            var shallWake = false
            let step = queue.withLock { queue -> Step in
                if let error = queue.failures.popFirst() { return .fail(error) }
                while let data = queue.data.popFirst() {
                    queue.taken.append((data.progress.partition, data.progress.tag, data.byteCount))
                    shallWake = shallWake || !queue.isWoken
                    queue.isWoken = true
                    if !data.progress.isStale { return .give(data) }
                }
                if queue.isClosed || (queue.isBounded && queue.unfinished.isEmpty) { return .end }
                queue.waiter = completion
                return .wait
            }
            if shallWake { schedulePump() }
            switch step {
            case .fail(let error): throw error
            case .give(let data): return data
            case .end: return nil
            case .wait: _ = try await completion.wait()
            }
        }
    }

    private enum Step {
        case fail(ClientError)
        case give(FetchedData)
        case end
        case wait
    }

    /// The sequence ends once the reader has read these to their ends.
    func bound(to unfinished: Set<TopicPartition>) {
        queue.withLock { queue in
            queue.isBounded = true
            queue.unfinished = unfinished
        }
        nudge()
    }

    /// The reader asked for more and found its partition taken away.
    func letGo() {
        cluster.onLoop { self.group?.readerLetGo() }
    }

    /// The reader has read a bounded partition to its end.
    func finished(_ partition: TopicPartition) {
        queue.withLock { _ = $0.unfinished.remove(partition) }
    }
}
