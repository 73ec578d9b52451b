public import WeirModel
import WeirRecords
import WeirSystem

/// A topic as the hot path needs it: its settings resolved, its partitions by number. Immutable: a change makes a new one.
public final class Topic: Sendable {
    public let name: String
    public let id: UniqueID
    public let settings: TopicSettings
    public let isInternal: Bool
    /// By partition number; nil where this broker has no replica or its log could not be opened.
    public let partitions: [Partition?]
    /// What a batch for this topic has to satisfy, but for the time and the request's version.
    let batchRules: BatchRules

    init(name: String, id: UniqueID, settings: TopicSettings, decompressedBytesMax: Int, partitions: [Partition?]) {
        self.name = name
        self.id = id
        self.settings = settings
        self.isInternal = TopicName.isInternal(name)
        self.partitions = partitions
        let codec = CompressionCodec(topicCompressionType: settings.compressionType)
        batchRules = BatchRules(
            maxMessageBytes: settings.maxMessageBytes, timestampType: settings.timestampType,
            timestampBeforeMaxMs: settings.timestampBeforeMaxMs, timestampAfterMaxMs: settings.timestampAfterMaxMs,
            nowMs: 0, requireKeys: settings.cleanupPolicy.contains(.compact),
            decompressedBytesMax: decompressedBytesMax,
            targetCodec: codec,
            targetCompressionLevel: codec.flatMap { settings.compressionLevel($0) })
    }

    /// The partition, when there is one with that number here.
    public func partition(_ index: Int32) -> Partition? {
        guard let index = Int(exactly: index), partitions.indices.contains(index) else { return nil }
        return partitions[index]
    }
}

extension TopicSettings {
    /// The level that the topic asks of a codec; nil for one that has none.
    fileprivate func compressionLevel(_ codec: CompressionCodec) -> Int? {
        switch codec {
        case .gzip: compressionGzipLevel
        case .lz4: compressionLz4Level
        case .zstd: compressionZstdLevel
        case .none, .snappy: nil
        }
    }
}

/// The topics whose partitions are open on this broker, by name and by id.
public final class PartitionTable: Sendable {
    private struct State {
        var byName: [String: Topic] = [:]
        var byID: [UniqueID: Topic] = [:]
        var version: UInt64 = 0
    }
    private let state = Locked(State())

    public init() {}

    /// The topic with that name, in one look-up.
    public func topic(_ name: String) -> Topic? { state.withLock { $0.byName[name] } }
    public func topic(id: UniqueID) -> Topic? { state.withLock { $0.byID[id] } }

    public func partition(_ name: String, _ index: Int32) -> Partition? { topic(name)?.partition(index) }

    /// Counts the changes; fetch sessions keep what they resolved for as long as it stands still.
    var version: UInt64 { state.withLock { $0.version } }

    var topics: [Topic] { state.withLock { Array($0.byName.values) } }

    func put(_ topic: Topic) {
        state.withLock { state in
            if let old = state.byName[topic.name], old.id != topic.id { state.byID[old.id] = nil }
            state.byName[topic.name] = topic
            state.byID[topic.id] = topic
            state.version &+= 1
        }
    }

    /// Takes out a topic, by id: a newer one with the same name stays.
    func remove(id: UniqueID) -> Topic? {
        state.withLock { state in
            guard let topic = state.byID.removeValue(forKey: id) else { return nil }
            if state.byName[topic.name]?.id == id { state.byName[topic.name] = nil }
            state.version &+= 1
            return topic
        }
    }
}
