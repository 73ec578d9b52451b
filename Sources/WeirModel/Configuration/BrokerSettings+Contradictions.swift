// What no single key's bounds can say.

extension BrokerSettings {
    /// Every way in which settings that are fine one by one do not go together, one sentence each.
    func contradictions() -> [String] {
        var problems = listenerProblems()
        for item in ConfigValue.list(value("max.connections.per.ip.overrides") ?? "") {
            let parts = item.split(separator: ":")
            if parts.count < 2 || (parts.last.flatMap { Int($0) } ?? -1) < 0 {
                problems.append("max.connections.per.ip.overrides: '\(item)' must be ADDRESS:COUNT")
            }
        }
        if groupMinSessionTimeoutMs > groupMaxSessionTimeoutMs {
            problems.append(
                "group.min.session.timeout.ms (\(groupMinSessionTimeoutMs)) must not exceed "
                    + "group.max.session.timeout.ms (\(groupMaxSessionTimeoutMs))")
        }
        if topicDefaults.minCompactionLagMs > topicDefaults.maxCompactionLagMs {
            problems.append("log.cleaner.min.compaction.lag.ms must not exceed log.cleaner.max.compaction.lag.ms")
        }
        if brokerHeartbeatIntervalMs >= brokerSessionTimeoutMs {
            problems.append(
                "broker.heartbeat.interval.ms (\(brokerHeartbeatIntervalMs)) must be less than "
                    + "broker.session.timeout.ms (\(brokerSessionTimeoutMs))")
        }
        if numPartitions > topicPartitionsMax {
            problems.append(
                "num.partitions (\(numPartitions)) must not exceed topic.partitions.max (\(topicPartitionsMax))")
        }
        if Set(logDirs).count != logDirs.count || logDirs.contains("") {
            problems.append("log.dirs: every directory must have a name and stand there once")
        }
        if registry != "embedded" {
            problems.append("registry: '\(registry)' is not built yet; must be embedded")
        }
        return problems
    }

    private func listenerProblems() -> [String] {
        var problems: [String] = []
        for (key, parsed) in [("listeners", listeners), ("advertised.listeners", advertisedListeners)] {
            let texts = ConfigValue.list(value(key) ?? "")
            for text in texts where ListenerAddress(text) == nil {
                problems.append("\(key): '\(text)' must be NAME://HOST:PORT with a port from 0 to 65535")
            }
            if Set(parsed.map(\.name)).count != parsed.count {
                problems.append("\(key): every listener must have a name of its own")
            }
        }
        if listeners.isEmpty, problems.isEmpty { problems.append("listeners: at least one is needed") }
        let names = Set(listeners.map(\.name))
        for advertised in advertisedListeners {
            if !names.contains(advertised.name) {
                problems.append("advertised.listeners: there is no listener named \(advertised.name)")
            }
            if advertised.isWildcard {
                problems.append("advertised.listeners: clients cannot connect to '\(advertised.host)'")
            }
        }
        for listener in listeners {
            switch securityProtocol(of: listener) {
            case "PLAINTEXT":
                if !listener.isLoopback, !allowPlaintext {
                    problems.append(
                        "listeners: \(listener) would take unencrypted connections from other machines; "
                            + "if that is meant, start with --allow-plaintext (allow.plaintext=true)")
                }
            case "SSL", "SASL_PLAINTEXT", "SASL_SSL":
                problems.append("listeners: \(listener): TLS and SASL are not built yet; must be PLAINTEXT")
            default:
                problems.append("listeners: listener.security.protocol.map has no protocol for \(listener.name)")
            }
        }
        return problems
    }

    /// The protocol that `listener.security.protocol.map` names for a listener; nil when it names none.
    public func securityProtocol(of listener: ListenerAddress) -> String? {
        for item in ConfigValue.list(value("listener.security.protocol.map") ?? "") {
            let parts = item.split(separator: ":", maxSplits: 1).map { ConfigValue.trimmed(String($0)).uppercased() }
            if parts.count == 2, parts[0] == listener.name { return parts[1] }
        }
        return nil
    }
}
