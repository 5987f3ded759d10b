"""What METER counts for a generation that is open: of every accepted event of its scope the same once more, under the names of its twins, both ways."""

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.twins import Scope, number_of, original
from pipelines.document_log import Documents
from pipelines.metering.batch import Limits, Metering
from pipelines.metering.engine import engine
from pipelines.metering.messages import Messages
from pipelines.replay.generations import Step, reserved
from tests import oracle
from tests.metering import CODEC, NOW, Meter, deltas, documents, meter

HOUR = 3_600_000
_ids = itertools.count()
CATALOGUE = msgspec.convert(
    {
        "metrics": {
            "calls": {"event_types": ["call"], "aggregation": "count"},
            "tokens": {"event_types": ["call", "tok"], "aggregation": "sum", "value": "n"},
            "users": {"event_types": ["call"], "aggregation": "unique", "value": "user"},
            "level": {"event_types": ["tok"], "aggregation": "latest", "value": "n"},
        },
        "products": {
            "calls": {"name": "Calls", "metric": "calls"},
            "tokens": {"name": "Tokens", "metric": "tokens", "pricing_group_keys": ["model"]},
            "users": {"name": "Users", "metric": "users"},
            "level": {"name": "Level", "metric": "level"},
        },
    },
    Catalogue,
    strict=False,
)
CONTRACTS = [
    msgspec.convert({"id": name, "customer": name, "starting_at": "2025-01-01", **more}, Contract, strict=False)
    for name, more in {"acme": {}, "bolt": {"thresholds": [{"id": "t", "measure": "spend", "at": "1"}]}}.items()
]
NAMES = [f"e{number}" for number in range(8)]
HOURS = st.sampled_from([None, NOW - NOW % HOUR, NOW - NOW % HOUR - HOUR])
scopes = st.builds(
    Scope,
    st.sets(st.sampled_from(sorted(CATALOGUE.products)), min_size=1).map(
        lambda chosen: {"default": {each: CATALOGUE.metrics[CATALOGUE.products[each].metric or ""].aggregation for each in chosen}}
    ),
    st.sampled_from([[], ["acme"], ["bolt", "cone"]]),
    HOURS,
    HOURS,
)
events = st.fixed_dictionaries(
    {
        "transaction_id": st.sampled_from(NAMES),
        "customer": st.sampled_from(["acme", "bolt", "cone"]),
        "event_type": st.sampled_from(["call", "tok", "other"]),
        "timestamp": st.integers(NOW - 3 * HOUR, NOW),
        "properties": st.fixed_dictionaries({"n": st.sampled_from(["1", "2.5", "-3"])}, optional={"model": st.sampled_from(["a", "b"]), "user": st.just("u")}),
    }
)


@pytest.fixture(scope="module")
def one() -> Iterator[Meter]:
    with meter(documents(CATALOGUE)) as made:
        yield made


def told(*steps: Step) -> Documents:
    known = documents(CATALOGUE, CONTRACTS, version=next(_ids) + 1)
    for place, step in enumerate(steps, start=1):
        body = msgspec.json.encode(step).decode()
        known.record({"kind": "replay", "id": f"generation-{step.number}", "version": place, "body": body, "recorded_at": place, "author": ""})
    return known


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(events, min_size=1, max_size=20, unique_by=lambda each: each["transaction_id"]), scopes, st.sets(st.sampled_from(NAMES)), st.booleans())
def test_twins_count_what_is_in_scope_and_not_left_out(one: Meter, batch: list[dict[str, Any]], scope: Scope, left_out: set[str], amends: bool) -> None:
    """Given a generation with a scope, perhaps one that leaves events out, when usage flows, then products count all and twins what is theirs."""
    prefix = f"{next(_ids)}-"
    sent = [{**each, "transaction_id": prefix + each["transaction_id"]} for each in batch]
    gone = {prefix + name for name in left_out} if amends else set()
    steps = [Step("more", 1, left_out=sorted(gone)), Step("begin", 1, scope, correction=amends, left_out_count=len(gone))]
    one.prepare(told(*steps))

    found = deltas(one.take([CODEC.encode("usage_event", each) for each in sent]))

    assert oracle.merged([each for each in found if number_of(each["product"]) is None], CATALOGUE) == oracle.totals(sent, CATALOGUE)
    theirs = [
        each
        for each in sent
        if (not scope.customers or each["customer"] in scope.customers)
        and (scope.from_ms is None or each["timestamp"] >= scope.from_ms)
        and (scope.until_ms is None or each["timestamp"] < scope.until_ms)
        and each["transaction_id"] not in gone
    ]
    meant = msgspec.structs.replace(CATALOGUE, products={name: CATALOGUE.products[name] for name in scope.products["default"]})
    beside = [{**each, "product": original(each["product"])} for each in found if number_of(each["product"]) == 1]
    assert oracle.merged(beside, CATALOGUE) == oracle.totals(theirs, meant)


@pytest.mark.parametrize("few", (0, 1_000), ids=["statements", "event by event"])
def test_what_a_correction_brings_counts_though_meter_learns_of_it_with_the_same_batch(one: Meter, few: int) -> None:
    """Given an event of a correction that METER has not heard of, when it hears of it while it works on the batch, then the event counts for the twins."""
    metering = Metering(engine(), CODEC, Limits(partitions=3, few=few))
    metering.prepare(told())
    value = one.event(reserved(1, f"{next(_ids)}-a"), {"n": "1"})
    messages = Messages([value], [None], np.zeros(1, np.uint16), np.array([one.offset], np.int64), np.array([NOW], np.int64))

    outcome = metering.run(
        messages, one.dedup, lambda: metering.prepare(told(Step("begin", 1, Scope({"default": {"calls": "count"}}), correction=True, added_count=1)))
    )

    assert outcome.reasons == {}
    assert {each["product"] for each in deltas(outcome)} == {"calls\x1f1"}


def test_what_a_correction_brings_is_its_own_twins_and_no_product_s(one: Meter) -> None:
    """Given a correction with an event of its own among others, then only the twins count that one, and another reserved id is refused."""
    scope = Scope({"default": {"calls": "count"}})
    one.prepare(told(Step("begin", 1, scope, correction=True, added_count=1)))
    prefix = f"{next(_ids)}-"

    outcome = one.take([one.event(each, {"n": "1"}) for each in (prefix + "a", reserved(1, prefix + "b"), reserved(2, prefix + "c"))])

    counted = {(each["product"], each["events"]) for each in deltas(outcome) if original(each["product"]) == "calls"}
    assert counted == {("calls", 1), ("calls\x1f1", 2)}
    assert outcome.reasons == {"reserved_id": 1}
