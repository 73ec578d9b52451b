"""The same few things done with each client, so that one test can run over all of them."""

import asyncio
import subprocess

import aiokafka
import confluent_kafka
import confluent_kafka.admin
import kafka

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def confluent_produce(address, topic, records, codec="none", **settings):
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": address, "compression.type": codec, "linger.ms": 5, **settings}
    )
    failures = []
    done = []

    def report(error, message):
        failures.append(error) if error else done.append((message.partition(), message.offset()))

    for key, value in records:
        producer.produce(topic, key=key, value=value, on_delivery=report)
    assert producer.flush(30) == 0, "records left in the queue"
    assert not failures, failures
    return done


def confluent_consume(address, topic, count, group=None, timeout=30.0, **settings):
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": address,
            "group.id": group or "confluent-reader",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": group is not None,
            "check.crcs": True,
            **settings,
        }
    )
    found = []
    try:
        if group:
            consumer.subscribe([topic])
        else:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in partitions])
        import time

        deadline = time.monotonic() + timeout
        while len(found) < count and time.monotonic() < deadline:
            for message in consumer.consume(1000, timeout=0.5):
                assert message.error() is None, message.error()
                found.append((message.key(), message.value()))
    finally:
        consumer.close()
    return found


def kafka_python_produce(address, topic, records, codec="none", **settings):
    producer = kafka.KafkaProducer(
        bootstrap_servers=address, compression_type=None if codec == "none" else codec, linger_ms=5, **settings
    )
    try:
        futures = [producer.send(topic, key=key, value=value) for key, value in records]
        producer.flush(30)
        return [(m.partition, m.offset) for m in (f.get(30) for f in futures)]
    finally:
        producer.close()


def kafka_python_consume(address, topic, count, group=None, timeout=30.0, **settings):
    consumer = kafka.KafkaConsumer(
        topic,
        bootstrap_servers=address,
        group_id=group,
        auto_offset_reset="earliest",
        consumer_timeout_ms=int(timeout * 1000),
        **settings,
    )
    found = []
    try:
        for record in consumer:
            found.append((record.key, record.value))
            if len(found) >= count:
                break
    finally:
        consumer.close()
    return found


def aiokafka_produce(address, topic, records, codec="none", **settings):
    async def go():
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=address, compression_type=None if codec == "none" else codec, linger_ms=5, **settings
        )
        await producer.start()
        try:
            futures = [await producer.send(topic, key=key, value=value) for key, value in records]
            return [(m.partition, m.offset) for m in [await f for f in futures]]
        finally:
            await producer.stop()

    return asyncio.run(asyncio.wait_for(go(), 60))


def aiokafka_consume(address, topic, count, group=None, timeout=30.0, **settings):
    async def go():
        consumer = aiokafka.AIOKafkaConsumer(
            topic, bootstrap_servers=address, group_id=group, auto_offset_reset="earliest", **settings
        )
        await consumer.start()
        found = []
        try:
            while len(found) < count:
                batches = await consumer.getmany(timeout_ms=500)
                for records in batches.values():
                    found += [(r.key, r.value) for r in records]
        finally:
            await consumer.stop()
        return found

    return asyncio.run(asyncio.wait_for(go(), timeout + 5))


def kcat(*arguments, input=None, timeout=60):
    """Runs kcat and gives its output; a failure is a failed test."""
    done = subprocess.run(["kcat", *arguments], input=input, capture_output=True, timeout=timeout)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def kcat_produce(address, topic, records, codec="none", **_):
    lines = b"".join(key + b"\x01" + value + b"\x02" for key, value in records)
    kcat("-b", address, "-P", "-t", topic, "-K", "\x01", "-D", "\x02", "-z", codec, input=lines)


def kcat_consume(address, topic, count, timeout=60, **_):
    out = kcat(
        "-b", address, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%k\x01%s\x02", "-X", "check.crcs=true",
        timeout=timeout,
    )
    return [tuple(line.split(b"\x01")) for line in out.split(b"\x02") if line]


PRODUCERS = {
    "confluent": confluent_produce,
    "kafka-python": kafka_python_produce,
    "aiokafka": aiokafka_produce,
    "kcat": kcat_produce,
}
CONSUMERS = {
    "confluent": confluent_consume,
    "kafka-python": kafka_python_consume,
    "aiokafka": aiokafka_consume,
    "kcat": kcat_consume,
}


def create_topic(address, topic, partitions=1, **config):
    """Makes a topic through librdkafka's admin client."""
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": address})
    admin.create_topics([confluent_kafka.admin.NewTopic(topic, partitions, config=config)])[topic].result(20)
