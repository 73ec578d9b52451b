"""Every client writes with every codec; every client reads all of it."""

import os
import subprocess
import time

import confluent_kafka
import kafka
import pytest
from clients import CODECS, CONSUMERS, PRODUCERS, kcat, confluent_consume, confluent_produce, create_topic
from confluent_kafka.admin import AdminClient, NewTopic
from weir import name, run


def records(count=300):
    """Compressible values of many sizes, an empty one among them."""
    return [(b"k%d" % i, b"value %d " % i + b"x" * (i * 7 % 900)) for i in range(count)] + [(b"empty", b"")]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("writer", PRODUCERS)
def test_every_client_writes_with_every_codec_and_all_read_it(broker, writer, codec):
    topic = name(f"{writer}-{codec}")
    create_topic(broker.address, topic, 3)
    sent = records()
    PRODUCERS[writer](broker.address, topic, sent, codec)
    for reader, consume in CONSUMERS.items():
        found = consume(broker.address, topic, len(sent))
        assert sorted(found) == sorted(sent), f"{reader} reading what {writer} wrote with {codec}"


@pytest.mark.parametrize("writer", ["confluent", "kafka-python", "aiokafka"])
def test_idempotent_producers(broker, writer):
    topic = name("idempotent")
    sent = records(500)
    settings = {"confluent": {"enable.idempotence": True}}.get(writer, {"enable_idempotence": True})
    placed = PRODUCERS[writer](broker.address, topic, sent, "lz4", **settings)
    assert sorted(offset for _, offset in placed) == list(range(len(sent)))
    assert confluent_consume(broker.address, topic, len(sent)) == sent


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_acks(broker, acks):
    topic = name("acks")
    sent = records(50)
    confluent_produce(broker.address, topic, sent, acks=acks)
    assert confluent_consume(broker.address, topic, len(sent)) == sent


def test_headers_timestamps_keys_and_nulls_round_trip(broker):
    topic = name("headers")
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address})
    headers = [("a", b"1"), ("a", b"2"), ("none", None), ("bytes", b"\x00\xff")]
    producer.produce(topic, key=None, value=None, headers=headers, timestamp=1_700_000_000_123)
    producer.produce(topic, key=b"", value=b"", timestamp=1_700_000_000_124)
    assert producer.flush(10) == 0
    consumer = kafka.KafkaConsumer(bootstrap_servers=broker.address)
    partition = kafka.TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    found = []
    deadline = time.monotonic() + 20
    while len(found) < 2 and time.monotonic() < deadline:
        for batch in consumer.poll(500).values():
            found += batch
    consumer.close()
    assert [(r.key, r.value, r.timestamp) for r in found] == [
        (None, None, 1_700_000_000_123),
        (b"", b"", 1_700_000_000_124),
    ]
    assert [tuple(h) for h in found[0].headers] == headers


def test_large_records_and_the_size_limit(broker):
    topic = name("large")
    big = os.urandom(900_000)
    confluent_produce(broker.address, topic, [(b"k", big)])
    assert confluent_consume(broker.address, topic, 1) == [(b"k", big)]
    errors = []
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "message.max.bytes": 5_000_000})
    producer.produce(topic, value=os.urandom(2_000_000), on_delivery=lambda e, _: errors.append(e))
    producer.flush(20)
    assert errors[0].code() == confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE


def test_long_poll_wakes_at_once(broker):
    """A waiting consumer sees a record long before its fetch.max.wait."""
    topic = name("wake")
    confluent_produce(broker.address, topic, [(b"", b"first")])
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": broker.address, "group.id": "wake", "fetch.wait.max.ms": 20_000}
    )
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    assert consumer.poll(20).value() == b"first"
    started = time.monotonic()
    confluent_produce(broker.address, topic, [(b"", b"second")])
    message = consumer.poll(15)
    consumer.close()
    assert message is not None and message.value() == b"second"
    assert time.monotonic() - started < 10


def test_offsets_by_time_and_special_offsets(broker):
    topic = name("times")
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address})
    for i in range(10):
        producer.produce(topic, value=b"%d" % i, timestamp=1_000_000 + i * 1000)
    assert producer.flush(10) == 0
    consumer = kafka.KafkaConsumer(bootstrap_servers=broker.address)
    partition = kafka.TopicPartition(topic, 0)
    assert consumer.beginning_offsets([partition]) == {partition: 0}
    assert consumer.end_offsets([partition]) == {partition: 10}
    found = consumer.offsets_for_times({partition: 1_004_500})[partition]
    assert (found.offset, found.timestamp) == (5, 1_005_000)
    assert consumer.offsets_for_times({partition: 9_999_999})[partition] is None
    consumer.close()
    assert kcat("-b", broker.address, "-Q", "-t", f"{topic}:0:1004500").decode().split()[-1] == "5"
    assert kcat("-b", broker.address, "-Q", "-t", f"{topic}:0:-1").decode().split()[-1] == "10"


def test_kcat_lists_the_cluster(broker):
    topic = name("listed")
    create_topic(broker.address, topic, 4)
    listing = kcat("-b", broker.address, "-L").decode()
    assert f'topic "{topic}" with 4 partitions' in listing
    assert f"broker {0}" in listing or "broker 1" in listing
    assert broker.address in listing
    assert "leader" in kcat("-b", broker.address, "-L", "-t", topic).decode()


def test_kcat_offsets(broker):
    topic = name("kcat-offsets")
    kcat("-b", broker.address, "-P", "-t", topic, input=b"0\n1\n2\n3\n4\n")
    read = lambda offset, *more: kcat("-b", broker.address, "-C", "-t", topic, "-o", offset, "-e", "-q", *more).split()
    assert read("beginning") == [b"0", b"1", b"2", b"3", b"4"]
    assert read("3") == [b"3", b"4"]
    assert read("-2") == [b"3", b"4"]
    assert read("beginning", "-c", "2") == [b"0", b"1"]
    assert read("end") == []


def test_auto_creation_by_producing(broker):
    topic = name("auto")
    confluent_produce(broker.address, topic, [(b"a", b"b")])
    found = AdminClient({"bootstrap.servers": broker.address}).list_topics(timeout=10).topics[topic]
    assert len(found.partitions) == 1


def test_log_append_time(broker):
    topic = name("append-time")
    admin = AdminClient({"bootstrap.servers": broker.address})
    admin.create_topics([NewTopic(topic, 1, config={"message.timestamp.type": "LogAppendTime"})])[topic].result(10)
    before = int(time.time() * 1000)
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "compression.type": "gzip"})
    producer.produce(topic, value=b"x", timestamp=5)
    assert producer.flush(10) == 0
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": broker.address, "group.id": "x", "check.crcs": True}
    )
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    message = consumer.poll(15)
    consumer.close()
    kind, timestamp = message.timestamp()
    assert kind == confluent_kafka.TIMESTAMP_LOG_APPEND_TIME
    assert before - 1000 <= timestamp <= int(time.time() * 1000) + 1000


@pytest.mark.parametrize("codec", CODECS)
def test_librdkafka_and_weir_read_each_other(broker, codec):
    topic = name(f"cli-{codec}")
    sent = [(b"k%d" % i, b"v%d" % i) for i in range(200)]
    confluent_produce(broker.address, topic, sent, codec)
    out = run(
        "consume", topic, "--from", "earliest", "--exit-at-end", "--format", "%k=%s\\n", "--bootstrap", broker.address
    ).stdout
    assert out.splitlines() == [f"{k.decode()}={v.decode()}" for k, v in sent]
    back = name(f"cli-back-{codec}")
    run(
        "produce", back, "--key-separator", "=", "--compression", codec, "--bootstrap", broker.address,
        input="".join(f"{k.decode()}={v.decode()}\n" for k, v in sent),
    )
    assert confluent_consume(broker.address, back, len(sent)) == sent
