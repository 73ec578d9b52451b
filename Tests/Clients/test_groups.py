"""Groups of strangers' clients that come and go, and the offsets they commit."""

import threading
import time
import uuid

import confluent_kafka
import kafka
import pytest
from clients import confluent_consume, confluent_produce, create_topic, kafka_python_consume
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient
from weir import eventually, name, run

PARTITIONS = 6


class Member(threading.Thread):
    """A confluent-kafka group member in a thread of its own; collects what it reads and what it is assigned."""

    def __init__(self, address, group, topic, **settings):
        super().__init__(daemon=True)
        self.settings = {
            "bootstrap.servers": address,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 500,
            **settings,
        }
        self.topic = topic
        self.values = []
        self.assigned = set()
        self.rebalances = 0
        self.failure = None
        self.halt = threading.Event()
        self.abandon = False
        self.start()

    def run(self):
        try:
            self.work()
        except Exception as failure:  # reported by leave()
            self.failure = failure

    def work(self):
        cooperative = self.settings.get("partition.assignment.strategy") == "cooperative-sticky"

        def gained(consumer, partitions):
            self.rebalances += 1
            self.assigned |= {p.partition for p in partitions}
            (consumer.incremental_assign if cooperative else consumer.assign)(partitions)

        def lost(consumer, partitions):
            self.assigned -= {p.partition for p in partitions}
            (consumer.incremental_unassign(partitions) if cooperative else consumer.unassign())

        consumer = confluent_kafka.Consumer(self.settings)
        consumer.subscribe([self.topic], on_assign=gained, on_revoke=lost)
        while not self.halt.is_set():
            message = consumer.poll(0.1)
            if message is None:
                continue
            if message.error():
                raise confluent_kafka.KafkaException(message.error())
            self.values.append(message.value())
            consumer.commit(message, asynchronous=True)
        consumer.close()

    def leave(self):
        self.halt.set()
        self.join(30)
        assert not self.is_alive(), "the member did not close"
        if self.failure:
            raise self.failure


def make_topic(broker, partitions=PARTITIONS):
    topic = name("group-topic")
    create_topic(broker.address, topic, partitions)
    return topic


def feed(broker, topic, count, start=0):
    values = [b"%d" % i for i in range(start, start + count)]
    confluent_produce(broker.address, topic, [(v, v) for v in values])
    return set(values)


@pytest.mark.parametrize("strategy", ["range", "roundrobin", "cooperative-sticky"])
def test_members_come_and_go(broker, strategy):
    topic, group = make_topic(broker), name("group")
    settings = {"partition.assignment.strategy": strategy}
    sent = feed(broker, topic, 600)
    first = Member(broker.address, group, topic, **settings)
    eventually(lambda: len(first.assigned) == PARTITIONS, what="the first member alone has all partitions")
    second = Member(broker.address, group, topic, **settings)
    third = Member(broker.address, group, topic, **settings)
    members = [first, second, third]
    eventually(lambda: all(len(m.assigned) == 2 for m in members), 40, "three members share six partitions")
    assert first.assigned | second.assigned | third.assigned == set(range(PARTITIONS))
    sent |= feed(broker, topic, 600, start=600)
    eventually(lambda: set().union(*(m.values for m in members)) == sent, what="every record is seen")
    second.leave()
    eventually(lambda: len(first.assigned) + len(third.assigned) == PARTITIONS, 40, "two members share six partitions")
    sent |= feed(broker, topic, 300, start=1200)
    eventually(lambda: set().union(*(m.values for m in members)) == sent, what="every record is seen after a leave")
    first.leave()
    third.leave()


def test_static_member_restarts_without_a_rebalance(broker):
    topic, group = make_topic(broker), name("static")
    one = Member(broker.address, group, topic, **{"group.instance.id": "one"})
    two = Member(broker.address, group, topic, **{"group.instance.id": "two"})
    eventually(lambda: len(one.assigned) == len(two.assigned) == 3, 40, "two static members share six partitions")
    held, rebalances = set(two.assigned), two.rebalances
    one_held = set(one.assigned)
    one.leave()
    again = Member(broker.address, group, topic, **{"group.instance.id": "one"})
    eventually(lambda: again.assigned == one_held, 20, "the static member got its partitions back")
    assert two.assigned == held and two.rebalances == rebalances, "the other static member was rebalanced"
    again.leave()
    two.leave()


def test_mixed_group_of_confluent_and_kafka_python(broker):
    topic, group = make_topic(broker), name("mixed")
    sent = feed(broker, topic, 200)
    librdkafka = Member(broker.address, group, topic, **{"partition.assignment.strategy": "range"})
    eventually(lambda: len(librdkafka.assigned) == PARTITIONS)
    seen = set()
    stop = threading.Event()

    def read():
        consumer = kafka.KafkaConsumer(
            topic, bootstrap_servers=broker.address, group_id=group, auto_offset_reset="earliest",
            partition_assignment_strategy=[kafka.coordinator.assignors.range.RangePartitionAssignor],
        )
        while not stop.is_set():
            for batch in consumer.poll(200).values():
                seen.update(r.value for r in batch)
        consumer.close()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    eventually(lambda: len(librdkafka.assigned) == 3, 40, "the kafka-python member took its share")
    sent |= feed(broker, topic, 600, start=200)
    eventually(lambda: seen | set(librdkafka.values) == sent, what="every record is seen by one of them")
    assert seen, "the kafka-python member read nothing"
    stop.set()
    reader.join(20)
    librdkafka.leave()


@pytest.mark.parametrize("consume", [confluent_consume, kafka_python_consume])
def test_committed_offsets_are_where_the_next_member_starts(broker, consume):
    topic, group = make_topic(broker, 1), name("resume")
    confluent_produce(broker.address, topic, [(b"k", b"%d" % i) for i in range(100)])
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": broker.address, "group.id": group, "enable.auto.commit": False}
    )
    consumer.commit(offsets=[confluent_kafka.TopicPartition(topic, 0, 60, "note é")], asynchronous=False)
    committed = consumer.committed([confluent_kafka.TopicPartition(topic, 0)], timeout=10)[0]
    assert (committed.offset, committed.metadata) == (60, "note é")
    consumer.close()
    assert [v for _, v in consume(broker.address, topic, 40, group=group)] == [b"%d" % i for i in range(60, 100)]


def test_group_admin(broker):
    topic, group = make_topic(broker), name("admin")
    member = Member(broker.address, group, topic, **{"client.id": "tester"})
    eventually(lambda: len(member.assigned) == PARTITIONS)
    admin = AdminClient({"bootstrap.servers": broker.address})
    listed = {g.group_id: g for g in admin.list_consumer_groups().result(10).valid}
    assert group in listed
    described = admin.describe_consumer_groups([group])[group].result(10)
    assert described.state.name == "STABLE"
    assert [m.client_id for m in described.members] == ["tester"]
    assert {p.partition for p in described.members[0].assignment.topic_partitions} == set(range(PARTITIONS))
    with pytest.raises(confluent_kafka.KafkaException) as refused:
        admin.delete_consumer_groups([group])[group].result(10)
    assert refused.value.args[0].code() == confluent_kafka.KafkaError.NON_EMPTY_GROUP
    described = run("group", "describe", group, "--json", "--bootstrap", broker.address).stdout
    assert "Stable" in described and "tester" in described
    assert group in run("group", "list", "--bootstrap", broker.address).stdout
    member.leave()
    admin.alter_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group, [confluent_kafka.TopicPartition(topic, 2, 7)])]
    )[group].result(10)
    fetched = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(10)
    assert [(p.partition, p.offset) for p in fetched.topic_partitions if p.offset >= 0] == [(2, 7)]
    run("group", "delete", group, "--yes", "--bootstrap", broker.address)
    listed = {g.group_id for g in admin.list_consumer_groups().result(10).valid}
    assert group not in listed


def test_a_member_that_dies_is_expired(broker):
    topic, group = make_topic(broker), name("expiry")
    import multiprocessing

    def hold(address, topic, group):
        member = Member(address, group, topic)
        eventually(lambda: len(member.assigned) == PARTITIONS)
        time.sleep(600)

    process = multiprocessing.get_context("fork").Process(target=hold, args=(broker.address, topic, group), daemon=True)
    process.start()
    admin = AdminClient({"bootstrap.servers": broker.address})

    def stable():
        described = admin.describe_consumer_groups([group])[group].result(10)
        return described.state.name == "STABLE" and len(described.members) == 1

    eventually(stable, 30, "the doomed member joined")
    process.kill()
    survivor = Member(broker.address, group, topic)
    eventually(lambda: len(survivor.assigned) == PARTITIONS, 40, "the survivor took over after the session timeout")
    survivor.leave()
