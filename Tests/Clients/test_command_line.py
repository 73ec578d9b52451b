"""The `weir` command as people use it: the contracts of its options, formats and exit codes."""

import base64
import json
import time

from clients import confluent_consume, confluent_produce
from weir import Broker, name, run


def consume(broker, topic, *more):
    return run("consume", topic, "--exit-at-end", *more, "--bootstrap", broker.address).stdout


def test_json_records_round_trip(broker):
    topic, copy = name("json"), name("json-copy")
    at = ["--bootstrap", broker.address]
    lines = [
        {"key": "a", "value": "é", "timestamp": 1_700_000_000_000, "headers": [{"key": "h", "value": "1"}]},
        {"key": None, "value": None, "timestamp": 1_700_000_000_001},
        {"key_base64": base64.b64encode(b"\xff\x00").decode(), "value_base64": base64.b64encode(b"\xfe").decode()},
    ]
    run("produce", topic, "--json", *at, input="".join(json.dumps(line) + "\n" for line in lines))
    found = [json.loads(line) for line in consume(broker, topic, "--from", "earliest", "--json").splitlines()]
    assert [r["offset"] for r in found] == [0, 1, 2]
    assert all(r["topic"] == topic and r["partition"] == 0 for r in found)
    assert (found[0]["key"], found[0]["value"], found[0]["timestamp"]) == ("a", "é", 1_700_000_000_000)
    assert found[0]["headers"] == [{"key": "h", "value": "1"}]
    assert found[1]["key"] is None and found[1]["value"] is None
    assert base64.b64decode(found[2]["key_base64"]) == b"\xff\x00"
    assert base64.b64decode(found[2]["value_base64"]) == b"\xfe"
    # The given topic wins over the record's; partition and timestamp are kept.
    out = consume(broker, topic, "--from", "earliest", "--json")
    run("produce", copy, "--json", *at, input=out)
    copied = [json.loads(line) for line in consume(broker, copy, "--from", "earliest", "--json").splitlines()]
    assert [{**r, "topic": topic} for r in copied] == found


def test_from_until_count(broker):
    topic = name("range")
    start = int(time.time() * 1000) - 100_000
    lines = "".join(json.dumps({"value": str(i), "timestamp": start + i * 10_000}) + "\n" for i in range(10))
    run("produce", topic, "--json", "--bootstrap", broker.address, input=lines)
    read = lambda *options: consume(broker, topic, *options).split()
    assert read("--from", "earliest") == [str(i) for i in range(10)]
    assert read("--from", "7") == ["7", "8", "9"]
    assert read("--from", "earliest", "--count", "2") == ["0", "1"]
    assert read("--from", "earliest", "--until", "3") == ["0", "1", "2"]
    assert read("--from", "-35s") == ["7", "8", "9"]
    assert read("--from", "latest") == []


def test_groups_resume(broker):
    topic, group = name("resume"), name("g")
    confluent_produce(broker.address, topic, [(b"k", b"%d" % i) for i in range(10)])
    first = consume(broker, topic, "--group", group, "--from", "earliest", "--count", "4").split()
    second = consume(broker, topic, "--group", group, "--from", "earliest").split()
    assert first + second == [str(i) for i in range(10)]


def test_partitions_headers_and_keys(broker):
    topic = name("options")
    at = ["--bootstrap", broker.address]
    run("topic", "create", topic, "--partitions", "3", *at)
    run("produce", topic, "--partition", "2", "--key-separator", ":", "--header", "a=b", *at, input="k:v\nnokey\n")
    found = [json.loads(l) for l in consume(broker, topic, "--from", "earliest", "--partition", "2", "--json").splitlines()]
    assert [(r["key"], r["value"]) for r in found] == [("k", "v"), (None, "nokey")]
    assert found[0]["headers"] == [{"key": "a", "value": "b"}]
    assert consume(broker, topic, "--from", "earliest", "--partition", "1") == ""


def test_version_help_and_usage_errors():
    assert run("version").stdout.strip()
    for arguments in ([], ["topic"], ["broker"], ["consume"], ["group"]):
        assert "USAGE" in run(*arguments, "--help").stdout
    assert run("no-such-command", check=False).returncode == 2
    assert run("consume", check=False).returncode == 2
    assert run("topic", "create", "x", "--partitions", "many", check=False).returncode == 2


def bad_broker(*options):
    done = run("broker", "--listen", "127.0.0.1:0", *options, check=False, timeout=10)
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done


def test_bad_broker_configuration(tmp_path):
    data = ["--data", str(tmp_path / "d")]
    done = bad_broker(*data, "--set", "num.partition=3")
    assert done.returncode == 1 and "num.partitions" in done.stderr
    done = bad_broker(*data, "--set", "num.partitions=0")
    assert done.returncode == 1 and "num.partitions" in done.stderr and "1" in done.stderr
    done = bad_broker(*data, "--set", "log.retention.hours=soon")
    assert done.returncode == 1 and "log.retention.hours" in done.stderr
    config = tmp_path / "weir.properties"
    config.write_text("# a comment\nnum.partitions=2\nlog.segment.bytes=x\n")
    done = bad_broker(*data, "--config", str(config))
    assert done.returncode == 1 and "log.segment.bytes" in done.stderr and "3" in done.stderr
    done = run("broker", *data, "--listen", "0.0.0.0:0", check=False, timeout=10)
    assert done.returncode == 1 and "--allow-plaintext" in done.stderr


def test_configuration_sources(tmp_path, monkeypatch):
    config = tmp_path / "weir.properties"
    config.write_text("num.partitions=2\nlog.retention.hours=5\n")
    monkeypatch.setenv("WEIR_NUM_PARTITIONS", "3")
    with Broker("--config", str(config), "--set", "log.retention.hours=6", "--node-id", "7") as broker:
        assert broker.lines[-1].startswith("weir broker 7 ready on 127.0.0.1:")
        confluent_produce(broker.address, "auto", [(b"a", b"b")])
        described = json.loads(run("topic", "describe", "auto", "--json", "--bootstrap", broker.address).stdout)
        text = json.dumps(described)
        assert text.count('"leader"') == 3
