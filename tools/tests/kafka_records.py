#!/usr/bin/env python3
"""Record batches and codecs as others write them, for Tests/WeirRecordsTests.

One request a line on standard input, one answer a line on standard output; bytes are hex, "-" for none, "null" for null.

    crc SEED HEX                      -> the CRC-32C, in decimal (PyPI crc32c)
    compress KIND HEX                 -> HEX
    decompress KIND HEX               -> HEX
    write CODEC PID EPOCH SEQUENCE RECORDS -> the batch in HEX (kafka-python)
    read HEX                          -> HEADER RECORDS (kafka-python, which also checks the CRC)

RECORDS are `timestamp,key,value,headers` joined by ";", headers are `key:value` joined by "|". HEADER is
`base,last,first_timestamp,max_timestamp,timestamp_type,producer,epoch,sequence,codec,transactional`.
An answer that begins with "error" says what went wrong.
"""
import gzip
import sys

import cramjam
import crc32c
import lz4.frame
import snappy
import zstandard
from kafka.codec import snappy_encode
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder


def from_hex(text):
    return b"" if text == "-" else bytes.fromhex(text)


def to_hex(data):
    data = bytes(data)
    return data.hex() if data else "-"


def nullable(text):
    return None if text == "null" else from_hex(text)


def nullable_hex(data):
    return "null" if data is None else to_hex(data)


def lz4_frame(data, **options):
    return lz4.frame.compress(data, **{"block_linked": False, **options})


def zstd_without_size(data):
    return zstandard.ZstdCompressor(write_content_size=False).compress(data)


def zstd_streamed(data):
    stream = zstandard.ZstdCompressor(level=19).compressobj()
    return stream.compress(data) + stream.flush()


def halves(compress):
    return lambda data: compress(data[: len(data) // 2]) + compress(data[len(data) // 2:])


COMPRESS = {
    "gzip": gzip.compress,
    "gzip-1": lambda data: gzip.compress(data, 1),
    "gzip-two-members": halves(gzip.compress),
    "gzip-cramjam": cramjam.gzip.compress,
    "snappy-raw": snappy.compress,
    "snappy-raw-cramjam": cramjam.snappy.compress_raw,
    "snappy-xerial": snappy_encode,
    "snappy-xerial-small": lambda data: snappy_encode(data, xerial_blocksize=100),
    "lz4": lz4_frame,
    "lz4-size-4": lambda data: lz4_frame(data, block_size=lz4.frame.BLOCKSIZE_MAX64KB),
    "lz4-size-5": lambda data: lz4_frame(data, block_size=lz4.frame.BLOCKSIZE_MAX256KB),
    "lz4-size-6": lambda data: lz4_frame(data, block_size=lz4.frame.BLOCKSIZE_MAX1MB),
    "lz4-size-7": lambda data: lz4_frame(data, block_size=lz4.frame.BLOCKSIZE_MAX4MB),
    "lz4-checksums": lambda data: lz4_frame(data, content_checksum=True, block_checksum=True),
    "lz4-high": lambda data: lz4_frame(data, compression_level=12),
    "lz4-no-size": lambda data: lz4_frame(data, store_size=False),
    "lz4-linked": lambda data: lz4.frame.compress(data, block_linked=True),
    "zstd": zstandard.ZstdCompressor().compress,
    "zstd-without-size": zstd_without_size,
    "zstd-streamed": zstd_streamed,
    "zstd-checksum": zstandard.ZstdCompressor(write_checksum=True).compress,
    "zstd-two-frames": halves(zstandard.ZstdCompressor().compress),
    "zstd-cramjam": cramjam.zstd.compress,
}

DECOMPRESS = {
    "gzip": gzip.decompress,
    "gzip-cramjam": cramjam.gzip.decompress,
    "snappy-raw": snappy.decompress,
    "snappy-raw-cramjam": cramjam.snappy.decompress_raw,
    "lz4": lz4.frame.decompress,
    "lz4-cramjam": cramjam.lz4.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompress(data),
    "zstd-cramjam": cramjam.zstd.decompress,
}


def write(codec, producer, epoch, sequence, records):
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=int(codec), is_transactional=0, producer_id=int(producer),
        producer_epoch=int(epoch), base_sequence=int(sequence), batch_size=1 << 30)
    for offset, record in enumerate(records.split(";")):
        timestamp, key, value, headers = record.split(",")
        pairs = [pair.split(":") for pair in headers.split("|") if pair]
        appended = builder.append(
            offset, int(timestamp), nullable(key), nullable(value),
            [(from_hex(name).decode(), nullable(content)) for name, content in pairs])
        assert appended is not None
    return to_hex(builder.build())


def read(data):
    batch = DefaultRecordBatch(data)
    if not batch.validate_crc():
        return "error the CRC does not match"
    header = (
        batch.base_offset, batch.last_offset, batch.first_timestamp, batch.max_timestamp, batch.timestamp_type,
        batch.producer_id, batch.producer_epoch, batch.base_sequence, batch.compression_type,
        int(batch.is_transactional))
    records = ";".join(
        f"{record.timestamp},{nullable_hex(record.key)},{nullable_hex(record.value)},"
        + "|".join(f"{to_hex(name.encode())}:{nullable_hex(content)}" for name, content in record.headers)
        for record in batch)
    return ",".join(map(str, header)) + " " + records


def answer(words):
    match words:
        case ["crc", seed, data]:
            return str(crc32c.crc32c(from_hex(data), int(seed)))
        case ["compress", kind, data]:
            return to_hex(COMPRESS[kind](from_hex(data)))
        case ["decompress", kind, data]:
            return to_hex(DECOMPRESS[kind](from_hex(data)))
        case ["write", codec, producer, epoch, sequence, records]:
            return write(codec, producer, epoch, sequence, records)
        case ["read", data]:
            return read(from_hex(data))
    raise ValueError("not a request")


for line in sys.stdin:
    try:
        print(answer(line.split()))
    except Exception as problem:  # the caller decides what it means
        print("error", type(problem).__name__, str(problem).replace("\n", " "))
