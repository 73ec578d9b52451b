internal import SystemPackage
internal import WeirModel
internal import WeirSystem

extension FileSystem {
    /// A whole small file; nil when it is missing, an error when it is longer than `limit`.
    func contents(of path: FilePath, limit: Int = 64 << 20) throws(FileError) -> [UInt8]? {
        guard case .file(let size)? = try kind(of: path) else { return nil }
        guard size <= Int64(limit) else { throw FileError("read", path, .fileTooLarge) }
        let file = try open(path, create: false)
        var failure: FileError?
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
            do throws(FileError) {
                count = try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Puts a small file in place of the old one such that a crash leaves one or the other: temporary file, sync, rename.
    /// The directory is synced only with `syncingDirectory`.
    func replace(_ path: FilePath, with bytes: [UInt8], syncingDirectory: Bool = true) throws(FileError) {
        let temporary = path.appendingExtension("tmp")
        try remove(temporary)
        let file = try open(temporary, create: true)
        var failure: FileError?
        bytes.withUnsafeBytes { bytes in
            do throws(FileError) {
                try file.write(bytes, at: 0)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        try file.sync()
        try rename(temporary, to: path)
        if syncingDirectory { try syncDirectory(path.removingLastComponent()) }
    }
}

extension FilePath {
    /// `name` becomes `name.extension`.
    func appendingExtension(_ text: String) -> FilePath {
        removingLastComponent().appending((lastComponent?.string ?? "") + "." + text)
    }
}

/// `recovery-point-offset-checkpoint`, `log-start-offset-checkpoint`, `replication-offset-checkpoint` and
/// `cleaner-offset-checkpoint`: text, line by line `0`, the number of entries, then `topic partition offset`.
enum OffsetCheckpoint {
    static let recoveryPoints = "recovery-point-offset-checkpoint"
    static let startOffsets = "log-start-offset-checkpoint"
    static let highWatermarks = "replication-offset-checkpoint"
    static let cleanOffsets = "cleaner-offset-checkpoint"

    static func encode(_ offsets: [TopicPartition: Int64]) -> [UInt8] {
        var text = "0\n\(offsets.count)\n"
        for (key, offset) in offsets.sorted(by: { $0.key < $1.key }) {
            text += "\(key.topic) \(key.partition) \(offset)\n"
        }
        return Array(text.utf8)
    }

    /// Nil when the text is not such a file.
    static func decode(_ bytes: [UInt8]) -> [TopicPartition: Int64]? {
        let lines = CheckpointText.lines(bytes)
        guard lines.count >= 2, lines[0] == "0", let count = Int(lines[1]), count == lines.count - 2 else { return nil }
        var offsets: [TopicPartition: Int64] = [:]
        for line in lines.dropFirst(2) {
            let words = line.split(separator: " ")
            guard words.count == 3, let partition = Int32(words[1]), let offset = Int64(words[2]), offset >= 0 else {
                return nil
            }
            offsets[TopicPartition(String(words[0]), PartitionIndex(partition))] = offset
        }
        return offsets
    }
}

/// `leader-epoch-checkpoint`: text, `0`, the number of entries, then `epoch offset`.
enum EpochCheckpoint {
    static let name = "leader-epoch-checkpoint"

    static func encode(_ epochs: LeaderEpochs) -> [UInt8] {
        var text = "0\n\(epochs.entries.count)\n"
        for entry in epochs.entries { text += "\(entry.epoch) \(entry.startOffset)\n" }
        return Array(text.utf8)
    }

    /// Nil when the text is not such a file.
    static func decode(_ bytes: [UInt8]) -> LeaderEpochs? {
        let lines = CheckpointText.lines(bytes)
        guard lines.count >= 2, lines[0] == "0", let count = Int(lines[1]), count == lines.count - 2 else { return nil }
        var entries: [(epoch: Int32, startOffset: Int64)] = []
        for line in lines.dropFirst(2) {
            let words = line.split(separator: " ")
            guard words.count == 2, let epoch = Int32(words[0]), let offset = Int64(words[1]) else { return nil }
            entries.append((epoch, offset))
        }
        return LeaderEpochs(entries)
    }
}

/// `partition.metadata`: text, `version: 0` and `topic_id: ` with the id in Kafka's text form.
enum PartitionMetadata {
    static let name = "partition.metadata"

    static func encode(_ topicID: UniqueID) -> [UInt8] { Array("version: 0\ntopic_id: \(topicID)\n".utf8) }

    /// Nil when the text is not such a file.
    static func decode(_ bytes: [UInt8]) -> UniqueID? {
        let lines = CheckpointText.lines(bytes)
        guard lines.first == "version: 0" else { return nil }
        for line in lines where line.hasPrefix("topic_id: ") { return UniqueID(String(line.dropFirst(10))) }
        return nil
    }
}

enum CheckpointText {
    static func lines(_ bytes: [UInt8]) -> [Substring] {
        String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: true)
    }
}
