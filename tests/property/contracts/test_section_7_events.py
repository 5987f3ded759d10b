"""Section 7 of the rating rules: which events count, and for whom."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from contracts.account import Account
from contracts.case import UsageEvent
from contracts.catalogue import Price, Rate
from contracts.contract import UsageFilter
from contracts.metering import Metering
from contracts.offline import Ledger, Memory
from tests.property.contracts.worlds import DAY, HOUR, NOVEMBER, OCTOBER, World, account, catalogue, contract, delta, events, usage_invoice

ONE = catalogue("sum", [Rate(product="p", price=Price(per_unit=Decimal(1)))])
bodies = st.tuples(st.sampled_from(("x1", "x2", "x3")), st.integers(0, 9))


def event(name: str, value: str, *, at: int = OCTOBER, recorded: int = OCTOBER) -> UsageEvent:
    return UsageEvent(name, "acme", "e", at, recorded, {"v": value})


@given(st.lists(bodies, max_size=12))
def test_the_first_of_an_id_counts_and_another_body_is_a_conflict(sent: list[tuple[str, int]]) -> None:
    metering = Metering()
    metering.prepare([ONE], {"k": contract()})
    found = metering.take(event(name, str(value)) for name, value in sent)
    first: dict[str, int] = {}
    conflicts = []
    for name, value in sent:
        if first.setdefault(name, value) != value:
            conflicts.append((name, "conflict"))
    assert [(r.transaction_id, r.reason) for r in found.rejected] == conflicts
    assert sum((d.value or Decimal(0) for d in found.deltas), Decimal(0)) == sum(first.values())


@given(st.integers(-40 * 24, 40 * 24), st.sampled_from(("1.5", "many", "1e3", "")))
def test_times_and_numbers_that_are_not_accepted_have_a_reason(hours: int, value: str) -> None:
    metering = Metering()
    metering.prepare([ONE], {"k": contract()})
    found = metering.take([event("x", value, at=OCTOBER + hours * HOUR)])
    reasons = [r.reason for r in found.rejected]
    if hours < -34 * 24:
        assert reasons == ["too_old"]
    elif hours > 24:
        assert reasons == ["too_far_ahead"]
    else:
        assert reasons == ([] if value == "1.5" else ["not_a_number"])


@given(st.data())
def test_usage_of_another_id_counts_from_when_the_id_is_known(data: st.DataObject) -> None:
    # Given usage under two ids, in any order beside the edit that names the second
    found = tuple(e._replace(customer=data.draw(st.sampled_from(("acme", "old"))), recorded_ms=OCTOBER) for e in data.draw(events("sum")))
    place = data.draw(st.integers(0, len(found)))
    made = Account("acme", Memory())
    made.record_catalogue(ONE, OCTOBER)
    made.record_contract(contract(), OCTOBER)
    made.record_usage(delta(e, "sum", n) for n, e in enumerate(found[:place]))
    made.record_contract(contract(aliases=["old"]), OCTOBER)
    made.record_usage(delta(e, "sum", 500 + n) for n, e in enumerate(found[place:]))
    made.advance(NOVEMBER - HOUR)
    assert usage_invoice(made.result()).total == sum((e.value for e in found), Decimal(0)).quantize(Decimal("0.01"), "ROUND_HALF_UP")


@given(st.data())
def test_an_id_that_is_let_go_of_and_named_again_counts_once(data: st.DataObject) -> None:
    # Given usage under an alias before, between and behind the edits that take the alias away and give it back
    found = tuple(e._replace(customer="old", recorded_ms=OCTOBER) for e in data.draw(events("sum")))
    taken, back = sorted((data.draw(st.integers(0, len(found))), data.draw(st.integers(0, len(found)))))
    made = Ledger()
    made.record_catalogue(ONE, OCTOBER)
    for start, end, named in ((0, taken, True), (taken, back, False), (back, len(found), True)):
        made.record_contracts([contract(aliases=["old"] if named else [])], OCTOBER)
        made.record_usage(delta(e, "sum", start + n) for n, e in enumerate(found[start:end]))
        if not named:
            assert usage_invoice(made.result(NOVEMBER - HOUR)).total == 0
    assert usage_invoice(made.result(NOVEMBER - HOUR)).total == sum((e.value for e in found), Decimal(0)).quantize(Decimal("0.01"), "ROUND_HALF_UP")


@given(st.data())
def test_usage_of_an_id_that_becomes_a_customer_counts_once(data: st.DataObject) -> None:
    found = tuple(e._replace(customer="old", recorded_ms=OCTOBER) for e in data.draw(events("sum")))
    place = data.draw(st.integers(0, len(found)))
    made = Ledger()
    made.record_catalogue(ONE, OCTOBER)
    made.record_contracts([contract(aliases=["old"])], OCTOBER)
    made.record_usage(delta(e, "sum", n) for n, e in enumerate(found[:place]))
    made.record_contracts([contract(), contract(id="own", customer="old")], OCTOBER)
    made.record_usage(delta(e, "sum", place + n) for n, e in enumerate(found[place:]))
    result = made.result(NOVEMBER - HOUR)
    totals = {each.customer: each.total for each in result.invoices if each.kind == "usage" and each.starting_ms == OCTOBER}
    assert totals == {"acme": 0, "old": sum((e.value for e in found), Decimal(0)).quantize(Decimal("0.01"), "ROUND_HALF_UP")}


@given(st.data())
def test_an_id_that_is_named_after_its_period_closed_brings_late_usage(data: st.DataObject) -> None:
    found = tuple(e._replace(customer="old", recorded_ms=OCTOBER) for e in data.draw(events("sum")))
    made = Account("acme", Memory())
    made.record_catalogue(ONE, OCTOBER)
    made.record_contract(contract(), OCTOBER)
    made.record_usage(delta(e, "sum", n) for n, e in enumerate(found))
    made.record_contract(contract(aliases=["old"]), NOVEMBER + 2 * DAY)
    result = made.result()
    assert usage_invoice(result).total == 0
    assert usage_invoice(result, NOVEMBER).total == sum((e.value for e in found), Decimal(0)).quantize(Decimal("0.01"), "ROUND_HALF_UP")


@given(st.data())
def test_an_id_that_is_named_after_its_period_closed_opens_it_again_where_late_usage_does(data: st.DataObject) -> None:
    # Given usage in any number of windows: the first of them that is looked at opens the period for all
    found = tuple(e._replace(customer="old", recorded_ms=OCTOBER) for e in data.draw(events("sum")))
    made = Account("acme", Memory())
    made.record_catalogue(ONE, OCTOBER)
    made.record_contract(contract(late_usage="reopen"), OCTOBER)
    made.record_usage(delta(e, "sum", n) for n, e in enumerate(found))
    made.record_contract(contract(late_usage="reopen", aliases=["old"]), NOVEMBER + 2 * DAY)
    result = made.result()
    assert usage_invoice(result).total == sum((e.value for e in found), Decimal(0)).quantize(Decimal("0.01"), "ROUND_HALF_UP")
    assert usage_invoice(result, NOVEMBER).total == 0


@given(st.data())
def test_filters_route_usage_between_contracts_of_one_customer(data: st.DataObject) -> None:
    found = tuple(e._replace(group=(("project", data.draw(st.sampled_from(("x", "y", "z")))),)) for e in data.draw(events("sum")))
    made = account(World(ONE, contract(usage_filter=UsageFilter(where={"project": ["x"]})), ()), usage=False, at_ms=OCTOBER)
    made.record_contract(contract(id="rest"), OCTOBER)
    made.record_usage(delta(e._replace(recorded_ms=OCTOBER), "sum", n) for n, e in enumerate(found))
    totals = {i.contract: i.total for i in made.result().invoices}
    cent = Decimal("0.01")
    assert totals["k"] == sum((e.value for e in found if e.group[0][1] == "x"), Decimal(0)).quantize(cent, "ROUND_HALF_UP")
    assert totals["rest"] == sum((e.value for e in found if e.group[0][1] != "x"), Decimal(0)).quantize(cent, "ROUND_HALF_UP")
