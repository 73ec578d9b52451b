"""What was acknowledged survives SIGTERM and SIGKILL, with the strangers' clients watching."""

import os
import random
import resource
import threading
import time

import confluent_kafka
import pytest
from clients import PRODUCERS, confluent_consume, confluent_produce, create_topic, kafka_python_consume, aiokafka_consume
from confluent_kafka.admin import AdminClient
from weir import Broker, eventually, name


def committed(address, group, topic):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": group})
    try:
        return consumer.committed([confluent_kafka.TopicPartition(topic, 0)], timeout=10)[0].offset
    finally:
        consumer.close()


def commit(address, group, topic, offset):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": group})
    try:
        consumer.commit(offsets=[confluent_kafka.TopicPartition(topic, 0, offset)], asynchronous=False)
    finally:
        consumer.close()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_everything_is_there_after_a_restart(own_broker, how):
    broker = own_broker
    sent = {}
    for writer, produce in PRODUCERS.items():
        topic = name(writer)
        sent[topic] = [(b"k", b"%d" % i) for i in range(200)]
        produce(broker.address, topic, sent[topic], "zstd", **({"acks": "all"} if writer != "kcat" else {}))
    topic = next(iter(sent))
    commit(broker.address, "g", topic, 123)
    topics = set(AdminClient({"bootstrap.servers": broker.address}).list_topics(timeout=10).topics)
    if how == "stop":
        assert broker.stop() == 0
    else:
        broker.kill()
    broker.start()
    assert set(AdminClient({"bootstrap.servers": broker.address}).list_topics(timeout=10).topics) == topics
    for consume in (confluent_consume, kafka_python_consume, aiokafka_consume):
        for topic, records in sent.items():
            assert consume(broker.address, topic, len(records)) == records
    assert committed(broker.address, "g", next(iter(sent))) == 123


def test_kill_9_under_load_loses_nothing_acknowledged(own_broker):
    """A producer with acks=all, a committing consumer, five kills at random moments."""
    broker, topic, seed = own_broker, name("killed"), random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    create_topic(broker.address, topic, 1)
    acknowledged, commits, stop = [], [], threading.Event()

    def produce():
        producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": broker.address, "enable.idempotence": True, "linger.ms": 1,
                "message.timeout.ms": 60000, "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 20,
                "socket.timeout.ms": 5000,
            }
        )
        number = 0
        while not stop.is_set():
            producer.produce(
                topic, value=b"%d" % number,
                on_delivery=lambda e, m: e is None and acknowledged.append((m.offset(), m.value())),
            )
            number += 1
            producer.poll(0)
            time.sleep(0.0005)
        producer.flush(60)

    def commit_rising():
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": broker.address, "group.id": "c", "reconnect.backoff.max.ms": 100}
        )
        offset = 1
        while not stop.is_set():
            try:
                consumer.commit(offsets=[confluent_kafka.TopicPartition(topic, 0, offset)], asynchronous=False)
                commits.append(offset)
                offset += 1
            except confluent_kafka.KafkaException:
                time.sleep(0.05)
        consumer.close()

    threads = [threading.Thread(target=produce), threading.Thread(target=commit_rising)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        before = len(acknowledged)
        eventually(lambda: len(acknowledged) > before + 50, 60, "records are acknowledged")
        time.sleep(chance.random() * 0.3)
        known = commits[-1] if commits else 0
        broker.kill()
        broker.start()
        found = committed(broker.address, "c", topic)
        assert found >= known or (found == -1001 and known == 0), f"committed offset went back: {found} < {known}"
    stop.set()
    for thread in threads:
        thread.join(90)
    low, high = confluent_offsets(broker.address, topic)
    values = [v for _, v in confluent_consume(broker.address, topic, high)]
    for offset, value in acknowledged:
        assert values[offset] == value, f"acknowledged record {value} is not at offset {offset} (seed {seed})"
    assert len(set(values)) == len(values), "an idempotent producer's record is there twice"
    assert [int(v) for v in values] == sorted(int(v) for v in values), "records out of order"


def confluent_offsets(address, topic):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": "x"})
    try:
        return consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, 0), timeout=10)
    finally:
        consumer.close()


def test_idempotent_producer_survives_a_restart(own_broker):
    broker, topic = own_broker, name("sequence")
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "enable.idempotence": True})
    failures = []
    for round in range(3):
        for i in range(100):
            producer.produce(topic, value=b"%d" % (round * 100 + i), on_delivery=lambda e, _: e and failures.append(e))
        assert producer.flush(60) == 0
        broker.stop() if round % 2 else broker.kill()
        broker.start()
    assert not failures
    assert confluent_offsets(broker.address, topic) == (0, 300)
    assert [v for _, v in confluent_consume(broker.address, topic, 300)] == [b"%d" % i for i in range(300)]


def test_a_second_broker_on_the_same_directory_refuses(own_broker):
    second = Broker(data=own_broker.data)
    with pytest.raises(RuntimeError):
        second.start(timeout=10)
    assert second.process.wait(10) == 1
    assert len([line for line in second.lines if line]) == 1, second.lines
    assert own_broker.alive()
    second.close()


def test_many_partitions_within_the_descriptor_limit():
    """1,200 partitions with a record each, under a limit of 600 descriptors."""
    with Broker(limits={resource.RLIMIT_NOFILE: (600, 600)}) as broker:
        topics = [f"many-{i}" for i in range(10)]
        for topic in topics:
            create_topic(broker.address, topic, 120)
        producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "linger.ms": 50})
        failures = []
        for topic in topics:
            for partition in range(120):
                producer.produce(topic, value=b"x", partition=partition, on_delivery=lambda e, _: e and failures.append(e))
        assert producer.flush(60) == 0
        assert not failures, failures[:3]
        assert len(os.listdir(f"/proc/{broker.process.pid}/fd")) < 600
        for topic in topics[::4]:
            assert len(confluent_consume(broker.address, topic, 120)) == 120
        assert broker.stop() == 0
