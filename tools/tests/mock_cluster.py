"""librdkafka's mock cluster, driven by lines on standard input, for the client's tests.

Prints `bootstrap HOST:PORT,…`, then answers each command with `ok` or `error …`:

  topic NAME PARTITIONS REPLICAS      leader TOPIC PARTITION BROKER (-1 for none)
  errors API_KEY CODE…                the next answers of that API, from any broker; -195 closes the connection
  broker-errors BROKER API_KEY CODE:MS…
  down BROKER | up BROKER             rtt BROKER MS
  versions API_KEY MIN MAX            coordinator GROUP BROKER
  start TOPIC PARTITION OFFSET        deletes the records before the offset

Uses the librdkafka inside the confluent-kafka wheel, which exports rdkafka_mock.h's functions.
"""

import ctypes
import glob
import os
import sys

import confluent_kafka

folder = os.path.join(os.path.dirname(os.path.dirname(confluent_kafka.__file__)), "confluent_kafka.libs")
names = glob.glob(os.path.join(folder, "librdkafka*.so*")) or glob.glob(os.path.join(folder, "librdkafka*.dylib"))
rd = ctypes.CDLL(names[0]) if names else ctypes.CDLL(None)

P, I, S = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p


def function(name, result, *arguments):
    found = getattr(rd, name)
    found.restype = result
    found.argtypes = arguments
    return found


new = function("rd_kafka_new", P, I, P, S, ctypes.c_size_t)
cluster_new = function("rd_kafka_mock_cluster_new", P, P, I)
bootstraps = function("rd_kafka_mock_cluster_bootstraps", S, P)
topic_create = function("rd_kafka_mock_topic_create", I, P, S, I, I)
set_leader = function("rd_kafka_mock_partition_set_leader", I, P, S, ctypes.c_int32, ctypes.c_int32)
push_errors = function("rd_kafka_mock_push_request_errors_array", None, P, ctypes.c_int16, ctypes.c_size_t, P)
set_down = function("rd_kafka_mock_broker_set_down", I, P, ctypes.c_int32)
set_up = function("rd_kafka_mock_broker_set_up", I, P, ctypes.c_int32)
set_rtt = function("rd_kafka_mock_broker_set_rtt", I, P, ctypes.c_int32, I)
set_versions = function("rd_kafka_mock_set_apiversion", I, P, ctypes.c_int16, ctypes.c_int16, ctypes.c_int16)
coordinator_set = function("rd_kafka_mock_coordinator_set", I, P, S, S, ctypes.c_int32)
delete_records = function("rd_kafka_mock_partition_delete_records", I, P, S, ctypes.c_int32, ctypes.c_int64)
broker_errors = rd.rd_kafka_mock_broker_push_request_error_rtts
rebalance_delay = function("rd_kafka_mock_group_initial_rebalance_delay_ms", None, P, ctypes.c_int32)

said = ctypes.create_string_buffer(512)
handle = new(0, None, said, len(said))
assert handle, said.value
cluster = cluster_new(handle, int(sys.argv[1]) if len(sys.argv) > 1 else 3)
rebalance_delay(cluster, 100)


def run(command, *words):
    if command == "topic":
        return topic_create(cluster, words[0].encode(), int(words[1]), int(words[2]))
    if command == "leader":
        return set_leader(cluster, words[0].encode(), int(words[1]), int(words[2]))
    if command == "errors":
        codes = (I * len(words[1:]))(*map(int, words[1:]))
        push_errors(cluster, int(words[0]), len(codes), ctypes.cast(codes, P))
        return 0
    if command == "broker-errors":
        pairs = [tuple(map(int, word.split(":"))) for word in words[2:]]
        flat = [I(part) for pair in pairs for part in pair]
        broker_errors.restype = I
        return broker_errors(P(cluster), ctypes.c_int32(int(words[0])), ctypes.c_int16(int(words[1])),
                             ctypes.c_size_t(len(pairs)), *flat)
    if command == "down":
        return set_down(cluster, int(words[0]))
    if command == "up":
        return set_up(cluster, int(words[0]))
    if command == "rtt":
        return set_rtt(cluster, int(words[0]), int(words[1]))
    if command == "versions":
        return set_versions(cluster, *map(int, words))
    if command == "coordinator":
        return coordinator_set(cluster, b"group", words[0].encode(), int(words[1]))
    if command == "start":
        return delete_records(cluster, words[0].encode(), int(words[1]), int(words[2]))
    raise ValueError(command)


print("bootstrap", bootstraps(cluster).decode(), flush=True)
for line in sys.stdin:
    try:
        code = run(*line.split())
        print("ok" if code == 0 else f"error {code}", flush=True)
    except Exception as error:  # noqa: BLE001
        print("error", repr(error), flush=True)
os._exit(0)
