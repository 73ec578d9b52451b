import Logging
import NIOCore
import Testing
import WeirModel
import WeirProtocol
import WeirRecords
import WeirRegistry
import WeirStorage
import WeirSystem

@testable import WeirBroker

@Suite("Topics made anew")
struct RecreatedTopicTests {
    private func delete(_ broker: TestBroker, _ name: String) async throws {
        var request = DeleteTopicsRequest()
        request.topicNames = [name]
        #expect(try await broker.call(request, version: 5).responses.first?.errorCode == 0)
    }

    /// The cluster's state may jump over the moment in which the name was free: then the old topic's logs must not become
    /// the new one's, nor the new one's be deleted for the old one.
    @Test func deletionAndCreationMayComeInOneState() async throws {
        let source = try await TestBroker.start()
        try await source.createTopic("t")
        let before = source.broker.store.state
        try await delete(source, "t")
        let id = try await source.createTopic("t")
        let after = source.broker.store.state
        await source.stop()

        let directory = try TestDirectory()
        let time = TestTime()
        let settings = try BrokerSettings(values: [("node.id", "1", .commandLine)])
        let flushers = ThreadPool(threads: 1, name: "flush")
        let logs = try LogManager.open(
            try DataDirectory(directory.path, fileSystem: LinuxFileSystem()), clusterID: "c", nodeID: settings.nodeID,
            clock: time, timers: time, random: TestRandom(seed: 1), flushers: flushers)
        let partitions = PartitionTable()
        let applier = ClusterApplier(
            settings: settings, logs: logs, partitions: partitions,
            metadata: MetadataCache(ClusterView(state: ClusterState(), localID: settings.nodeID)),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        applier.apply(before)
        let old = try #require(partitions.partition("t", 0))
        let rules = BatchRules(maxMessageBytes: 1 << 20, nowMs: TestTime.wallStart)
        let batch = try BatchValidator.validate(try TestBroker.batch(["x"]), rules: rules)
        _ = try old.log.append(batch, leaderEpoch: old.leaderEpoch)
        applier.apply(after)
        let new = try #require(partitions.partition("t", 0))
        #expect(new !== old && new.topicID == id && partitions.topic(id: id) != nil)
        #expect(partitions.topic(id: old.topicID) == nil)
        #expect(new.log.topicID == id)
        #expect(new.log.endOffset == .zero)
        #expect(try new.log.append(batch, leaderEpoch: new.leaderEpoch).baseOffset == .zero)
        #expect(old.check(epoch: -1) == .unknownTopicOrPartition)
        logs.close()
        flushers.close()
    }

    @Test func deletionByIDDoesNotTakeANewTopicOfThatName() async throws {
        let broker = try await TestBroker.start()
        try await broker.createTopic("t")
        let old = try #require(broker.broker.store.state.topics["t"])
        try await delete(broker, "t")
        let id = try await broker.createTopic("t")
        await #expect(throws: Refusal.self) { try await broker.broker.topics.delete(old) }
        #expect(broker.broker.store.state.topics["t"]?.id == id)
        #expect(try await broker.produce("t", ["x"]).errorCode == 0)
        await broker.stop()
    }
}
