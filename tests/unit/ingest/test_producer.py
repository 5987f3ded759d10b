"""The SDK: what it refuses before anything is queued, what it sends, and what it says when Kafka takes nothing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from pipelines.ingest.producer import DeliveryError, InvalidEventError, UsageProducer, milliseconds, property_text
from pipelines.topology import USAGE_EVENTS
from schemas.codec import Codec


@pytest.fixture
def mock() -> Iterator[str]:
    """Librdkafka's own mock broker."""
    holder = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    metadata = holder.list_topics(timeout=10)
    broker = next(iter(metadata.brokers.values()))
    yield f"{broker.host}:{broker.port}"
    del holder


@pytest.mark.parametrize(
    ("wrong", "problem"),
    (
        ({"transaction_id": ""}, "transaction_id must be text"),
        ({"customer": None}, "customer must be text"),
        ({"event_type": 5}, "event_type must be text"),
        ({"timestamp": datetime(2025, 10, 1)}, "time zone"),  # noqa: DTZ001 - that is what is refused
        ({"timestamp": 1.5}, "timestamp must be"),
        ({"timestamp": 1 << 70}, "does not fit"),
        ({"properties": {"n": 1.5}}, "no floats"),
        ({"properties": {"n": Decimal("NaN")}}, "finite Decimal"),
        ({"properties": {"n": None}}, "must be text"),
        ({"customer": "c" * 1001}, "1000 bytes"),
        ({"properties": {"n": "x" * 300_000}}, "262144"),
    ),
)
def test_what_can_not_be_billed_is_refused_and_nothing_is_queued(mock: str, wrong: dict[str, Any], problem: str) -> None:
    event = {"transaction_id": "t", "customer": "c", "event_type": "e", "timestamp": 0, "properties": {}, **wrong}
    with UsageProducer(mock) as producer:
        with pytest.raises(InvalidEventError, match=problem):
            producer.send(**event)
        assert len(producer) == 0


def test_an_event_arrives_under_its_id_with_its_time_of_arrival(mock: str) -> None:
    with UsageProducer(mock) as producer:
        producer.send("t1", "acme", "call", datetime(2025, 10, 1, tzinfo=UTC), {"n": Decimal("1.50"), "ok": True, "calls": 3}, recorded_at=1_759_276_800_123)
    consumer = Consumer({"bootstrap.servers": mock, "group.id": "test", "auto.offset.reset": "earliest"})
    partitions = consumer.list_topics(USAGE_EVENTS.name, timeout=10).topics[USAGE_EVENTS.name].partitions
    consumer.assign([TopicPartition(USAGE_EVENTS.name, number, 0) for number in partitions])
    message = consumer.poll(30)
    consumer.close()

    assert message is not None
    assert message.key() == b"t1"
    assert message.timestamp()[1] == 1_759_276_800_123
    expected = {"transaction_id": "t1", "customer": "acme", "event_type": "call", "timestamp": 1_759_276_800_000}
    assert Codec().decode("usage_event", message.value()) == {**expected, "properties": {"n": "1.50", "ok": "true", "calls": "3"}}


def test_nobody_at_the_address_is_told_with_the_number_of_events() -> None:
    producer = UsageProducer("127.0.0.1:1")
    producer.send("t1", "acme", "call", 0)

    with pytest.raises(DeliveryError, match="none will count twice") as caught:
        producer.flush(0.3)

    assert caught.value.count == 1


@pytest.mark.parametrize(
    ("when", "expected"),
    (
        (datetime(1969, 12, 31, 23, 59, 59, 999_000, UTC), -1),
        (datetime(2025, 10, 1, 2, 0, 0, 1_999, timezone(timedelta(hours=2))), 1_759_276_800_001),
        (5, 5),
    ),
)
def test_milliseconds_are_exact(when: datetime | int, expected: int) -> None:
    assert milliseconds("timestamp", when) == expected


@pytest.mark.parametrize(("value", "text"), (("x", "x"), (True, "true"), (False, "false"), (10**40, "1" + "0" * 40), (Decimal("1E+3"), "1000"), (Decimal("-0.10"), "-0.10")))
def test_properties_are_exact_text(value: Any, text: str) -> None:
    assert property_text("n", value) == text
