import WeirModel

/// What a `weir broker` command line says, before the file and the environment are added.
public struct BrokerOptions: Sendable {
    /// Data directories (`--data`, repeatable).
    public var data: [String] = []
    /// `HOST:PORT` (`--listen`).
    public var listen: String?
    /// `HOST:PORT` that clients are told (`--advertise`).
    public var advertise: String?
    /// The broker's number (`--node-id`).
    public var nodeID: Int?
    /// Where the cluster's metadata is kept (`--registry`).
    public var registry: String?
    /// Where to serve HTTP (`--http`).
    public var http: String?
    /// A configuration file in Kafka's properties format (`--config`).
    public var configFile: String?
    /// `KEY=VALUE` (`--set`, repeatable).
    public var settings: [String] = []
    /// Whether unencrypted connections from other machines are wanted (`--allow-plaintext`).
    public var allowPlaintext = false

    public init() {}

    /// The settings that the options stand for, in the order of the contract: `--set` beats an option of its own.
    func entries() throws(ConfigurationError) -> [ConfigEntry] {
        var entries: [ConfigEntry] = []
        func add(_ key: String, _ value: String, _ option: String) {
            entries.append(ConfigEntry(key: key, value: value, source: .commandLine, origin: option))
        }
        if let http {
            throw ConfigurationError("--http \(http): serving HTTP is not built yet; leave the option out")
        }
        if let registry {
            guard registry == "embedded" else {
                throw ConfigurationError("--registry \(registry): not built yet; must be embedded")
            }
            add("registry", registry, "--registry")
        }
        if !data.isEmpty { add("log.dirs", data.joined(separator: ","), "--data") }
        if let listen {
            guard let address = ListenerAddress(listen) else {
                throw ConfigurationError("--listen \(listen): must be HOST:PORT with a port from 0 to 65535")
            }
            add("listeners", address.description, "--listen")
        }
        if let advertise {
            guard let address = ListenerAddress(advertise) else {
                throw ConfigurationError("--advertise \(advertise): must be HOST:PORT with a port from 0 to 65535")
            }
            add("advertised.listeners", address.description, "--advertise")
        }
        if let nodeID { add("node.id", String(nodeID), "--node-id") }
        if allowPlaintext { add("allow.plaintext", "true", "--allow-plaintext") }
        for setting in settings { entries.append(try ConfigEntry.commandLine(setting)) }
        return entries
    }

    /// All settings together, checked.
    ///
    /// - Parameters:
    ///   - environment: The process's variables.
    ///   - readFile: Reads a file as text, or throws with the reason.
    func resolve(
        environment: [String: String], readFile: (String) throws(ConfigurationError) -> String
    ) throws(ConfigurationError) -> BrokerSettings {
        var all: [ConfigEntry] = []
        if let configFile {
            all += try PropertiesFile.parse(try readFile(configFile), name: configFile)
        }
        all += ConfigEntry.environment(environment)
        all += try entries()
        return try BrokerSettings(entries: all)
    }
}
