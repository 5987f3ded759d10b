"""What a backfill meters is what would have been metered at the time."""

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.catalogue import Catalogue
from pipelines.metering.ids import unpacked
from pipelines.metering.messages import Messages
from tests import oracle
from tests.metering import CODEC, NOW, Meter, deltas, documents, meter

_ids = itertools.count()
FIRST = msgspec.convert(
    {
        "metrics": {"calls": {"event_types": ["call"], "aggregation": "count"}},
        "products": {"calls": {"name": "Calls", "metric": "calls"}},
    },
    Catalogue,
    strict=False,
)
MORE = msgspec.convert(
    {
        "metrics": {
            "calls": {"event_types": ["call"], "aggregation": "count"},
            "tokens": {"event_types": ["call", "tok"], "aggregation": "sum", "value": "n"},
            "peak": {"event_types": ["tok"], "aggregation": "max", "value": "n"},
            "gauge": {"event_types": ["tok"], "aggregation": "time_weighted", "value": "n"},
            "users": {"event_types": ["call"], "aggregation": "unique", "value": "user"},
        },
        "products": {
            "calls": {"name": "Calls", "metric": "calls"},
            "tokens": {"name": "Tokens", "metric": "tokens", "pricing_group_keys": ["model"]},
            "a": {"name": "A", "metric": "tokens", "where": {"model": ["a"]}},
            "peak": {"name": "Peak", "metric": "peak"},
            "gauge": {"name": "Gauge", "metric": "gauge"},
            "users": {"name": "Users", "metric": "users", "presentation_group_keys": ["model"]},
        },
    },
    Catalogue,
    strict=False,
)
NEW = frozenset(("default", product) for product in MORE.products if product != "calls")
events = st.fixed_dictionaries(
    {
        "customer": st.sampled_from(["acme", "bolt"]),
        "event_type": st.sampled_from(["call", "tok", "other"]),
        "timestamp": st.integers(NOW - 3 * 3_600_000, NOW),
        "properties": st.fixed_dictionaries(
            {}, optional={"n": st.sampled_from(["1", "2.5", "-3", "x"]), "model": st.sampled_from(["a", "b"]), "user": st.sampled_from(["u", "v"])}
        ),
    }
)


@pytest.fixture(scope="module")
def one() -> Iterator[Meter]:
    with meter(documents(FIRST)) as made:
        yield made


def able(event: dict[str, Any], product: str) -> bool:
    """The event has the number that the product needs."""
    only = msgspec.structs.replace(MORE, products={product: MORE.products[product]})
    return not oracle.numberless(event, only)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(events, min_size=1, max_size=30), st.data())
def test_a_product_that_appears_finds_every_event_that_was_accepted(one: Meter, batch: list[dict[str, Any]], data: st.DataObject) -> None:
    """Given a batch with repeats and conflicts that was metered, when products appear, then their backfill is the recomputation over what counted."""
    sent = []
    for event in batch:
        event["transaction_id"] = f"fill-{next(_ids)}"
        sent.append(event)
        twist = data.draw(st.sampled_from(["none", "none", "again", "conflict"]))
        if twist != "none":
            sent.append(event if twist == "again" else {**event, "customer": "mallory"})
    values = [CODEC.encode("usage_event", event) for event in sent]
    one.metering.prepare(documents(FIRST, version=next(_ids)))
    start = one.offset
    outcome = one.take(values)
    accepted = sorted(offset for _, value in outcome.ids for offset in unpacked(CODEC, value).offsets.tolist())
    assert [sent[offset - start] for offset in accepted] == batch
    one.metering.prepare(documents(MORE, version=next(_ids)))
    count = len(accepted)
    messages = Messages(
        [values[i - start] for i in accepted], [b"k"] * count, np.zeros(count, np.uint16), np.array(accepted, np.int64), np.full(count, NOW, np.int64)
    )

    cut = data.draw(st.integers(0, count))
    for slice_ in (np.arange(cut), np.arange(cut, count)):
        one.metering.gather(messages.part(slice_), NEW)
    metered = one.metering.filled(NEW)

    records = [CODEC.decode("metered_usage", value) for _, value in metered]
    assert all(each["kind"] == "backfill" for each in records)
    found = [delta for each in records for delta in each["deltas"]]
    assert all(delta["sequence"] is None and delta["recorded_ms"] == NOW - NOW % 900_000 for delta in found)
    expected: dict[Any, Any] = {}
    for _, product in NEW:
        only = msgspec.structs.replace(MORE, products={product: MORE.products[product]})
        expected |= oracle.totals([event for event in batch if able(event, product)], only)
    assert oracle.merged(found, MORE) == expected
    assert {delta["product"] for delta in deltas(outcome)} <= {"calls"}
