// Kafka's broker keys for things that Weir does not have. They are accepted, so that a Kafka server.properties works, and a
// warning names them.

extension BrokerConfigs {
    static let notApplicable: [ConfigDefinition] = controllers + threads + plugins + security + internals + tiered

    private static let controllers = table(
        .notApplicable("Weir has neither ZooKeeper nor a KRaft quorum; see the registry key"),
        "Kafka's: ZooKeeper and the KRaft controllers.",
        """
        process.roles list broker
        controller.listener.names string
        controller.quorum.voters list
        controller.quorum.bootstrap.servers list
        controller.quorum.election.timeout.ms int 1000
        controller.quorum.election.backoff.max.ms int 1000
        controller.quorum.fetch.timeout.ms int 2000
        controller.quorum.request.timeout.ms int 2000
        controller.quorum.retry.backoff.ms int 20
        controller.quorum.append.linger.ms int 25
        controller.quorum.auto.join.enable boolean false
        controller.quorum.fetch.snapshot.max.bytes int 8388608
        controller.quorum.fetch.max.bytes int 8388608
        controller.performance.sample.period.ms long 60000
        controller.performance.always.log.threshold.ms long 2000
        controller.socket.timeout.ms int 30000
        sasl.mechanism.controller.protocol string GSSAPI
        initial.broker.registration.timeout.ms int 60000
        metadata.log.dir string
        metadata.log.max.record.bytes.between.snapshots long 20971520
        metadata.log.max.snapshot.interval.ms long 3600000
        metadata.log.segment.bytes int 1073741824
        metadata.log.segment.min.bytes int 8388608
        metadata.log.segment.ms long 604800000
        metadata.max.retention.bytes long 104857600
        metadata.max.retention.ms long 604800000
        metadata.max.idle.interval.ms int 500
        eligible.leader.replicas.enable boolean
        unclean.leader.election.interval.ms long 300000
        server.max.startup.time.ms long 9223372036854775807
        log.dir.failure.timeout.ms long 30000
        broker.id.generation.enable boolean true
        reserved.broker.max.id int 1000
        inter.broker.protocol.version string
        zookeeper.connect string
        zookeeper.connection.timeout.ms int
        zookeeper.session.timeout.ms int 18000
        zookeeper.set.acl boolean false
        zookeeper.max.in.flight.requests int 10
        zookeeper.metadata.migration.enable boolean false
        zookeeper.metadata.migration.min.batch.size int 200
        zookeeper.clientCnxnSocket string
        zookeeper.ssl.client.enable boolean false
        zookeeper.ssl.cipher.suites list
        zookeeper.ssl.crl.enable boolean false
        zookeeper.ssl.enabled.protocols list
        zookeeper.ssl.endpoint.identification.algorithm string HTTPS
        zookeeper.ssl.keystore.location string
        zookeeper.ssl.keystore.password password
        zookeeper.ssl.keystore.type string
        zookeeper.ssl.ocsp.enable boolean false
        zookeeper.ssl.protocol string TLSv1.2
        zookeeper.ssl.truststore.location string
        zookeeper.ssl.truststore.password password
        zookeeper.ssl.truststore.type string
        controlled.shutdown.max.retries int 3
        controlled.shutdown.retry.backoff.ms long 5000
        """)

    private static let threads = table(
        .notApplicable("Weir's threads and queues are not Kafka's"),
        "Kafka's: threads, queues and caches of its own making.",
        """
        num.io.threads int 8
        background.threads int 10
        num.recovery.threads.per.data.dir int 2
        queued.max.requests int 500
        request.timeout.ms int 30000
        socket.connection.setup.timeout.ms long 10000
        socket.connection.setup.timeout.max.ms long 30000
        log.initial.task.delay.ms long 30000
        fetch.purgatory.purge.interval.requests int 1000
        producer.purgatory.purge.interval.requests int 1000
        delete.records.purgatory.purge.interval.requests int 1
        replica.high.watermark.checkpoint.interval.ms long 5000
        max.request.partition.size.limit int 2000
        offsets.commit.timeout.ms int 5000
        offsets.commit.required.acks short -1
        offsets.load.buffer.size int 5242880
        offsets.topic.compression.codec int 0
        group.coordinator.threads int 4
        group.coordinator.background.threads int 2
        group.coordinator.append.linger.ms int 5
        group.coordinator.new.enable boolean true
        group.coordinator.cached.buffer.max.bytes int 1048588
        share.coordinator.append.linger.ms int 5
        share.coordinator.cold.partition.snapshot.interval.ms int 300000
        share.coordinator.load.buffer.size int 5242880
        share.coordinator.snapshot.update.records.per.snapshot int 500
        share.coordinator.state.topic.compression.codec int 0
        share.coordinator.state.topic.min.isr short 2
        share.coordinator.state.topic.num.partitions int 50
        share.coordinator.state.topic.prune.interval.ms int 300000
        share.coordinator.state.topic.replication.factor short 3
        share.coordinator.state.topic.segment.bytes int 104857600
        share.coordinator.threads int 1
        share.coordinator.write.timeout.ms int 5000
        share.fetch.purgatory.purge.interval.requests int 1000
        group.share.persister.class.name class
        """)

    private static let plugins = table(
        .notApplicable("Weir loads no Java classes and has no JMX"),
        "Kafka's: plug-ins in Java, and metrics through JMX.",
        """
        alter.config.policy.class.name class
        create.topic.policy.class.name class
        auto.include.jmx.reporter boolean true
        metric.reporters list
        metrics.num.samples int 2
        metrics.recording.level string INFO
        metrics.sample.window.ms long 30000
        kafka.metrics.polling.interval.secs int 10
        kafka.metrics.reporters list
        telemetry.max.bytes int 1048576
        config.providers list
        principal.builder.class class
        security.providers string
        ssl.engine.factory.class class
        ssl.keymanager.algorithm string SunX509
        ssl.trustmanager.algorithm string PKIX
        ssl.provider string
        ssl.secure.random.implementation string
        sasl.client.callback.handler.class class
        sasl.login.callback.handler.class class
        sasl.login.class class
        sasl.server.callback.handler.class class
        """)

    private static let security = table(
        .notApplicable("Weir has no Kerberos, OAuth or delegation tokens"),
        "Kafka's: Kerberos, OAuth and delegation tokens.",
        """
        sasl.kerberos.kinit.cmd string /usr/bin/kinit
        sasl.kerberos.min.time.before.relogin long 60000
        sasl.kerberos.principal.to.local.rules list DEFAULT
        sasl.kerberos.service.name string
        sasl.kerberos.ticket.renew.jitter double 0.05
        sasl.kerberos.ticket.renew.window.factor double 0.8
        sasl.login.connect.timeout.ms int
        sasl.login.read.timeout.ms int
        sasl.login.refresh.buffer.seconds short 300
        sasl.login.refresh.min.period.seconds short 60
        sasl.login.refresh.window.factor double 0.8
        sasl.login.refresh.window.jitter double 0.05
        sasl.login.retry.backoff.max.ms long 10000
        sasl.login.retry.backoff.ms long 100
        sasl.oauthbearer.clock.skew.seconds int 30
        sasl.oauthbearer.expected.audience list
        sasl.oauthbearer.expected.issuer string
        sasl.oauthbearer.header.urlencode boolean false
        sasl.oauthbearer.jwks.endpoint.refresh.ms long 3600000
        sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms long 10000
        sasl.oauthbearer.jwks.endpoint.retry.backoff.ms long 100
        sasl.oauthbearer.jwks.endpoint.url string
        sasl.oauthbearer.scope.claim.name string scope
        sasl.oauthbearer.sub.claim.name string sub
        sasl.oauthbearer.token.endpoint.url string
        delegation.token.expiry.check.interval.ms long 3600000
        delegation.token.expiry.time.ms long 86400000
        delegation.token.master.key password
        delegation.token.max.lifetime.ms long 604800000
        delegation.token.secret.key password
        password.encoder.cipher.algorithm string AES/CBC/PKCS5Padding
        password.encoder.iterations int 4096
        password.encoder.key.length int 128
        password.encoder.keyfactory.algorithm string
        password.encoder.old.secret password
        """)

    private static let internals = table(
        .notApplicable("it belongs to formats or switches that Weir does not have"),
        "Kafka's: old formats and switches for unfinished work.",
        """
        log.message.format.version string 3.0-IV1
        log.message.downconversion.enable boolean true
        log.message.timestamp.difference.max.ms long 9223372036854775807
        unstable.api.versions.enable boolean false
        unstable.feature.versions.enable boolean false
        """)

    private static let tiered = table(
        .notApplicable("Weir has no tiered storage"), "Kafka's: tiered storage.",
        """
        remote.fetch.max.wait.ms int 500
        remote.list.offsets.request.timeout.ms long 30000
        remote.log.index.file.cache.total.size.bytes long 1073741824
        remote.log.manager.copier.thread.pool.size int 10
        remote.log.manager.copy.max.bytes.per.second long 9223372036854775807
        remote.log.manager.copy.quota.window.num int 11
        remote.log.manager.copy.quota.window.size.seconds int 1
        remote.log.manager.expiration.thread.pool.size int 10
        remote.log.manager.fetch.max.bytes.per.second long 9223372036854775807
        remote.log.manager.fetch.quota.window.num int 11
        remote.log.manager.fetch.quota.window.size.seconds int 1
        remote.log.manager.follower.thread.pool.size int 2
        remote.log.manager.task.interval.ms long 30000
        remote.log.manager.task.retry.backoff.max.ms long 30000
        remote.log.manager.task.retry.backoff.ms long 500
        remote.log.manager.task.retry.jitter double 0.2
        remote.log.manager.thread.pool.size int 2
        remote.log.metadata.custom.metadata.max.bytes int 128
        remote.log.metadata.manager.class.name string
        remote.log.metadata.manager.class.path string
        remote.log.metadata.manager.impl.prefix string rlmm.config.
        remote.log.metadata.manager.listener.name string
        remote.log.reader.max.pending.tasks int 100
        remote.log.reader.threads int 10
        remote.log.storage.manager.class.name string
        remote.log.storage.manager.class.path string
        remote.log.storage.manager.impl.prefix string rsm.config.
        remote.log.storage.system.enable boolean false
        """)
}
