"""What METER does with the past, timed on the first events of a log (the client's own broker stands in for Kafka)."""

from collections.abc import Iterator
from typing import Final

import msgspec
import pytest
from confluent_kafka import Producer

from contracts.catalogue import Catalogue
from contracts.twins import Scope
from pipelines.replay.timing import LEAST, Pace, timed
from pipelines.settings import Settings
from pipelines.topology import USAGE_EVENTS
from tests.metering import CODEC, NOW, documents

PARTITIONS: Final = 4
CATALOGUE: Final = msgspec.convert(
    {
        "metrics": {"calls": {"event_types": ["call"], "aggregation": "sum", "value": "n"}},
        "products": {"calls": {"name": "Calls", "metric": "calls"}},
    },
    Catalogue,
    strict=False,
)
SCOPE: Final = Scope({"default": {"calls": "sum"}})


@pytest.fixture(scope="module")
def log() -> Iterator[Producer]:
    """Holds the mock cluster."""
    producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    producer.list_topics(USAGE_EVENTS.name, timeout=20)
    yield producer
    producer.flush(10)


def settings_of(log: Producer) -> Settings:
    (broker,) = log.list_topics(timeout=20).brokers.values()
    return Settings(kafka=f"{broker.host}:{broker.port}")


def send(log: Producer, count: int, first: int) -> None:
    for number in range(first, first + count):
        event = {"transaction_id": f"t{number}", "customer": "acme", "event_type": "call", "timestamp": NOW, "properties": {"n": "2"}}
        log.produce(USAGE_EVENTS.name, CODEC.encode("usage_event", event), partition=number % PARTITIONS)
    log.flush(20)


def test_few_events_tell_nothing_and_more_tell_a_pace(log: Producer) -> None:
    # given too few events to time anything
    send(log, 40, 0)
    assert timed(settings_of(log), CODEC, documents(CATALOGUE), PARTITIONS, SCOPE) is None

    # when there are enough
    send(log, LEAST + 500, 40)
    found = timed(settings_of(log), CODEC, documents(CATALOGUE), PARTITIONS, SCOPE)

    # then all of them were read and counted, and that took time
    assert found is not None
    assert found.events == LEAST + 540
    assert 0 < found.seconds < 60


def test_a_pace_is_for_any_number_of_events() -> None:
    assert Pace(50_000, 0.25).seconds_for(5_000_000) == pytest.approx(25.0)
