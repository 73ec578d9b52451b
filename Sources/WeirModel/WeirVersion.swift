/// The version of this build: what `weir version` prints, and what clients and brokers tell each other.
public enum WeirVersion {
    /// Semantic version, without a leading `v`.
    public static let current = "0.1.0"
    /// The client software name in ApiVersions requests.
    public static let softwareName = "weir"
}
