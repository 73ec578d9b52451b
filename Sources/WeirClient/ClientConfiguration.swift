public import Logging
import WeirModel

/// How to reach a cluster: what producers, consumers and admin clients have in common.
public struct ClientConfiguration: Sendable {
    /// A broker to ask first.
    public struct Server: Sendable, Hashable, CustomStringConvertible {
        public var host: String
        public var port: Int

        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }

        /// Reads `host:port`, `[v6]:port` or `host` (port 9092); nil when it is neither.
        public init?(_ text: String) {
            var host = text
            var port = 9092
            if text.hasPrefix("[") {
                guard let close = text.firstIndex(of: "]") else { return nil }
                host = String(text[text.index(after: text.startIndex)..<close])
                let rest = text[text.index(after: close)...]
                if !rest.isEmpty {
                    guard rest.hasPrefix(":"), let number = Int(rest.dropFirst()) else { return nil }
                    port = number
                }
            } else if let colon = text.lastIndex(of: ":") {
                guard let number = Int(text[text.index(after: colon)...]) else { return nil }
                host = String(text[..<colon])
                port = number
                guard !host.contains(":") else { return nil }
            }
            guard !host.isEmpty, (1...65535).contains(port) else { return nil }
            self.init(host: host, port: port)
        }

        public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }

    /// Brokers to ask first, in no particular order; one that answers is enough.
    public var bootstrap: [Server]
    /// What brokers log this client as.
    public var clientID = "weir"
    /// How long a TCP connection may take, in milliseconds.
    public var connectTimeoutMs: Int64 = 10_000
    /// How long a broker may take for an ordinary answer, in milliseconds.
    public var requestTimeoutMs: Int64 = 30_000
    /// How long a call tries, over failures that may pass, before it gives up, in milliseconds.
    public var callTimeoutMs: Int64 = 60_000
    /// How long to keep trying before the first broker has ever answered, in milliseconds; 0 tries each one once.
    public var bootstrapTimeoutMs: Int64 = 10_000
    /// The wait before reconnecting and retrying: first and longest, in milliseconds, with jitter.
    public var retryBackoffMs: Int64 = 50
    public var retryBackoffMaxMs: Int64 = 1_000
    /// Metadata older than that is asked for again, in milliseconds.
    public var metadataMaxAgeMs: Int64 = 300_000
    /// An answer larger than that closes the connection, in bytes.
    public var answerBytesMax = 256 << 20
    public var logger: Logger

    public init(bootstrap: [Server], logger: Logger? = nil) {
        self.bootstrap = bootstrap
        self.logger = logger ?? Logger(label: "weir.client", factory: { _ in SwiftLogNoOpLogHandler() })
    }

    /// From `host:port,host:port`.
    public init(bootstrap list: String, logger: Logger? = nil) throws(ClientError) {
        var servers: [Server] = []
        for part in list.split(separator: ",") {
            let text = part.trimmingSpaces
            guard let server = Server(text) else {
                throw ClientError(
                    .invalidConfiguration, "'\(text)' is not the address of a broker", advice: "write HOST:PORT")
            }
            servers.append(server)
        }
        guard !servers.isEmpty else {
            throw ClientError(.invalidConfiguration, "no broker address was given", advice: "write HOST:PORT")
        }
        self.init(bootstrap: servers, logger: logger)
    }
}

extension Substring {
    var trimmingSpaces: String {
        var text = self
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
