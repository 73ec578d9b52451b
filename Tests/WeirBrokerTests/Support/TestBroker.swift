import Foundation
import Logging
import NIOCore
import Synchronization
import SystemPackage
import WeirBroker
import WeirModel
import WeirProtocol
import WeirRecords
import WeirRegistry
import WeirStorage
import WeirSystem

/// A whole broker in this process, on real files in a temporary directory, with time that stands still.
final class TestBroker: Sendable {
    let directory: TestDirectory
    let time: TestTime
    let registry: SimulatedRegistry
    let broker: Broker
    let dispatcher: Dispatcher
    let connection: ConnectionInfo
    let sink = Collector()
    private let flushers: ThreadPool
    private let nextSlot = Atomic<UInt64>(0)

    private init(
        _ directory: TestDirectory, _ time: TestTime, _ registry: SimulatedRegistry, _ broker: Broker,
        _ flushers: ThreadPool
    ) {
        self.directory = directory
        self.time = time
        self.registry = registry
        self.broker = broker
        self.flushers = flushers
        dispatcher = Dispatcher(broker: broker)
        connection = ConnectionInfo(id: ConnectionID(1), listener: "PLAINTEXT", clientAddress: "127.0.0.1")
    }

    /// Starts one; `settings` go over defaults that suit tests.
    static func start(
        _ settings: [String: String] = [:], authorizer: any Authorizer = AllowAll(), after earlier: TestBroker? = nil
    ) async throws -> TestBroker {
        let directory = try earlier?.directory ?? TestDirectory()
        let time = earlier?.time ?? TestTime()
        let registry = earlier?.registry ?? SimulatedRegistry(seed: 7, clock: time, timers: time)
        let values = ["node.id": "1", "offsets.topic.num.partitions": "2"].merging(settings) { $1 }
        let resolved = try BrokerSettings(values: values.map { ($0.key, $0.value, .commandLine) })
        let random = TestRandom(seed: earlier == nil ? 11 : 12)
        let store = try await ClusterStore.open(registry, nodeID: resolved.nodeID, random: random)
        let flushers = ThreadPool(threads: 2, name: "flush")
        let logs = try LogManager.open(
            try DataDirectory(directory.path, fileSystem: LinuxFileSystem()),
            clusterID: store.state.clusterID.description,
            nodeID: resolved.nodeID, clock: time, timers: time, random: random, flushers: flushers)
        let broker = try await Broker.start(
            Broker.Environment(
                settings: resolved, clock: time, timers: time, random: random, workers: flushers, store: store,
                logs: logs,
                endpoints: [WeirRegistry.BrokerEndpoint(listener: "PLAINTEXT", host: "127.0.0.1", port: 9092)],
                authorizer: authorizer, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
        return TestBroker(directory, time, registry, broker, flushers)
    }

    /// Stops in order and starts again on the same files and registry.
    func restart(_ settings: [String: String] = [:]) async throws -> TestBroker {
        await stop()
        return try await TestBroker.start(settings, after: self)
    }

    func stop() async {
        await broker.stop()
        broker.logs.close()
        flushers.close()
    }

    // MARK: Requests

    /// Sends a request and answers with its slot.
    @discardableResult
    func send<Request: WireRequest>(_ request: Request, version: Int16) throws -> UInt64 {
        let frame = try Self.frame(request, version: version)
        return send(frame)
    }

    @discardableResult
    func send(_ frame: ByteBuffer) -> UInt64 {
        let slot = nextSlot.add(1, ordering: .relaxed).newValue
        _ = dispatcher.dispatch(frame, slot: slot, connection: connection, sink: sink)
        return slot
    }

    /// Sends a request and waits for its answer.
    func call<Request: WireRequest>(_ request: Request, version: Int16) async throws -> Request.Response {
        let slot = try send(request, version: version)
        return try await sink.wait(slot).decode(Request.Response.self, version: version)
    }

    /// The answer to a request that was sent, if there is one already.
    func answer<Response: WireMessage>(_ type: Response.Type, to slot: UInt64, version: Int16) throws -> Response? {
        try sink.peek(slot)?.decode(type, version: version)
    }

    /// A request as a frame without its length.
    static func frame<Request: WireRequest>(_ request: Request, version: Int16) throws -> ByteBuffer {
        var header = RequestHeader()
        header.apiKey = Request.key.rawValue
        header.apiVersion = version
        header.correlationID = 77
        header.clientID = "test"
        let frame = try WireWriter.frame(
            header: header, flexibleHeader: Request.isFlexible(version), body: request, version: version)
        guard case .bytes(var buffer)? = frame.parts.first, frame.parts.count == 1 else {
            throw Unexpected(description: "a request is one piece")
        }
        buffer.moveReaderIndex(forwardBy: 4)
        return buffer
    }
}

/// A directory that goes away with its last user.
final class TestDirectory: Sendable {
    let path: FilePath

    init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = FilePath(url.path)
    }

    deinit { try? FileManager.default.removeItem(atPath: path.string) }
}

// MARK: Shorthands

extension TestBroker {
    /// Makes a topic; asynchronously flushed unless told otherwise, so that nothing waits for the disk.
    @discardableResult
    func createTopic(
        _ name: String, partitions: Int32 = 1, configs: [String: String] = ["flush.mode": "async"]
    ) async throws -> UniqueID {
        var topic = CreateTopicsRequest.CreatableTopic()
        topic.name = name
        topic.numPartitions = partitions
        topic.replicationFactor = 1
        topic.configs = configs.sorted { $0.key < $1.key }.map { key, value in
            var config = CreateTopicsRequest.CreatableTopicConfig()
            config.name = key
            config.value = value
            return config
        }
        var request = CreateTopicsRequest()
        request.topics = [topic]
        let response = try await call(request, version: 7)
        guard let result = response.topics.first, result.errorCode == 0 else {
            throw Unexpected(description: "topic \(name): \(response.topics)")
        }
        return result.topicID
    }

    static func batch(
        _ values: [String], codec: CompressionCodec = .none, producerID: Int64 = -1, epoch: Int16 = -1,
        sequence: Int32 = -1, timestamp: Int64 = TestTime.wallStart
    ) throws -> ByteBuffer {
        var builder = RecordBatchBuilder(
            codec: codec, producerID: producerID, producerEpoch: epoch, baseSequence: sequence)
        for (index, value) in values.enumerated() {
            try builder.append(
                key: nil, value: ByteBuffer(string: value), headers: [], timestamp: timestamp + Int64(index))
        }
        return try builder.finish()
    }

    static func produce(_ topic: String, _ partition: Int32, _ batch: ByteBuffer, acks: Int16 = 1) -> ProduceRequest {
        var data = ProduceRequest.PartitionProduceData()
        data.index = partition
        data.records = .bytes(batch)
        var topicData = ProduceRequest.TopicProduceData()
        topicData.name = topic
        topicData.partitionData = [data]
        var request = ProduceRequest()
        request.acks = acks
        request.timeoutMs = 30_000
        request.topicData = [topicData]
        return request
    }

    /// Produces one batch and answers with its partition's answer.
    @discardableResult
    func produce(
        _ topic: String, _ values: [String], partition: Int32 = 0, acks: Int16 = 1, version: Int16 = 9
    ) async throws -> ProduceResponse.PartitionProduceResponse {
        try await produce(topic, try Self.batch(values), partition: partition, acks: acks, version: version)
    }

    @discardableResult
    func produce(
        _ topic: String, _ batch: ByteBuffer, partition: Int32 = 0, acks: Int16 = 1, version: Int16 = 9
    ) async throws -> ProduceResponse.PartitionProduceResponse {
        let response = try await call(Self.produce(topic, partition, batch, acks: acks), version: version)
        guard let answer = response.responses.first?.partitionResponses.first else {
            throw Unexpected(description: "no partition in \(response)")
        }
        return answer
    }

    static func fetch(
        _ topic: String, from offset: Int64, partition: Int32 = 0, maxWaitMs: Int32 = 0, minBytes: Int32 = 1,
        maxBytes: Int32 = 1 << 20
    ) -> FetchRequest {
        var entry = FetchRequest.FetchPartition()
        entry.partition = partition
        entry.fetchOffset = offset
        entry.partitionMaxBytes = maxBytes
        var wanted = FetchRequest.FetchTopic()
        wanted.topic = topic
        wanted.partitions = [entry]
        var request = FetchRequest()
        request.maxWaitMs = maxWaitMs
        request.minBytes = minBytes
        request.topics = [wanted]
        return request
    }

    /// Fetches what there is and answers with the values.
    func values(_ topic: String, from offset: Int64 = 0, partition: Int32 = 0) async throws -> [String] {
        let response = try await call(Self.fetch(topic, from: offset, partition: partition), version: 11)
        return try Self.values(response)
    }

    static func values(_ response: FetchResponse) throws -> [String] {
        var values: [String] = []
        for partition in response.responses.flatMap(\.partitions) {
            guard case .bytes(let bytes) = partition.records else { continue }
            var batches = RecordBatchIterator(bytes)
            while let batch = try batches.next() {
                for record in try batch.records() {
                    values.append(record.value.map { String(buffer: $0) } ?? "null")
                }
            }
        }
        return values
    }
}

/// Refuses what the test names.
struct Denying: Authorizer {
    let denied: [(WeirBroker.Operation, Resource.Kind)]
    func allows(_ principal: Principal, _ operation: WeirBroker.Operation, on resource: Resource) -> Bool {
        !denied.contains { $0.0 == operation && $0.1 == resource.kind }
    }
}
