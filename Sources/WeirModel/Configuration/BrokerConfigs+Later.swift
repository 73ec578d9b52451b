// Broker keys that Weir will act on when what they belong to is built: accepted and checked until then.

extension BrokerConfigs {
    /// A table of keys with a common reason: one a line, as `name type default`, the default left out when there is none.
    static func table(_ effect: ConfigEffect, _ documentation: String, _ lines: String) -> [ConfigDefinition] {
        lines.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ", maxSplits: 2).map(String.init)
            guard words.count >= 2, let type = typeWords[words[1]] else { return nil }
            return ConfigDefinition(
                words[0], type, words.count > 2 ? words[2] : nil, readOnly: true, effect: effect, documentation)
        }
    }

    private static let typeWords: [String: ConfigType] = [
        "boolean": .boolean, "string": .string, "int": .int, "short": .short, "long": .long, "double": .double,
        "list": .list, "class": .className, "password": .password,
    ]

    static let later: [ConfigDefinition] =
        table(
            .notYet("clusters of several brokers are not built yet"), "For clusters of several brokers.",
            """
            cluster.key.file string
            registry.peers list
            inter.broker.listener.name string
            security.inter.broker.protocol string PLAINTEXT
            controlled.shutdown.enable boolean true
            auto.leader.rebalance.enable boolean true
            leader.imbalance.check.interval.seconds long 300
            leader.imbalance.per.broker.percentage int 10
            num.replica.fetchers int 1
            replica.fetch.backoff.ms int 1000
            replica.fetch.max.bytes int 1048576
            replica.fetch.min.bytes int 1
            replica.fetch.response.max.bytes int 10485760
            replica.fetch.wait.max.ms int 500
            replica.lag.time.max.ms long 30000
            replica.selector.class class
            replica.socket.receive.buffer.bytes int 65536
            replica.socket.timeout.ms int 30000
            num.replica.alter.log.dirs.threads int
            leader.replication.throttled.rate long 9223372036854775807
            follower.replication.throttled.rate long 9223372036854775807
            replica.alter.log.dirs.io.max.bytes.per.second double 1.7976931348623157E308
            replication.quota.window.num int 11
            replication.quota.window.size.seconds int 1
            alter.log.dirs.replication.quota.window.num int 11
            alter.log.dirs.replication.quota.window.size.seconds int 1
            """)
        + table(
            .notYet("transactions are not built yet"), "For transactions.",
            """
            transaction.max.timeout.ms int 900000
            transaction.abort.timed.out.transaction.cleanup.interval.ms int 10000
            transaction.remove.expired.transaction.cleanup.interval.ms int 3600000
            transaction.partition.verification.enable boolean true
            transaction.two.phase.commit.enable boolean false
            transaction.state.log.load.buffer.size int 5242880
            transaction.state.log.min.isr int 2
            transaction.state.log.num.partitions int 50
            transaction.state.log.replication.factor short 3
            transaction.state.log.segment.bytes int 104857600
            transactional.id.expiration.ms int 604800000
            """)
        + table(
            .notYet("TLS, authentication and access control are not built yet"),
            "For TLS, authentication and access control.",
            """
            ssl.keystore.location string
            ssl.keystore.password password
            ssl.keystore.type string JKS
            ssl.keystore.key password
            ssl.keystore.certificate.chain password
            ssl.key.password password
            ssl.truststore.location string
            ssl.truststore.password password
            ssl.truststore.type string JKS
            ssl.truststore.certificates password
            ssl.client.auth string none
            ssl.cipher.suites list
            ssl.enabled.protocols list TLSv1.2,TLSv1.3
            ssl.protocol string TLSv1.3
            ssl.principal.mapping.rules string DEFAULT
            ssl.endpoint.identification.algorithm string https
            ssl.allow.dn.changes boolean false
            ssl.allow.san.changes boolean false
            sasl.enabled.mechanisms list GSSAPI
            sasl.mechanism.inter.broker.protocol string GSSAPI
            sasl.jaas.config password
            sasl.server.max.receive.size int 524288
            connections.max.reauth.ms long 0
            connection.failed.authentication.delay.ms int 100
            authorizer.class.name string
            early.start.listeners string
            super.users string
            allow.everyone.if.no.acl.found boolean false
            password.encoder.secret password
            """)
        + table(
            .notYet("quotas and connection rates are not built yet"), "For quotas.",
            """
            quota.window.num int 11
            quota.window.size.seconds int 1
            controller.quota.window.num int 11
            controller.quota.window.size.seconds int 1
            client.quota.callback.class class
            max.connection.creation.rate int 2147483647
            """)
        + table(
            .notYet("the newer group protocols are not built yet"), "For consumer, share and streams groups.",
            """
            group.coordinator.rebalance.protocols list classic
            group.consumer.session.timeout.ms int 45000
            group.consumer.min.session.timeout.ms int 45000
            group.consumer.max.session.timeout.ms int 60000
            group.consumer.heartbeat.interval.ms int 5000
            group.consumer.min.heartbeat.interval.ms int 5000
            group.consumer.max.heartbeat.interval.ms int 15000
            group.consumer.max.size int 2147483647
            group.consumer.assignors list uniform,range
            group.consumer.migration.policy string bidirectional
            group.consumer.regex.refresh.interval.ms int 600000
            group.share.enable boolean false
            group.share.session.timeout.ms int 45000
            group.share.min.session.timeout.ms int 45000
            group.share.max.session.timeout.ms int 60000
            group.share.heartbeat.interval.ms int 5000
            group.share.min.heartbeat.interval.ms int 5000
            group.share.max.heartbeat.interval.ms int 15000
            group.share.max.size int 200
            group.share.max.groups short 10
            group.share.assignors list simple
            group.share.delivery.count.limit int 5
            group.share.record.lock.duration.ms int 30000
            group.share.min.record.lock.duration.ms int 15000
            group.share.max.record.lock.duration.ms int 60000
            group.share.max.share.sessions int 2000
            group.share.partition.max.record.locks int 2000
            group.streams.session.timeout.ms int 45000
            group.streams.min.session.timeout.ms int 45000
            group.streams.max.session.timeout.ms int 60000
            group.streams.heartbeat.interval.ms int 5000
            group.streams.min.heartbeat.interval.ms int 5000
            group.streams.max.heartbeat.interval.ms int 15000
            group.streams.max.size int 2147483647
            group.streams.num.standby.replicas int 0
            group.streams.max.standby.replicas int 2
            group.streams.initial.rebalance.delay.ms int 3000
            """)
        + table(
            .notYet("HTTP is not built yet"), "For the HTTP listener.",
            """
            http.listen string
            """)
}
