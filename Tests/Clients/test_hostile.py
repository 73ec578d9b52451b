"""Bad bytes, slow senders and many connections: the right error or a closed connection, and nobody else notices."""

import os
import random
import socket
import struct
import threading
import time

import confluent_kafka
import pytest
from clients import confluent_consume, confluent_produce
from weir import eventually, name


def connect(broker):
    connection = socket.create_connection(("127.0.0.1", broker.port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def frame(body):
    return struct.pack(">i", len(body)) + body


def header(key, version, correlation=7, client=b"t"):
    return struct.pack(">hhih", key, version, correlation, len(client)) + client


def answer(connection):
    """One response body, or None when the broker closed the connection."""
    data = b""
    try:
        while len(data) < 4 or len(data) < 4 + struct.unpack(">i", data[:4])[0]:
            more = connection.recv(65536)
            if not more:
                return None
            data += more
    except ConnectionResetError:
        return None
    return data[4:]


def closed(connection):
    connection.settimeout(10)
    return answer(connection) is None


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">i", -1),
        struct.pack(">i", -(2**31)),
        struct.pack(">i", 2**31 - 1),
        struct.pack(">i", 0),
        struct.pack(">i", 3) + b"abc",
        frame(header(9999, 0)),
        frame(header(3, 99)),
        frame(header(-5, -5)),
        frame(struct.pack(">hhih", 3, 1, 7, 500) + b"short"),
        frame(header(3, 1) + struct.pack(">i", 2**31 - 1)),
        frame(header(3, 1) + struct.pack(">i", -7)),
        frame(header(3, 1) + struct.pack(">ih", 1, 2) + b"\xff\xfe"),
        frame(header(24, 0) + b"\0\0"),
    ],
)
def test_bad_frames_close_the_connection(broker, data):
    with connect(broker) as connection:
        connection.sendall(data)
        assert closed(connection)


def test_bytes_behind_a_request_are_passed_over(broker):
    """As Kafka does: librdkafka 2.16 sends three of them when it asks for all topics."""
    with connect(broker) as connection:
        connection.sendall(frame(header(3, 1) + struct.pack(">i", 0) + b"\0\0\0"))
        assert struct.unpack(">i", answer(connection)[:4]) == (7,)


def test_unknown_api_versions_version_gets_35_and_the_list(broker):
    with connect(broker) as connection:
        connection.sendall(frame(header(18, 99)))
        body = answer(connection)
        correlation, error, count = struct.unpack(">ihi", body[:10])
        assert (correlation, error) == (7, 35) and count >= 1
        keys = [struct.unpack(">hhh", body[10 + 6 * i : 16 + 6 * i])[0] for i in range(count)]
        assert 18 in keys
        # The connection goes on.
        connection.sendall(frame(header(18, 0, correlation=8)))
        assert struct.unpack(">ih", answer(connection)[:6]) == (8, 0)


def test_random_bytes_never_harm(broker):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(300):
        with connect(broker) as connection:
            key = chance.choice([*range(0, 4), *range(8, 17), *range(18, 24), 32, 33, 35, 37, 42, 44, 47, 60, 75])
            body = header(key, chance.randrange(0, 14)) + chance.randbytes(chance.randrange(0, 200))
            connection.sendall(frame(body))
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(10)
            answer(connection)


def produce_v3(topic, records, acks=1):
    body = struct.pack(">hhi", -1, acks, 5000) + struct.pack(">ih", 1, len(topic)) + topic
    return header(0, 3) + body + struct.pack(">iii", 1, 0, len(records)) + records


def batch(count=1, crc=None, magic=2, attributes=0, payload=None, last_delta=None):
    import crc32c

    record = bytes([0, 0, 0, 1, 2]) + b"v" + bytes([0])
    record = bytes([len(record) * 2]) + record
    payload = record if payload is None else payload
    tail = struct.pack(
        ">hiqqqhii", attributes, count - 1 if last_delta is None else last_delta, 1, 1, -1, -1, -1, count
    ) + payload
    return struct.pack(">qiibI", 0, len(tail) + 9, 0, magic, crc32c.crc32c(tail) if crc is None else crc) + tail


def produce_error(connection, topic, records):
    connection.sendall(frame(produce_v3(topic.encode(), records)))
    body = answer(connection)
    if body is None:
        return "closed"
    at = 4 + 4 + 2 + len(topic) + 4 + 4
    return struct.unpack(">h", body[at : at + 2])[0]


def test_bad_batches_get_their_codes_and_leave_no_trace(broker):
    topic = name("bad")
    confluent_produce(broker.address, topic, [(b"k", b"good")])
    with connect(broker) as connection:
        assert produce_error(connection, topic, batch()) == 0
        assert produce_error(connection, topic, batch(crc=1)) == 2
        assert produce_error(connection, topic, batch(magic=7)) in (2, 43, 87)
        assert produce_error(connection, topic, batch(count=1000)) in (2, 87)
        assert produce_error(connection, topic, batch(last_delta=5)) in (2, 87)
        assert produce_error(connection, topic, batch(attributes=0x20)) == 87
        assert produce_error(connection, topic, batch(attributes=7)) in (2, 76, 87)
        assert produce_error(connection, topic, batch()[:-3]) in (2, 87)
        assert produce_error(connection, topic, b"") in (2, 87, 42)
        assert produce_error(connection, "no/such", batch()) in (3, 17)
        assert produce_error(connection, topic, batch()) == 0
    assert len(confluent_consume(broker.address, topic, 3)) == 3


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_decompression_bombs_are_refused(broker, codec):
    import cramjam

    topic = name("bomb")
    confluent_produce(broker.address, topic, [(b"k", b"good")])
    zeros = bytes(512 << 20)
    packed = {
        "gzip": lambda: cramjam.gzip.compress(zeros),
        "snappy": lambda: cramjam.snappy.compress_raw(zeros),
        "lz4": lambda: cramjam.lz4.compress(zeros),
        "zstd": lambda: cramjam.zstd.compress(zeros, 19 if False else 3),
    }[codec]()
    number = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}[codec]
    packed = bytes(packed)
    before = resident(broker)
    with connect(broker) as connection:
        if len(packed) < 1_000_000:
            assert produce_error(connection, topic, batch(attributes=number, payload=packed)) != 0
        else:
            assert produce_error(connection, topic, batch(attributes=number, payload=packed)) in (10, 2, 87)
    assert resident(broker) - before < 200 << 20


def resident(broker):
    with open(f"/proc/{broker.process.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def latency(broker, topic, rounds=100):
    """The median of single acknowledged records, in seconds."""
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "linger.ms": 0, "acks": 1})
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        producer.produce(topic, value=b"x")
        assert producer.flush(10) == 0
        times.append(time.perf_counter() - started)
    return sorted(times)[len(times) // 2]


def test_idle_and_slow_connections_do_not_slow_the_healthy(own_broker):
    broker, topic = own_broker, name("healthy")
    confluent_produce(broker.address, topic, [(b"k", b"v")])
    alone = latency(broker, topic)
    connections = [connect(broker) for _ in range(5000)]
    slow = connections[:500]
    body = frame(header(3, 1) + b"x" * 60_000)
    stop = threading.Event()

    def drip():
        at = 0
        while not stop.is_set():
            for connection in slow:
                connection.send(body[at : at + 1])
            at += 1
            stop.wait(1)

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        crowded = latency(broker, topic)
        assert crowded < alone * 5 + 0.02, f"{alone * 1e6:.0f} µs alone, {crowded * 1e6:.0f} µs among 5,000 connections"
    finally:
        stop.set()
        dripping.join()
        for connection in connections:
            connection.close()
    assert broker.stop() == 0


def test_sigterm_with_parked_fetches_and_open_connections(own_broker):
    broker, topic = own_broker, name("parked")
    confluent_produce(broker.address, topic, [(b"k", b"v")])
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": broker.address, "group.id": "p", "fetch.wait.max.ms": 60_000,
         "socket.timeout.ms": 70_000}
    )
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    assert consumer.poll(10).value() == b"v"
    consumer.poll(0.5)
    idle = [connect(broker) for _ in range(20)]
    started = time.monotonic()
    assert broker.stop(timeout=10) == 0
    assert time.monotonic() - started < 6
    consumer.close()
    for connection in idle:
        connection.close()
