"""Kafka's own vectors (UtilsTest of Apache Kafka), and librdkafka's `murmur2_random` on its built-in mock broker."""

import string

import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from pipelines.partitioning import murmur2, partition_of
from pipelines.topology import PARTITIONER

VECTORS = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}


@pytest.mark.parametrize(("text", "expected"), VECTORS.items())
def test_kafkas_vectors(text: str, expected: int) -> None:
    signed = murmur2(text.encode())
    assert (signed - (1 << 32) if signed >= 1 << 31 else signed) == expected


@given(st.binary(max_size=40))
def test_hash_is_32_bits(data: bytes) -> None:
    assert 0 <= murmur2(data) < 1 << 32


def test_librdkafka_chooses_the_same_partition() -> None:
    keys = [string.ascii_letters[:n] for n in range(1, 30)] + [f"customer-{n}" for n in range(200)] + ["äöü", "客户", "a\x00b"]
    chosen: dict[str, int] = {}
    producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "partitioner": PARTITIONER, "log_level": 0})
    for key in keys:
        producer.produce("any", b"", key, on_delivery=lambda _, message: chosen.__setitem__(message.key().decode(), message.partition()))
    producer.flush(20)
    partitions = len(producer.list_topics("any", timeout=10).topics["any"].partitions)
    assert partitions > 1
    assert chosen == {key: partition_of(key, partitions) for key in keys}
