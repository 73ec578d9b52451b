"""The other side of WeirProtocolTests: messages by kafka-python, an implementation of Kafka's protocol that shares no
code with Weir and carries Apache Kafka's own schemas.

    kafka_schemas.py generate --seed N --count N < NAMES
        Reads lines of `message version` and writes, for each, `count` random messages.
    kafka_schemas.py check < LINES
        Reads lines of `message version hex`, decodes and encodes again, and writes what it understood.

Every line of output is `message version hex fields`. `fields` lists what the version has, separated by `;`, as
`path=value`: integers in decimal, `true` or `false`, text, bytes and ids in hex behind `x`, arrays by their size, and
`null`. A message that `check` cannot decode to its last byte gives `message version error text`.
"""

import argparse
import functools
import io
import random
import sys
import uuid

try:
    from kafka.protocol.schemas import BaseField, StructField, load_json
except ImportError as problem:
    sys.exit(f"kafka-python 3 is needed (pip install kafka-python): {problem}")


@functools.cache
def schema(name):
    """The schema as Apache Kafka ships it, without the patches of kafka-python's own client."""
    return StructField(load_json(name))


@functools.cache
def is_flexible(name, version):
    lowest, highest = BaseField.parse_versions(load_json(name)["flexibleVersions"])
    return lowest <= version <= highest


class Random:
    INTEGERS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}

    def __init__(self, seed):
        self.random = random.Random(seed)

    def struct(self, field, version):
        fields = [f for f in field._fields if f.for_version_q(version)]
        # Tagged fields go out in the order in which they stand here, and have to rise.
        fields.sort(key=lambda f: f.tag if f.tagged_field_q(version) else -1)
        return {f.name: self.value(f, version) for f in fields}

    def value(self, field, version):
        if field.tagged_field_q(version):
            if self.random.random() < 0.5:
                return field.default
            value = self.present(field, version)
            # Weir does not write what is default; a struct counts as such when all its fields are.
            if field.is_struct() and all(value[f.name] == f.default for f in field._fields):
                return field.default
            return value
        if field.nullable_for_version_q(version) and self.random.random() < 0.25:
            return None
        return self.present(field, version)

    def present(self, field, version):
        if field.is_struct():
            return self.struct(field, version)
        if field.is_struct_array():
            return [self.struct(field.array_of, version) for _ in range(self.count())]
        if field.is_array():
            many = self.random.random() < 0.03
            return [self.scalar(field.array_of._type_str) for _ in range(200 if many else self.count())]
        return self.scalar(field._type_str)

    def count(self):
        return self.random.choice((0, 1, 1, 2, 3))

    def scalar(self, kind):
        if kind in self.INTEGERS:
            bits = self.INTEGERS[kind]
            edges = (0, 1, -1, 2 ** (bits - 1) - 1, -(2 ** (bits - 1)))
            if self.random.random() < 0.3:
                return self.random.choice(edges)
            return self.random.randrange(-(2 ** (bits - 1)), 2 ** (bits - 1))
        if kind == "bool":
            return self.random.random() < 0.5
        if kind == "uuid":
            return uuid.UUID(int=self.random.getrandbits(128) | 1)
        if kind == "string":
            return "".join(self.random.choice("abcXYZ019._-/ \0éß漢😀") for _ in range(self.size()))
        if kind in ("bytes", "records"):
            return self.random.randbytes(self.size())
        raise ValueError(f"a type that this test does not know: {kind}")

    def size(self):
        # Beyond 127 and 16,383 the length takes one byte more in flexible versions.
        return self.random.choice((0, 1, 5, 5, 12, 12, 130)) if self.random.random() < 0.995 else 17_000


def describe(field, version, item, path=""):
    """`path=value` for every field of the version."""
    for f in field._fields:
        if not f.for_version_q(version):
            continue
        value, here = item.get(f.name), path + f._name.lower()
        if value is None:
            # A tagged field that is not there is no null on the wire.
            if f.nullable_for_version_q(version):
                yield f"{here}=null"
        elif f.is_struct():
            yield from describe(f, version, value, here + ".")
        elif f.is_array():
            yield f"{here}={len(value)}"
            for index, element in enumerate(value):
                if f.is_struct_array():
                    yield from describe(f.array_of, version, element, f"{here}.{index}.")
                else:
                    yield f"{here}.{index}={text(element)}"
        else:
            yield f"{here}={text(value)}"


def text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, uuid.UUID):
        return "x" + value.hex
    if isinstance(value, str):
        return "x" + value.encode().hex()
    return "x" + bytes(value).hex()


def encode(name, version, item):
    flexible = is_flexible(name, version)
    return schema(name).encode(item, version=version, compact=flexible, tagged=flexible)


def line(name, version, data, item):
    fields = ";".join(describe(schema(name), version, item))
    return f"{name} {version} {data.hex() or '-'} {fields or '-'}"


def generate(seed, count):
    for name, version in (row.split() for row in sys.stdin):
        # One stream of random numbers for each message and version, so that a new one disturbs no other.
        source = Random(f"{seed}/{name}/{version}")
        for _ in range(count):
            item = source.struct(schema(name), int(version))
            print(line(name, int(version), encode(name, int(version), item), item))


def check():
    for name, version, text_in in (row.split() for row in sys.stdin):
        version, data = int(version), bytes.fromhex("" if text_in == "-" else text_in)
        flexible = is_flexible(name, version)
        source = io.BytesIO(data)
        try:
            item = schema(name).decode(source, version=version, compact=flexible, tagged=flexible)
            if source.tell() != len(data):
                raise ValueError(f"{len(data) - source.tell()} of {len(data)} bytes left over")
            print(line(name, version, encode(name, version, item), item))
        except Exception as problem:  # Whatever it is, the test has to show it.
            print(f"{name} {version} error {type(problem).__name__}: {problem}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("generate", "check"))
    parser.add_argument("--seed", default="1")
    parser.add_argument("--count", type=int, default=10)
    arguments = parser.parse_args()
    if arguments.what == "generate":
        generate(arguments.seed, arguments.count)
    else:
        check()


main()
