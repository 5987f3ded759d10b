"""A whole batch through the engine against the plain recomputation, on random events; random damage never loses a good event."""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.catalogue import Catalogue
from pipelines.document_log import Documents
from pipelines.metering.batch import FEW, Limits, Metering, Outcome
from pipelines.metering.dedup import Dedup
from pipelines.metering.engine import engine
from pipelines.metering.messages import Messages
from schemas.codec import Codec
from tests import oracle

CODEC = Codec()
NOW = 1_760_000_000_000
CATALOGUE = msgspec.convert(
    {
        "metrics": {
            "calls": {"event_types": ["call", "it's \\ a {call}"], "aggregation": "count", "where": {"ok": [True, 1]}},
            "tokens": {"event_types": ["tok", "call"], "aggregation": "sum", "value": "n", "group_keys": ["model"]},
            "peak": {"event_types": ["tok"], "aggregation": "max", "value": "n"},
            "low": {"event_types": ["tok"], "aggregation": "min", "value": "n", "where": {"model": {"not_in": ["b", "c'"]}}},
            "level": {"event_types": ["gauge"], "aggregation": "latest", "value": "n"},
            "held": {"event_types": ["gauge"], "aggregation": "time_weighted", "value": "n"},
            "users": {"event_types": ["call", "gauge"], "aggregation": "unique", "value": "user"},
        },
        "products": {
            "calls": {"name": "Calls", "metric": "calls", "presentation_group_keys": ["user"]},
            "tokens-a": {"name": "A", "metric": "tokens", "where": {"model": ["a", "c'"]}},
            "tokens": {"name": "All", "metric": "tokens", "pricing_group_keys": ["model"], "presentation_group_keys": ["user", "model"]},
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

numbers = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**38) + 1, max_value=10**38 - 1, places=6).map(lambda d: f"{d:f}"),
    st.integers(-100, 100).map(str),
    st.sampled_from(["", "-", "1e3", "nan", "1.", ".5", " 1", "1,5", "0x10", "1" * 39, "0." + "1" * 19, "1\n", "٣", "+7", "-0.000000000000000001"]),
)
texts = st.sampled_from(["a", "b", "c'", "", "\\", "true", "1", "ü\x00", "{x:String}"])
events = st.fixed_dictionaries(
    {
        "customer": st.sampled_from(["acme", "bolt", "it's", "\\n", "ü"]),
        "event_type": st.sampled_from(["call", "tok", "gauge", "it's \\ a {call}", "other"]),
        "timestamp": st.integers(NOW - 8 * 3_600_000, NOW),
        "properties": st.fixed_dictionaries({}, optional={"n": numbers, "model": texts, "user": texts, "ok": texts, "extra": texts}),
    }
)
_ids = itertools.count()


@pytest.fixture(scope="module", params=(0, FEW), ids=("statements", "few"))
def metering(request: pytest.FixtureRequest) -> Metering:
    few: int = request.param
    documents = Documents()
    documents.record({"kind": "catalogue", "id": "default", "version": 1, "body": msgspec.json.encode(CATALOGUE).decode()})
    made = Metering(engine(), CODEC, Limits(partitions=3, few=few))
    made.prepare(documents)
    return made


@pytest.fixture(scope="module")
def dedup() -> Iterator[Dedup]:
    with tempfile.TemporaryDirectory() as folder:
        store = Dedup(Path(folder) / "dedup", 34, NOW)
        yield store
        store.close()


def run(metering: Metering, dedup: Dedup, values: list[bytes | None], first_offset: int = 0, recorded_ms: int = NOW) -> Outcome:
    count = len(values)
    messages = Messages(
        values, [b"k"] * count, np.zeros(count, np.uint16), np.arange(first_offset, first_offset + count), np.full(count, recorded_ms, np.int64)
    )
    outcome = metering.run(messages, dedup)
    dedup.put(outcome.fresh)
    return outcome


def deltas(outcome: Outcome) -> list[dict[str, Any]]:
    return [delta for _, value in outcome.metered for delta in CODEC.decode("metered_usage", value)["deltas"]]


def rejects(outcome: Outcome) -> dict[int, str]:
    decoded = [CODEC.decode("rejected_event", value) for _, value in outcome.rejected]
    return {each["offset"]: each["reason"] for each in decoded}


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(events, max_size=40))
def test_deltas_are_those_of_the_plain_recomputation(metering: Metering, dedup: Dedup, batch: list[dict[str, Any]]) -> None:
    for event in batch:
        event["transaction_id"] = f"plain-{next(_ids)}"
    outcome = run(metering, dedup, [CODEC.encode("usage_event", event) for event in batch])
    wrong = {place for place, event in enumerate(batch) if oracle.numberless(event, CATALOGUE)}
    good = [event for place, event in enumerate(batch) if place not in wrong]
    assert rejects(outcome) == dict.fromkeys(wrong, "not_a_number")
    assert oracle.merged(deltas(outcome), CATALOGUE) == oracle.totals(good, CATALOGUE)
    assert outcome.accepted == len(good)


damages = st.sampled_from(["cut", "extend", "flip", "empty", "tombstone", "junk", "fingerprint", "splice"])


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(events, min_size=1, max_size=30), st.data())
def test_damage_is_rejected_and_loses_no_good_event(metering: Metering, dedup: Dedup, batch: list[dict[str, Any]], data: st.DataObject) -> None:
    for event in batch:
        event["transaction_id"] = f"damage-{next(_ids):09}"  # of one length: what is drawn next depends on it
        event["properties"].pop("n", None)
        event["event_type"] = "call" if event["event_type"] == "it's \\ a {call}" else "other"
        if event["event_type"] == "call":
            event["properties"]["n"] = "2"
    values: list[bytes | None] = [CODEC.encode("usage_event", event) for event in batch]
    hurt = data.draw(st.dictionaries(st.integers(0, len(batch) - 1), damages, max_size=4))
    for place, damage in hurt.items():
        values[place] = damaged(values[place] or b"", damage, data)
    outcome = run(metering, dedup, values)
    found = rejects(outcome)
    counted = oracle.merged(deltas(outcome), CATALOGUE)
    # What still decodes after a flipped byte is an event, if another one: the codec alone is the judge of that.
    expected: list[dict[str, Any]] = []
    refused: set[int] = set()
    for place, value in enumerate(values):
        try:
            event = CODEC.decode("usage_event", value or b"")
        except ValueError:
            refused.add(place)
            continue
        if not NOW - 34 * 86_400_000 <= event["timestamp"] <= NOW + 86_400_000 or oracle.numberless(event, CATALOGUE):
            refused.add(place)
        elif event["transaction_id"] in {each["transaction_id"] for each in expected}:
            continue
        else:
            expected.append(event)
    assert set(found) >= refused
    assert set(found) - refused <= {place for place in hurt if found.get(place) == "conflict"}
    assert set(found) <= set(hurt)
    assert counted == oracle.totals(expected, CATALOGUE)


def damaged(value: bytes, damage: str, data: st.DataObject) -> bytes | None:
    if damage == "tombstone":
        return None
    if damage == "empty":
        return b""
    if damage == "junk":
        return data.draw(st.binary(max_size=60))
    if damage == "fingerprint":
        return value[:2] + bytes(8) + value[10:]
    if damage == "cut":
        return value[: data.draw(st.integers(0, len(value) - 1))]
    if damage == "extend":
        return value + data.draw(st.binary(min_size=1, max_size=40))
    if damage == "splice":
        return value + bytes(8) + value
    place = data.draw(st.integers(10, len(value) - 1))
    return value[:place] + bytes([value[place] ^ data.draw(st.integers(1, 255))]) + value[place + 1 :]
