"""A backfill in slices, on a thread of its own: whatever is taken at a time, fails or is edited meanwhile, each product has each event of the past once."""

import threading
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import cycle
from typing import Any, cast

import msgspec
import numpy as np
import pytest
from confluent_kafka import Producer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.catalogue import Catalogue
from pipelines.metering.backfill import Backfill, Task
from pipelines.metering.batch import Limits, Metering
from pipelines.metering.counter import Counter, Slice, Stand
from pipelines.metering.coverage import Span
from pipelines.metering.engine import engine
from pipelines.metering.filling import Filling
from pipelines.metering.id_log import logs
from pipelines.metering.messages import Messages
from pipelines.metering.pace import Pace
from pipelines.metering.past import Past, Portion
from pipelines.testing import until
from pipelines.topology import ACCEPTED_EVENTS, BACKFILLS
from tests.metering import CODEC, NOW, change, documents

WHOLE = 12
METRICS = {
    "calls": {"event_types": ["call"], "aggregation": "count"},
    "tokens": {"event_types": ["call"], "aggregation": "sum", "value": "n"},
    "users": {"event_types": ["call"], "aggregation": "unique", "value": "user"},
}
NAMES = tuple(METRICS)


def catalogue(count: int) -> Catalogue:
    """The first `count` products; the others are not there yet."""
    document = {"metrics": METRICS, "products": {name: {"name": name, "metric": name} for name in NAMES[:count]}}
    return msgspec.convert(document, Catalogue, strict=False)


class Log:
    """Partitions of usage-events of which every offset counts; the customer is the partition's."""

    def read(self, partition: int, span: Span, most: int) -> Portion:
        end = min(span.end, span.start + 1 + most % 7)
        offsets = range(span.start, end)
        values = [
            CODEC.encode(
                "usage_event",
                {
                    "transaction_id": f"{partition}-{at}",
                    "customer": f"p{partition}",
                    "event_type": "call",
                    "timestamp": NOW,
                    "properties": {"n": "2", "user": str(at)},
                },
            )
            for at in offsets
        ]
        count = len(values)
        return Portion(Messages(values, [None] * count, np.full(count, partition, np.uint16), np.array(offsets, np.int64), np.full(count, NOW, np.int64)), end)

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    """The client's own broker, on which nothing was ever written."""
    holder = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    for topic in (ACCEPTED_EVENTS, BACKFILLS):
        holder.list_topics(topic.name, timeout=20)
    (broker,) = holder.list_topics(timeout=20).brokers.values()
    yield f"{broker.host}:{broker.port}"
    del holder


class Filled:
    """What was committed: events and value by customer and product."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, str], int] = {}

    def take(self, task: Task) -> None:
        for _, value in task.outcome.metered:
            for delta in CODEC.decode("metered_usage", value)["deltas"]:
                key = delta["customer"], delta["product"]
                self.events[key] = self.events.get(key, 0) + delta["events"]


class Sizes(Pace):
    """Slices of these sizes, one after the other."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__(WHOLE)
        self._sizes = cycle(sizes)

    def portion(self) -> int:
        return next(self._sizes)


ALONE = threading.Lock()
"""There is one engine in this process."""


class Here(Counter):
    """Counts in this process."""

    def begin(self, behind: Mapping[int, int], wanted: AbstractSet[tuple[str, str]]) -> Stand:
        with ALONE:
            return super().begin(behind, wanted)

    def gather(self, partition: int, span: Span, most: int, then: tuple[int, Span] | None) -> Slice:
        with ALONE:
            return super().gather(partition, span, most, then)

    def count(self) -> list[tuple[int, bytes]]:
        with ALONE:
            return super().count()

    def rest(self) -> None:
        """It has nothing to let go."""


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.integers(0, 3), st.integers(1, 40), min_size=1),
    st.lists(st.sampled_from(["begin", "begin", "turn", "turn", "late", "fail", "edit", "more"]), max_size=25),
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
)
def test_each_product_has_each_event_of_the_past_once(mock: str, ends: dict[int, int], steps: list[str], sizes: list[int]) -> None:
    metering = Metering(engine(), CODEC, Limits(partitions=4))
    known = documents(catalogue(1))
    version, products = 1, 1
    metering.prepare(known)
    counter = Here(Metering(engine(), CODEC, Limits(partitions=4)), cast("Past", Log()), lambda _: known)
    filling = Filling(counter, Sizes(sizes), WHOLE, lambda: 0.0)
    backfill = Backfill(logs(mock, CODEC), metering, filling)
    backfill.load(dict(ends))  # what there was has been metered for the first product
    filled = Filled()

    def take(step: str) -> None:
        nonlocal version, products
        if step in ("edit", "more"):
            version, products = version + 1, min(len(NAMES), products + (step == "more"))
            with ALONE:
                known.record(change(catalogue(products), version))
                metering.prepare(known)
            backfill.follow()
            return
        if step != "begin" and filling.job is not None:
            until(lambda: filling.done, "the past is counted")
        task = backfill.turn() if step != "begin" and backfill.due else None
        if step != "late":
            backfill.go_on(known)  # while its transaction is under way
        if task is not None and step == "fail":
            backfill.failed()
        elif task is not None:
            filled.take(task)
            backfill.committed(task)
        backfill.go_on(known)

    # given usage of the past, when products appear, slices are counted, transactions fail and documents change in any order
    for step in ["more", *steps]:
        take(step)
    rounds = 0
    while backfill.waits:
        rounds += 1
        assert rounds < 2_000
        take("turn")
    backfill.close()

    # then each of them has all of it once, and the first, which had it already, nothing more
    expected: dict[Any, int] = {(f"p{partition}", name): end for partition, end in ends.items() for name in NAMES[1:products]}
    assert filled.events == expected
