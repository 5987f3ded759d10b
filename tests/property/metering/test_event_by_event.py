"""Metering of cases, event by event, against the plain recomputation: accepted events, rejects, aggregates, arrival, singles, filters."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.case import UsageEvent
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.metering import DAY_MS, HOUR_MS, QUARTER_MS, Metered, Metering
from contracts.usage import Delta
from tests import oracle

NOW = 1_760_000_000_000
CATALOGUE = msgspec.convert(
    {
        "metrics": {
            "calls": {"event_types": ["call"], "aggregation": "count", "where": {"ok": [True, 1]}},
            "tokens": {"event_types": ["tok", "call"], "aggregation": "sum", "value": "n", "group_keys": ["model", "user"]},
            "peak": {"event_types": ["tok"], "aggregation": "max", "value": "n"},
            "low": {"event_types": ["tok"], "aggregation": "min", "value": "n", "where": {"model": {"not_in": ["b"]}}},
            "level": {"event_types": ["gauge"], "aggregation": "latest", "value": "n"},
            "held": {"event_types": ["gauge"], "aggregation": "time_weighted", "value": "n"},
            "users": {"event_types": ["call", "gauge"], "aggregation": "unique", "value": "user"},
        },
        "products": {
            "calls": {"name": "Calls", "metric": "calls"},
            "tokens-a": {"name": "A", "metric": "tokens", "where": {"model": ["a"]}},
            "tokens": {"name": "All", "metric": "tokens", "pricing_group_keys": ["model"], "presentation_group_keys": ["user"]},
            "with-user": {"name": "U", "metric": "tokens", "where": {"user": {"exists": True}}},
            "peak": {"name": "Peak", "metric": "peak"},
            "low": {"name": "Low", "metric": "low"},
            "level": {"name": "Level", "metric": "level"},
            "held": {"name": "Held", "metric": "held"},
            "users": {"name": "Users", "metric": "users"},
            "fee": {"name": "Fee", "type": "fixed"},
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
CONTRACTS = {
    name: msgspec.convert({"id": name, "customer": name, "starting_at": "2025-01-01", **more}, Contract, strict=False) for name, more in TERMS.items()
}
WATCHED = {"bolt", "bolt-child"}
FILTERED = {"cone", "cone-old", "nobody"}
"""Whose usage keeps the property; also that of an id which nobody knows yet."""

events = st.builds(
    UsageEvent,
    st.sampled_from([f"t{number}" for number in range(12)]),
    st.sampled_from(["acme", "acme-old", "bolt", "bolt-child", "cone", "cone-old", "nobody"]),
    st.sampled_from(["call", "tok", "gauge", "other"]),
    st.one_of(st.integers(NOW - 4 * HOUR_MS, NOW), st.sampled_from([NOW - 34 * DAY_MS, NOW - 34 * DAY_MS - 1, NOW + DAY_MS, NOW + DAY_MS + 1])),
    st.just(NOW),
    st.dictionaries(
        st.sampled_from(["n", "model", "user", "ok", "project"]), st.sampled_from(["a", "b", "1", "2.5", "-3", "true", "x", "", "1e3", "0.000000000000000001"])
    ),
)


def as_dict(event: UsageEvent) -> dict[str, Any]:
    return {
        "transaction_id": event.transaction_id,
        "customer": event.customer,
        "event_type": event.event_type,
        "timestamp": event.timestamp_ms,
        "properties": event.properties,
    }


def judged(given_events: list[UsageEvent]) -> tuple[list[UsageEvent], list[tuple[str, str]]]:
    """Accepted events and rejects, by the rules."""
    accepted: list[UsageEvent] = []
    rejected: list[tuple[str, str]] = []
    seen: dict[str, dict[str, Any]] = {}
    for event in given_events:
        body = as_dict(event)
        if event.timestamp_ms < event.recorded_ms - 34 * DAY_MS:
            rejected.append((event.transaction_id, "too_old"))
        elif event.timestamp_ms > event.recorded_ms + DAY_MS:
            rejected.append((event.transaction_id, "too_far_ahead"))
        elif oracle.numberless(body, CATALOGUE):
            rejected.append((event.transaction_id, "not_a_number"))
        elif event.transaction_id in seen:
            if seen[event.transaction_id] != body:
                rejected.append((event.transaction_id, "conflict"))
        else:
            seen[event.transaction_id] = body
            accepted.append(event)
    return accepted, rejected


def on_the_wire(delta: Delta) -> dict[str, Any]:
    points = [{"timestamp_ms": each.timestamp_ms, "transaction_id": each.transaction_id, "value": str(each.value)} for each in delta.points]
    group = {key: value for key, value in delta.group.items() if key != "project"}
    return {**delta._asdict(), "group": group, "points": points, "value": None if delta.value is None else str(delta.value)}


def metered(given_events: list[UsageEvent]) -> Metered:
    metering = Metering()
    metering.prepare([CATALOGUE], CONTRACTS)
    return metering.take(given_events)


@settings(max_examples=500, deadline=None)
@given(st.lists(events, max_size=30))
def test_the_same_events_count_with_the_same_aggregates(given_events: list[UsageEvent]) -> None:
    # when events are metered one by one
    found = metered(given_events)
    # then those count that the rules accept, and their aggregates are those of the plain recomputation
    accepted, rejected = judged(given_events)
    assert [tuple(reject) for reject in found.rejected] == rejected
    assert oracle.merged([on_the_wire(each) for each in found.deltas], CATALOGUE) == oracle.totals(map(as_dict, accepted), CATALOGUE)


@settings(max_examples=100, deadline=None)
@given(st.lists(events, max_size=20))
def test_arrival_is_exact_and_in_order_where_thresholds_watch(given_events: list[UsageEvent]) -> None:
    found = metered(given_events)
    numbers = [each.sequence for each in found.deltas if each.sequence is not None]
    assert numbers == sorted(numbers)
    for delta in found.deltas:
        assert (delta.sequence is not None) == (delta.customer in WATCHED)
        assert delta.recorded_ms == (NOW if delta.customer in WATCHED else NOW - NOW % QUARTER_MS)


@settings(max_examples=100, deadline=None)
@given(st.lists(events, max_size=20))
def test_usage_of_customers_with_a_filter_keeps_the_property(given_events: list[UsageEvent]) -> None:
    found = metered(given_events)
    accepted, _ = judged(given_events)
    with_property = {event.customer for event in accepted if "project" in event.properties}
    for delta in found.deltas:
        if "project" in delta.group:
            assert delta.customer in FILTERED & with_property


def test_an_expression_is_the_value_and_what_has_none_is_rejected() -> None:
    # given a metric that counts output four times
    catalogue = msgspec.convert(
        {
            "metrics": {"tokens": {"event_types": ["tok"], "aggregation": "sum", "value": {"expression": "input + 4 * output"}}},
            "products": {"tokens": {"name": "T", "metric": "tokens"}},
        },
        Catalogue,
        strict=False,
    )
    metering = Metering()
    metering.prepare([catalogue], {})
    # when one event has both numbers and one lacks the output
    found = metering.take(
        [UsageEvent("a", "acme", "tok", NOW, NOW, {"input": "1", "output": "2"}), UsageEvent("b", "acme", "tok", NOW, NOW, {"input": "1"})]
    )
    # then the first counts with its value, the other is rejected
    assert [str(delta.value) for delta in found.deltas] == ["9.000000000000000000"]
    assert [tuple(reject) for reject in found.rejected] == [("b", "not_a_number")]


def test_unique_by_a_number_counts_equal_numbers_once() -> None:
    catalogue = msgspec.convert(
        {
            "metrics": {"sizes": {"event_types": ["tok"], "aggregation": "unique", "value": {"expression": "round(n, 1)"}}},
            "products": {"sizes": {"name": "S", "metric": "sizes"}},
        },
        Catalogue,
        strict=False,
    )
    metering = Metering()
    metering.prepare([catalogue], {})
    found = metering.take(UsageEvent(str(place), "acme", "tok", NOW, NOW, {"n": text}) for place, text in enumerate(["1.24", "1.20", "1.3", "x"]))
    assert frozenset().union(*(delta.members for delta in found.deltas)) == {"1.2", "1.3"}
    assert found.rejected == []
