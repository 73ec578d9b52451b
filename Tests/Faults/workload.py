"""A short life of a broker, and the check that it kept its word.

The workload writes with librdkafka (acks=all, idempotent), commits offsets, rolls segments, makes and deletes topics; it
notes what the broker acknowledged, what it refused for good, and what it left open. It ends early when the broker dies.
"""

import sys
import pathlib
import time

import confluent_kafka
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient, NewTopic

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Clients"))

from weir import Broker  # noqa: E402

# Errors after which a record may or may not be in the log; every other failure is definite.
UNKNOWN_OUTCOMES = {
    confluent_kafka.KafkaError._MSG_TIMED_OUT,
    confluent_kafka.KafkaError._TRANSPORT,
    confluent_kafka.KafkaError._PURGE_INFLIGHT,
    confluent_kafka.KafkaError._PURGE_QUEUE,
    confluent_kafka.KafkaError.REQUEST_TIMED_OUT,
    confluent_kafka.KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    56,  # KAFKA_STORAGE_ERROR, after the append
}


class Notes:
    """What the broker said, for the check afterwards."""

    def __init__(self):
        self.acknowledged = {}  # (topic, offset) -> value
        self.refused = set()  # values
        self.sent = set()  # values
        self.committed = {}  # topic -> offset
        self.asked = {}  # topic -> the highest offset whose commit was tried
        self.created = set()
        self.deleted = set()
        self.delete_tried = set()


class Workload:
    """One run against a broker that may die at any moment. `alive` says whether it still runs."""

    def __init__(self, address, alive, notes, seed=0, patience=2.0, rounds=4, per_round=25):
        self.address, self.alive, self.notes, self.seed = address, alive, notes, seed
        self.patience, self.rounds, self.per_round = patience, rounds, per_round
        settings = {"bootstrap.servers": address, "log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 50,
                    "socket.timeout.ms": int(patience * 1000)}
        self.admin = AdminClient(settings)
        self.producer = confluent_kafka.Producer(
            {
                **settings, "enable.idempotence": True, "linger.ms": 0, "batch.num.messages": 5,
                "message.timeout.ms": int(patience * 1000), "retry.backoff.ms": 20,
            }
        )

    def run(self):
        try:
            for topic, codec in (("alpha", None), ("beta", "gzip")):
                self.create(topic)
            for round in range(self.rounds):
                self.produce("alpha", round)
                self.produce("beta", round)
                self.commit("alpha", (round + 1) * 5)
                if round == self.rounds // 2:
                    self.create("doomed")
                    self.produce("doomed", round)
                    self.delete("doomed")
                if not self.alive():
                    return False
            return True
        except confluent_kafka.KafkaException:
            return False
        finally:
            self.producer.purge()
            self.producer.flush(1)

    def create(self, topic):
        if not self.alive():
            return
        config = {"segment.bytes": "4096", "index.interval.bytes": "256"}
        self.admin.create_topics([NewTopic(topic, 1, config=config)], request_timeout=self.patience)[topic].result()
        self.notes.created.add(topic)

    def delete(self, topic):
        if not self.alive():
            return
        self.notes.delete_tried.add(topic)
        self.admin.delete_topics([topic], request_timeout=self.patience)[topic].result()
        self.notes.deleted.add(topic)

    def produce(self, topic, round):
        for number in range(self.per_round):
            value = f"{topic}/{self.seed}/{round}/{number}/".encode() + b"x" * (number * 13 % 300)
            self.notes.sent.add(value)

            def report(error, message, value=value):
                if error is None:
                    self.notes.acknowledged[message.topic(), message.offset()] = value
                elif error.code() not in UNKNOWN_OUTCOMES:
                    self.notes.refused.add(value)

            self.producer.produce(topic, value=value, partition=0, on_delivery=report)
        deadline = time.monotonic() + self.patience
        while self.producer.flush(0.05) and self.alive() and time.monotonic() < deadline:
            pass

    def commit(self, topic, offset):
        if not self.alive():
            return
        self.notes.asked[topic] = offset
        # Through the admin client, whose calls have a time limit: a consumer's commit waits for a dead broker for ever.
        request = ConsumerGroupTopicPartitions("workload", [confluent_kafka.TopicPartition(topic, 0, offset)])
        answer = self.admin.alter_consumer_group_offsets([request], request_timeout=self.patience)["workload"].result()
        if answer.topic_partitions[0].error is not None:
            raise confluent_kafka.KafkaException(answer.topic_partitions[0].error)
        self.notes.committed[topic] = offset


def read_all(address, topic):
    """Every record of the topic's partition 0 as offset -> value, checksums checked."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": address, "group.id": "check", "check.crcs": True, "log_level": 0,
         "enable.partition.eof": True, "enable.auto.commit": False}
    )
    try:
        low, high = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, 0), timeout=15)
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, low)])
        found = {}
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            message = consumer.poll(1)
            if message is None:
                continue
            if message.error():
                if message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                    return found
                raise AssertionError(f"reading {topic}: {message.error()}")
            found[message.offset()] = message.value()
        raise AssertionError(f"{topic} could not be read to its end; {len(found)} records came")
    finally:
        consumer.close()


def check(address, notes, where=""):
    """Everything acknowledged is there, at its place; nothing refused, nothing twice, nothing foreign; commits hold."""
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    topics = set(admin.list_topics(timeout=15).topics)
    for topic in notes.created - notes.delete_tried:
        assert topic in topics, f"{where}: the topic {topic} is gone"
    for topic in notes.deleted:
        assert topic not in topics, f"{where}: the deleted topic {topic} came back"
    for topic in (notes.created - notes.delete_tried) & topics:
        found = read_all(address, topic)
        for (owner, offset), value in notes.acknowledged.items():
            if owner == topic:
                assert found.get(offset) == value, (
                    f"{where}: {topic} offset {offset} was acknowledged as {value[:40]!r} and is {found.get(offset)!r:.60}"
                )
        values = list(found.values())
        assert len(values) == len(set(values)), f"{where}: a record is in {topic} twice"
        assert not notes.refused & set(values), f"{where}: a refused record is in {topic}"
        assert set(values) <= notes.sent, f"{where}: {topic} has records that nobody sent"
        assert sorted(found) == list(range(min(found, default=0), min(found, default=0) + len(found))), (
            f"{where}: {topic} has a gap in its offsets"
        )
    consumer = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": "workload", "log_level": 0})
    try:
        for topic, offset in notes.committed.items():
            found = consumer.committed([confluent_kafka.TopicPartition(topic, 0)], timeout=15)[0].offset
            assert offset <= found <= notes.asked[topic], (
                f"{where}: the committed offset {offset} of {topic} is {found} now"
            )
    finally:
        consumer.close()
