"""How far RATE is behind METER: by what the group has committed (the client's own broker stands in for Kafka)."""

import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from pipelines.metering.downstream import Downstream
from pipelines.testing import until
from pipelines.topology import METERED_USAGE, RATE_GROUP


@pytest.fixture
def mock() -> Iterator[str]:
    holder = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = holder.list_topics(METERED_USAGE.name, timeout=20).brokers.values()
    yield f"{broker.host}:{broker.port}"
    del holder


@pytest.fixture
def rate(mock: str) -> Iterator[Callable[[int], None]]:
    """Commits for the group, on partition 0."""
    consumer = Consumer({"bootstrap.servers": mock, "group.id": RATE_GROUP, "enable.auto.commit": False, "log_level": 0})

    def commit(offset: int) -> None:
        consumer.commit(offsets=[TopicPartition(METERED_USAGE.name, 0, offset)], asynchronous=False)

    yield commit
    consumer.close()


def test_while_nobody_rates_nobody_is_behind(mock: str) -> None:
    downstream = Downstream(mock, lambda: {0: 100})
    try:
        assert downstream.lag_s() == 0
        looked = time.monotonic() + 1.0
        until(lambda: time.monotonic() > looked or downstream.lag_s() > 0.5, "a second of looking")
        assert downstream.lag_s() < 0.5
    finally:
        downstream.close()


def test_rate_is_behind_until_it_has_committed_what_was_written(mock: str, rate: Callable[[int], None]) -> None:
    # given METER that has written more than RATE has applied
    written = {0: 10}
    rate(10)
    downstream = Downstream(mock, lambda: written)
    try:
        until(lambda: downstream.lag_s() < 0.2, "nothing to do for RATE")
        written[0] = 20

        # then the lag grows as long as RATE takes
        until(lambda: downstream.lag_s() > 0.8, "a lag")
        rate(20)
        until(lambda: downstream.lag_s() < 0.2, "RATE has come through")

        # and what it takes up again counts anew
        written[0] = 30
        until(lambda: downstream.lag_s() > 0.5, "another lag")
    finally:
        downstream.close()
