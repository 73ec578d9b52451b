import WeirModel
public import WeirProtocol

/// The versions of each API that this client speaks.
///
/// A range ends where the client knows what the newer version means: Produce 12 and EndTxn 5 belong to transactions of the
/// second kind, Produce 13, Fetch 13 and OffsetCommit 10 name topics by id.
public enum SpokenVersions {
    private static let ranges: [APIKey: ClosedRange<Int16>] = [
        .produce: 3...11, .fetch: 4...12, .listOffsets: 1...8, .metadata: 1...12, .offsetCommit: 2...9,
        .offsetFetch: 1...9, .findCoordinator: 0...4, .joinGroup: 0...9, .heartbeat: 0...4, .leaveGroup: 0...5,
        .syncGroup: 0...5, .describeGroups: 0...5, .listGroups: 0...5, .apiVersions: 0...3, .createTopics: 2...7,
        .deleteTopics: 1...6, .deleteRecords: 0...2, .initProducerID: 0...4, .offsetForLeaderEpoch: 2...4,
        .describeConfigs: 1...4, .alterConfigs: 0...2, .describeLogDirs: 1...4, .createPartitions: 0...3,
        .deleteGroups: 0...2, .incrementalAlterConfigs: 0...1, .offsetDelete: 0...0, .describeCluster: 0...1,
    ]

    /// Nil for an API that the client never calls.
    public static func range(of key: APIKey) -> ClosedRange<Int16>? { ranges[key] }
}

/// The versions of each API that one broker speaks, as its ApiVersions answer says.
public struct VersionTable: Sendable, Equatable {
    public private(set) var ranges: [APIKey: ClosedRange<Int16>]

    public init(_ ranges: [APIKey: ClosedRange<Int16>] = [:]) { self.ranges = ranges }

    /// Ranges whose minimum lies above their maximum are left out, as if the broker did not know the API.
    public init(_ response: ApiVersionsResponse) {
        ranges = [:]
        for api in response.apiKeys where api.minVersion <= api.maxVersion {
            ranges[APIKey(rawValue: api.apiKey)] = api.minVersion...api.maxVersion
        }
    }

    /// The newest version that both sides speak; nil when there is none.
    public func newest(of key: APIKey, within ours: ClosedRange<Int16>) -> Int16? {
        guard let theirs = ranges[key], theirs.overlaps(ours) else { return nil }
        return min(theirs.upperBound, ours.upperBound)
    }
}
