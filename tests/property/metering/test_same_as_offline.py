"""METER and the offline metering of cases find the same deltas, whatever the batches, the order and the repeats."""

import itertools
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.case import UsageEvent
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.metering import DAY_MS, HOUR_MS, Metering
from contracts.usage import Delta
from tests.metering import CODEC, NOW, Meter, as_delta, deltas, documents, meter, reasons
from tests.metering import merged as everything

CATALOGUE = msgspec.convert(
    {
        "metrics": {
            "calls": {"event_types": ["call"], "aggregation": "count", "where": {"ok": [True, 1]}},
            "tokens": {"event_types": ["tok", "call"], "aggregation": "sum", "value": "n"},
            "weighed": {"event_types": ["tok"], "aggregation": "sum", "value": {"expression": "n + 4 * coalesce(out, 0)"}},
            "fees": {"event_types": ["call"], "aggregation": "max", "value": {"expression": "if(model = 'a', least(n / 3, 11), n)"}},
            "low": {"event_types": ["tok"], "aggregation": "min", "value": "n", "where": {"model": {"not_in": ["b"]}}},
            "level": {"event_types": ["gauge"], "aggregation": "latest", "value": "n"},
            "held": {"event_types": ["gauge"], "aggregation": "time_weighted", "value": {"expression": "round(n, 1)"}},
            "users": {"event_types": ["call", "gauge"], "aggregation": "unique", "value": "user"},
            "sizes": {"event_types": ["call"], "aggregation": "unique", "value": {"expression": "floor(n)"}},
        },
        "products": {
            "calls": {"name": "Calls", "metric": "calls"},
            "tokens-a": {"name": "A", "metric": "tokens", "where": {"model": ["a"]}},
            "tokens-b": {"name": "B", "metric": "tokens", "where": {"model": ["b"]}},
            "tokens": {"name": "All", "metric": "tokens", "pricing_group_keys": ["model"], "presentation_group_keys": ["user"]},
            "weighed": {"name": "Weighed", "metric": "weighed"},
            "fees": {"name": "Fees", "metric": "fees"},
            "low": {"name": "Low", "metric": "low"},
            "level": {"name": "Level", "metric": "level"},
            "held": {"name": "Held", "metric": "held", "pricing_group_keys": ["model"]},
            "users": {"name": "Users", "metric": "users"},
            "sizes": {"name": "Sizes", "metric": "sizes"},
        },
    },
    Catalogue,
    strict=False,
)
TERMS: dict[str, dict[str, Any]] = {
    "acme": {"aliases": ["acme-old"]},
    "bolt": {"thresholds": [{"id": "t", "measure": "spend", "at": "1"}]},
    "bolt-child": {"parent": "bolt"},
    "cone": {"usage_filter": {"where": {"project": ["x"]}}, "aliases": ["cone-old"]},
}
CONTRACTS = {name: msgspec.convert({"id": name, "customer": name, "starting_at": "2025-01-01", **more}, Contract, strict=False) for name, more in TERMS.items()}
_ids = itertools.count()
texts = st.sampled_from(["a", "b", "c'", "", "\\", "true", "1", "ü\x00", "{x:String}"])
numbers = st.one_of(
    st.integers(-100, 100).map(str),
    st.decimals(-(10**37), 10**37, places=6).map(lambda each: f"{each:f}"),
    st.sampled_from(["", "1e3", "nan", "+7", "-0.000000000000000001", "9" * 38, "9" * 39, " 1"]),
)
properties = st.fixed_dictionaries({}, optional={"n": numbers, "out": numbers, "model": texts, "user": texts, "ok": texts, "project": texts})
arrivals = st.one_of(st.just(NOW), st.integers(NOW, NOW + HOUR_MS))
events = st.builds(
    UsageEvent,
    st.sampled_from([f"t{number}" for number in range(12)]),
    st.sampled_from(["acme", "acme-old", "bolt", "bolt-child", "cone", "cone-old", "nobody"]),
    st.sampled_from(["call", "tok", "gauge", "other"]),
    st.one_of(st.integers(NOW - 3 * HOUR_MS, NOW), st.sampled_from([NOW - 34 * DAY_MS - 1, NOW - 34 * DAY_MS, NOW + DAY_MS, NOW + 2 * DAY_MS])),
    arrivals,
    properties,
)


@pytest.fixture(scope="module")
def one() -> Iterator[Meter]:
    with meter(documents(CATALOGUE, CONTRACTS.values())) as made:
        yield made


def renamed(batch: Iterable[UsageEvent]) -> list[UsageEvent]:
    """The same under ids that no other example has."""
    prefix = next(_ids)
    return [event._replace(transaction_id=f"{prefix}-{event.transaction_id}") for event in batch]


def encoded(event: UsageEvent) -> bytes:
    value = {"timestamp": event.timestamp_ms} | {name: getattr(event, name) for name in ("transaction_id", "customer", "event_type", "properties")}
    return CODEC.encode("usage_event", value)


def metered(one: Meter, batches: Iterable[list[UsageEvent]]) -> tuple[list[Delta], dict[int, str]]:
    """Deltas and reasons by place among all events. Every batch comes to METER on its own."""
    found: list[Delta] = []
    why: dict[int, str] = {}
    start = one.offset
    for batch in batches:
        outcome = one.take([encoded(event) for event in batch], [event.recorded_ms for event in batch])
        found += [as_delta(each) for each in deltas(outcome)]
        why |= {offset - start: reason for offset, reason in reasons(outcome).items()}
    return found, why


def merged(found: Iterable[Delta]) -> dict[Any, Any]:
    """One aggregate for each key; places of watched events differ where batches do."""
    return everything((each if each.sequence is None else each._replace(sequence=0) for each in found), CATALOGUE)


def offline(batch: Iterable[UsageEvent]) -> tuple[list[Delta], list[tuple[str, str]]]:
    metering = Metering()
    metering.prepare([CATALOGUE], CONTRACTS)
    found = metering.take(batch)
    return found.deltas, [(each.transaction_id, each.reason) for each in found.rejected]


@pytest.fixture(scope="module")
def quick() -> Iterator[Meter]:
    """Without the statements, where nothing is to be rejected."""
    with meter(documents(CATALOGUE, CONTRACTS.values()), both=False) as made:
        yield made


@settings(max_examples=25, deadline=None)
@given(st.lists(events, max_size=30))
def test_deltas_and_rejects_are_those_of_the_offline_metering(one: Meter, batch: list[UsageEvent]) -> None:
    same_as_offline(one, batch)


@settings(max_examples=100, deadline=None)
@given(st.lists(events.map(lambda event: event._replace(timestamp_ms=NOW - 1, properties={"n": "1", "out": "2"} | event.properties)), max_size=10))
def test_deltas_of_few_events_are_those_of_the_offline_metering(quick: Meter, batch: list[UsageEvent]) -> None:
    same_as_offline(quick, batch)


def same_as_offline(one: Meter, batch: list[UsageEvent]) -> None:
    batch = renamed(batch)

    found, why = metered(one, [batch])

    expected, rejected = offline(batch)
    assert merged(found) == merged(expected)
    assert sorted((batch[place].transaction_id, reason) for place, reason in why.items()) == sorted(rejected)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.builds(lambda event, customer: event._replace(customer=customer), events, st.sampled_from(["bolt", "bolt-child"])), max_size=15))
def test_events_of_watched_families_stay_apart_and_in_order(one: Meter, batch: list[UsageEvent]) -> None:
    batch = renamed(batch)

    found, _ = metered(one, [batch])

    def in_order(deltas_: Iterable[Delta]) -> list[list[tuple[str, Decimal | None, int]]]:
        ordered = sorted(deltas_, key=lambda each: (each.sequence or 0, each.product))
        return [[(each.product, each.value, each.recorded_ms) for each in group] for _, group in itertools.groupby(ordered, lambda each: each.sequence)]

    assert in_order(found) == in_order(offline(batch)[0])
    places = [each.sequence for each in found if each.sequence is not None]
    assert len(places) == len(found)
    assert places == sorted(places)


@settings(max_examples=10, deadline=None)
@given(st.lists(events, max_size=30), st.data())
def test_batches_order_and_repeats_change_nothing(one: Meter, batch: list[UsageEvent], data: st.DataObject) -> None:
    """Given events with ids of their own, when they come in another order, cut into other batches and some again, then the deltas are the same."""
    batch = renamed(event._replace(transaction_id=f"own-{number}") for number, event in enumerate(batch))
    again = renamed(batch)
    repeats = data.draw(st.lists(st.sampled_from(again), max_size=10)) if again else []
    shuffled = data.draw(st.permutations([*again, *repeats]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    batches = [list(shuffled[start:end]) for start, end in itertools.pairwise([0, *cuts, len(shuffled)])]

    once, _ = metered(one, [batch])
    other, _ = metered(one, batches)

    def bare(found: Iterable[Delta]) -> list[Delta]:
        return [
            each._replace(points=tuple(point._replace(transaction_id=point.transaction_id.rpartition("own-")[2]) for point in each.points)) for each in found
        ]

    assert merged(bare(other)) == merged(bare(once))


@settings(max_examples=10, deadline=None)
@given(st.lists(events, min_size=1, max_size=20), st.data())
def test_reading_again_after_a_crash_gives_the_same(one: Meter, batch: list[UsageEvent], data: st.DataObject) -> None:
    """Given a batch whose ids reached the store and whose transaction did not end, when its events are read again in other batches, then all count."""
    batch = renamed(batch)
    first = one.offset
    lost = one.take([encoded(event) for event in batch], [event.recorded_ms for event in batch])
    one.offset = first
    cut = data.draw(st.integers(0, len(batch)))

    found, why = metered(one, [batch[:cut], batch[cut:]])

    assert merged(found) == merged(as_delta(each) for each in deltas(lost))
    assert {first + place: reason for place, reason in why.items()} == reasons(lost)
