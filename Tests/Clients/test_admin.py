"""Topics, partitions, configs and records through confluent-kafka's and kafka-python's admin clients."""

import json

import confluent_kafka
import kafka
import kafka.admin
import kafka.errors
import pytest
from clients import confluent_consume, confluent_produce
from confluent_kafka.admin import (
    AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource, NewPartitions, NewTopic, OffsetSpec,
    ResourceType,
)
from weir import name, run

CODE = confluent_kafka.KafkaError


@pytest.fixture
def admin(broker):
    return AdminClient({"bootstrap.servers": broker.address})


def failure(future):
    with pytest.raises(confluent_kafka.KafkaException) as refused:
        future.result(10)
    return refused.value.args[0].code()


def test_topics_are_made_described_grown_and_deleted(admin):
    topic = name("admin")
    admin.create_topics([NewTopic(topic, 3, config={"retention.ms": "60000"})])[topic].result(10)
    described = admin.describe_topics(confluent_kafka.TopicCollection([topic]))[topic].result(10)
    assert len(described.partitions) == 3 and str(described.topic_id)
    assert failure(admin.create_topics([NewTopic(topic, 3)])[topic]) == CODE.TOPIC_ALREADY_EXISTS
    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(10)
    assert len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == 5
    assert failure(admin.create_partitions([NewPartitions(topic, 2)])[topic]) == CODE.INVALID_PARTITIONS
    admin.delete_topics([topic])[topic].result(10)
    assert topic not in admin.list_topics(timeout=10).topics
    assert failure(admin.delete_topics([topic])[topic]) == CODE.UNKNOWN_TOPIC_OR_PART


@pytest.mark.parametrize(
    "topic, partitions, replicas, config, code",
    [
        ("../etc", 1, 1, {}, CODE.TOPIC_EXCEPTION),
        ("a/b", 1, 1, {}, CODE.TOPIC_EXCEPTION),
        ("..", 1, 1, {}, CODE.TOPIC_EXCEPTION),
        ("x" * 250, 1, 1, {}, CODE.TOPIC_EXCEPTION),
        ("zero", 0, 1, {}, CODE.INVALID_PARTITIONS),
        ("replicas", 1, 3, {}, CODE.INVALID_REPLICATION_FACTOR),
        ("config", 1, 1, {"retention.ms": "soon"}, CODE.INVALID_CONFIG),
        ("config", 1, 1, {"no.such.config": "1"}, CODE.INVALID_CONFIG),
    ],
)
def test_bad_topics_get_kafkas_codes(broker, topic, partitions, replicas, config, code):
    client = kafka.admin.KafkaAdminClient(bootstrap_servers=broker.address)
    # librdkafka checks some of these itself, so the request goes through kafka-python.
    with pytest.raises(kafka.errors.KafkaError) as refused:
        client.create_topics(
            [kafka.admin.NewTopic(topic, partitions, replicas, topic_configs=config)], raise_errors=True
        )
    client.close()
    assert refused.value.errno == code


def test_validate_only_makes_nothing(admin):
    topic = name("validated")
    admin.create_topics([NewTopic(topic, 3)], validate_only=True)[topic].result(10)
    assert topic not in admin.list_topics(timeout=10).topics


def test_configs_are_described_and_altered(admin):
    topic = name("configs")
    admin.create_topics([NewTopic(topic, 1, config={"segment.bytes": "1048576"})])[topic].result(10)
    resource = ConfigResource(ResourceType.TOPIC, topic)
    found = admin.describe_configs([resource])[resource].result(10)
    assert found["segment.bytes"].value == "1048576"
    assert found["segment.bytes"].source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    assert found["retention.ms"].value == "604800000" and found["retention.ms"].is_default
    for key in ("cleanup.policy", "compression.type", "max.message.bytes", "min.insync.replicas", "flush.mode"):
        assert key in found
    change = ConfigResource(
        ResourceType.TOPIC, topic,
        incremental_configs=[
            ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET),
            ConfigEntry("segment.bytes", None, incremental_operation=AlterConfigOpType.DELETE),
            ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND),
        ],
    )
    admin.incremental_alter_configs([change])[change].result(10)
    found = admin.describe_configs([resource])[resource].result(10)
    assert found["retention.ms"].value == "1000"
    assert found["segment.bytes"].is_default
    assert found["cleanup.policy"].value == "delete,compact"
    bad = ConfigResource(
        ResourceType.TOPIC, topic,
        incremental_configs=[ConfigEntry("retention.ms", "x", incremental_operation=AlterConfigOpType.SET)],
    )
    assert failure(admin.incremental_alter_configs([bad])[bad]) == CODE.INVALID_CONFIG
    brokers = ConfigResource(ResourceType.BROKER, str(next(iter(admin.list_topics(timeout=10).brokers))))
    found = admin.describe_configs([brokers])[brokers].result(10)
    assert "num.partitions" in found and "log.retention.ms" in found


def test_delete_records(admin, broker):
    topic = name("trim")
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address})
    for i in range(100):
        producer.produce(topic, value=b"%d" % i, timestamp=1_000_000 + (i if i != 70 else 500))
    assert producer.flush(10) == 0
    partition = confluent_kafka.TopicPartition(topic, 0, 40)
    assert admin.delete_records([partition])[partition].result(10).low_watermark == 40
    assert confluent_consume(broker.address, topic, 60)[0][1] == b"40"
    earliest = confluent_kafka.TopicPartition(topic, 0)
    assert admin.list_offsets({earliest: OffsetSpec.earliest()})[earliest].result(10).offset == 40
    assert admin.list_offsets({earliest: OffsetSpec.latest()})[earliest].result(10).offset == 100
    assert admin.list_offsets({earliest: OffsetSpec.max_timestamp()})[earliest].result(10).offset == 70
    beyond = confluent_kafka.TopicPartition(topic, 0, 1000)
    assert failure(admin.delete_records([beyond])[beyond]) == CODE.OFFSET_OUT_OF_RANGE


def test_cluster_and_log_directories(admin, broker):
    described = admin.describe_cluster().result(10)
    assert described.cluster_id and len(described.nodes) == 1
    client = kafka.admin.KafkaAdminClient(bootstrap_servers=broker.address)
    assert client.describe_cluster()["cluster_id"] == described.cluster_id
    topic = name("sized")
    confluent_produce(broker.address, topic, [(b"k", b"v" * 1000)])
    assert client.describe_log_dirs()
    client.close()


def test_command_line_topics(broker):
    topic = name("cli")
    at = ["--bootstrap", broker.address]
    run("topic", "create", topic, "--partitions", "2", "--config", "retention.ms=5000", *at)
    described = json.loads(run("topic", "describe", topic, "--json", *at).stdout)
    assert topic in json.dumps(described)
    assert topic in run("topic", "list", *at).stdout.split()
    run("topic", "alter", topic, "--config", "retention.ms=6000", "--yes", *at)
    assert "6000" in run("topic", "describe", topic, *at).stdout
    again = run("topic", "create", topic, *at, check=False)
    assert again.returncode == 1 and len(again.stderr.strip().splitlines()) == 1
    run("topic", "delete", topic, "--yes", *at)
    assert topic not in run("topic", "list", *at).stdout.split()
    assert run("topic", "describe", topic, *at, check=False).returncode == 1
    assert run("topic", "create", check=False).returncode == 2
    nobody = run("topic", "list", "--bootstrap", "127.0.0.1:1", check=False)
    assert nobody.returncode == 1 and "127.0.0.1:1" in nobody.stderr
