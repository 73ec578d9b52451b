public import SystemPackage
public import WeirModel
public import WeirSystem

/// A data directory that this process has locked, and whose it is.
///
/// `meta.properties`: `version=1`, `cluster.id`, `node.id`, `directory.id`, as Kafka writes it.
public final class DataDirectory: Sendable {
    public let path: FilePath
    let fileSystem: any FileSystem
    private let lock: any FileLock
    private let properties: Locked<[String: String]>

    static let lockName = ".lock"
    static let metaName = "meta.properties"

    /// Makes the directory when it is missing, locks it and reads who it belongs to.
    ///
    /// - Throws: `StorageError` of kind `.locked` when another process has it.
    public init(_ path: FilePath, fileSystem: any FileSystem) throws(StorageError) {
        self.path = path
        self.fileSystem = fileSystem
        do throws(FileError) {
            try Self.make(path, fileSystem)
            guard let lock = try fileSystem.lock(path.appending(Self.lockName)) else {
                throw FileError("lock", path, .resourceTemporarilyUnavailable)
            }
            self.lock = lock
            let bytes = try fileSystem.contents(of: path.appending(Self.metaName), limit: 1 << 20)
            properties = Locked(bytes.map(Self.parse) ?? [:])
        } catch {
            if error.operation == "lock" {
                throw StorageError(.locked, "the data directory \(path) is in use by another broker", cause: error)
            }
            throw StorageError(error)
        }
        let version = properties.withLock { $0["version"] }
        if let version, version != "1" && version != "0" {
            throw StorageError(
                .wrongIdentity, "\(path.appending(Self.metaName)) has version \(version); this broker knows 1")
        }
    }

    /// Makes the directory and its missing parents durably.
    private static func make(_ path: FilePath, _ fileSystem: any FileSystem) throws(FileError) {
        var missing: [FilePath] = []
        var ancestor = path
        while !ancestor.isEmpty, try fileSystem.kind(of: ancestor) == nil {
            missing.append(ancestor)
            let parent = ancestor.removingLastComponent()
            if parent == ancestor { break }
            ancestor = parent
        }
        try fileSystem.makeDirectory(path, intermediates: true)
        for made in missing {
            let parent = made.removingLastComponent()
            try fileSystem.syncDirectory(parent.isEmpty ? FilePath(".") : parent)
        }
    }

    /// The cluster that the directory belongs to; nil when it is new.
    public var clusterID: String? { properties.withLock { $0["cluster.id"] } }

    /// The broker that the directory belongs to; nil when it is new.
    public var nodeID: BrokerID? {
        properties.withLock { Int32($0["node.id"] ?? $0["broker.id"] ?? "").map { BrokerID($0) } }
    }

    /// The directory's own id; nil when it is new.
    public var directoryID: UniqueID? { properties.withLock { $0["directory.id"].flatMap { UniqueID($0) } } }

    /// Makes sure that the directory is this broker's: writes `meta.properties` into a new one, refuses a stranger's.
    func claim(clusterID: String, nodeID: BrokerID, random: any RandomSource) throws(StorageError) -> UniqueID {
        if let present = self.clusterID, present != clusterID {
            throw StorageError(
                .wrongIdentity, "\(path) belongs to cluster \(present), and this broker to cluster \(clusterID)")
        }
        if let present = self.nodeID, present != nodeID {
            throw StorageError(.wrongIdentity, "\(path) belongs to broker \(present), and this is broker \(nodeID)")
        }
        if let present = directoryID, self.clusterID != nil, self.nodeID != nil { return present }
        let identifier = directoryID ?? UniqueID.random(high: random.next(), low: random.next())
        let text = "version=1\ncluster.id=\(clusterID)\nnode.id=\(nodeID)\ndirectory.id=\(identifier)\n"
        do throws(FileError) {
            try fileSystem.replace(path.appending(Self.metaName), with: Array(text.utf8))
        } catch {
            throw StorageError(error)
        }
        properties.withLock { $0 = Self.parse(Array(text.utf8)) }
        return identifier
    }

    /// Lets another process have it.
    public func unlock() { lock.release() }

    private static func parse(_ bytes: [UInt8]) -> [String: String] {
        var properties: [String: String] = [:]
        for line in CheckpointText.lines(bytes) where !line.hasPrefix("#") {
            guard let equals = line.firstIndex(of: "=") else { continue }
            let value = line[line.index(after: equals)...].filter { $0 != "\r" && $0 != " " }
            properties[String(line[..<equals].filter { $0 != " " })] = value
        }
        return properties
    }
}
