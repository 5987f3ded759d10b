from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from contracts.case import UsageEvent
from contracts.catalogue import Catalogue, Metric
from contracts.contract import Access, Commit, Contract
from pipelines.partitioning import partition_of
from taximeter.play.disguise import Disguise

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=8)


@given(NAMES, NAMES)
def test_names_keep_their_order_and_come_back(one: str, other: str) -> None:
    disguise = Disguise("play1")
    assert (disguise.name(one) < disguise.name(other)) == (one < other)
    assert disguise.real(disguise.name(one)) == one


@given(NAMES, st.integers(0, 11))
def test_events_land_on_one_partition_and_equal_ids_stay_equal(name: str, partition: int) -> None:
    disguise = Disguise("play1")
    event = UsageEvent(name, "acme", "call", 1, 1, {})
    changed = disguise.event(event, partition, 12)
    assert partition_of(changed.transaction_id, 12) == partition
    assert changed.transaction_id == disguise.event(event._replace(properties={"a": "b"}), partition, 12).transaction_id
    assert disguise.real_transaction(changed.transaction_id) == name


def test_every_name_in_a_contract_is_changed_and_nothing_else() -> None:
    commit = Commit(id="annual", type="prepaid", access=[Access(amount=Decimal(1), starting_at="2025-01-01")], shared=["child"])
    real = Contract(id="c", customer="C", starting_at="2025-01-01", aliases=["legacy"], parent="p", renews="r", commits=[commit], clock="other")
    fresh = Disguise("x").contract(real)
    assert (fresh.id, fresh.customer, fresh.catalogue, fresh.clock) == ("x.c", "x.C", "x.default", "x")
    assert (fresh.aliases, fresh.parent, fresh.renews) == (["x.legacy"], "x.p", "x.r")
    assert [(each.id, each.shared) for each in fresh.commits] == [("annual", ["x.child"])]


def test_a_catalogues_events_are_its_own() -> None:
    real = Catalogue(metrics={"calls": Metric(event_types=["call"], aggregation="count")})
    fresh = Disguise("x").catalogue(real)
    assert fresh.id == "x.default"
    assert fresh.metrics["calls"].event_types == ["x.call"]
