"""Section 5 of the rating rules: invoices in time."""

from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from contracts.account import Account
from contracts.catalogue import Price, Product, Rate
from contracts.contract import Charge, Subscription
from contracts.errors import ActionError
from contracts.offline import Memory
from contracts.result import Invoice, Result
from contracts.timeline import instant_ms
from tests.property.contracts.worlds import (
    DAY,
    HOUR,
    NOVEMBER,
    OCTOBER,
    Event,
    World,
    account,
    amounts,
    catalogue,
    contract,
    day,
    delta,
    events,
    facts,
    of_kind,
    usage_invoice,
    worlds,
)  # fmt: skip

ONE = catalogue("sum", [Rate(product="p", price=Price(per_unit=Decimal(1)))])
FINAL = NOVEMBER + DAY


def usage_totals(result: Result) -> Decimal:
    return sum((i.total for i in result.invoices if i.kind in {"usage", "correction"} and i.status != "void"), Decimal(0))


@given(worlds(), st.integers(-3, 3))
def test_a_draft_is_final_at_its_end_and_grace_to_the_millisecond(world: World, off: int) -> None:
    made = account(world, at_ms=FINAL + off)
    assert usage_invoice(made.result()).status == ("final" if off >= 0 else "draft")


@given(worlds(), worlds())
def test_a_final_invoice_never_changes(world: World, other: World) -> None:
    # Given a final October, then another contract, another price and more usage
    made = account(world, at_ms=FINAL)
    before = usage_invoice(made.result())
    made.record_contract(other.contract, FINAL + HOUR)
    if world.catalogue.metrics["m"].aggregation == other.catalogue.metrics["m"].aggregation:
        made.record_catalogue(other.catalogue, FINAL + HOUR)
    kind = world.catalogue.metrics["m"].aggregation
    made.record_usage(delta(e._replace(recorded_ms=FINAL + 2 * HOUR), kind, 1000 + n) for n, e in enumerate(other.events[:2]))
    made.advance(FINAL + DAY)
    assert usage_invoice(made.result()) == before


@given(st.data(), st.sampled_from(("next_invoice", "reopen", "drop")))
def test_late_usage_follows_the_policy_of_the_contract(data: st.DataObject, policy: Any) -> None:
    in_time, late = data.draw(events("sum")), data.draw(events("sum", size=4))
    made = account(World(ONE, contract(late_usage=policy), in_time), at_ms=FINAL)
    for number, event in enumerate(late):
        made.record_usage([delta(event._replace(recorded_ms=FINAL + HOUR), "sum", 1000 + number)])
    result = made.result()
    whole = usage_totals(account(World(ONE, contract(), (*in_time, *late)), at_ms=FINAL).result())
    before = usage_totals(account(World(ONE, contract(), in_time), at_ms=FINAL).result())
    if policy == "drop":
        assert usage_totals(result) == before
    elif policy == "reopen":
        assert usage_totals(result) == usage_invoice(result).total == whole
    else:
        # Then what came late stands on November's draft, dated in October
        assert usage_invoice(result).total == before
        lines = of_kind(usage_invoice(result, NOVEMBER).lines, "correction")
        assert sum((line.quantity or 0 for line in lines), Decimal(0)) == sum((e.value for e in late), Decimal(0))
        assert all(line.starting_ms < NOVEMBER for line in lines)


@given(worlds())
def test_void_and_regenerate_make_a_new_invoice_of_the_same_usage(world: World) -> None:
    made = account(world, at_ms=FINAL)
    before = usage_invoice(made.result())
    made.record_action("void", "k", OCTOBER, FINAL + HOUR)
    voided = made.result()
    assert [i.status for i in voided.invoices if i.kind == "usage" and i.starting_ms == OCTOBER] == ["void"]
    # Then its draws are given back: what is applied stands on other invoices
    paid = Counter[str]()
    for invoice in voided.invoices:
        for line in invoice.lines if invoice.status != "void" else ():
            if line.commit is not None and line.kind not in {"commit", "true_up"}:
                paid[line.commit] += line.amount  # type: ignore[assignment]
    assert all(row.applied == paid[row.id] for row in voided.balances)
    made.record_action("regenerate", "k", OCTOBER, FINAL + HOUR)
    after = usage_invoice(made.result())
    assert after.id != before.id
    assert after.status == "final"
    assert _content(after) == _content(before)


def _content(invoice: Invoice) -> Any:
    return invoice.total, sorted((line._replace(id="") for line in invoice.lines), key=str)


@given(worlds(), st.integers(0, 40))
def test_finalize_ends_a_draft_early_and_refuses_what_is_no_draft(world: World, days: int) -> None:
    made = account(world, at_ms=OCTOBER + 10 * DAY)
    at = OCTOBER + (10 + days) * DAY
    made.advance(at)
    if at < FINAL:
        made.record_action("finalize", "k", OCTOBER, at)
    assert usage_invoice(made.result()).status == "final"
    try:
        made.record_action("finalize", "k", OCTOBER, at)
    except ActionError:
        return
    raise AssertionError("a final invoice was finalized")


@given(st.data(), st.integers(1, 60))
def test_an_account_that_hears_of_a_contract_late_bills_what_was_used(data: st.DataObject, days: int) -> None:
    # Given usage of somebody unknown, and a contract that is recorded some days behind the period
    found = data.draw(events("sum"))
    made = Account("acme", Memory())
    made.record_catalogue(ONE, OCTOBER)
    made.record_usage(delta(e, "sum", n) for n, e in enumerate(sorted(found, key=lambda e: e.at_ms)))
    made.record_contract(contract(), NOVEMBER + days * DAY)
    invoice = usage_invoice(made.result())
    assert invoice.total == usage_invoice(account(World(ONE, contract(), found)).result()).total
    assert invoice.status == "final"


@given(amounts, st.integers(1, 20), st.integers(1, 31), st.integers(1, 30))
def test_subscriptions_pay_by_days_and_increases_from_their_day(price: Decimal, quantity: int, at: int, more: int) -> None:
    made = msgspec.structs.replace(ONE, products={**ONE.products, "seat": Product(name="Seat", type="subscription")})
    change = {"at": day(at), "quantity": quantity + more}
    document = msgspec.convert({"id": "s", "product": "seat", "quantity": quantity, "price": str(price), "changes": [change]}, Subscription, strict=False)
    result = account(World(made, contract(subscriptions=[document]), ()), at_ms=NOVEMBER).result()
    issued = {i.issue_ms: i.total for i in result.invoices if i.kind == "scheduled"}
    cent = Decimal("0.01")
    first = quantity + more if at == 1 else quantity
    wanted = {OCTOBER: (price * first).quantize(cent), NOVEMBER: (price * (quantity + more)).quantize(cent)}
    if at > 1:
        wanted[OCTOBER + (at - 1) * DAY] = (price * more * (32 - at) / 31).quantize(cent, "ROUND_HALF_UP")
    assert {moment: total for moment, total in issued.items() if total} == {moment: total for moment, total in wanted.items() if total}


@given(amounts, st.integers(1, 12), st.sampled_from(("each", "divided", "divided_rounded")))
def test_a_series_of_charges(amount: Decimal, months: int, split: Any) -> None:
    made = msgspec.structs.replace(ONE, products={**ONE.products, "fee": Product(name="Fee", type="fixed")})
    until = f"{2025 + (9 + months) // 12}-{(9 + months) % 12 + 1:02d}-01"
    charge = Charge(id="c", product="fee", amount=amount, every="month", from_="2025-10-01", until=until, split=split)
    result = account(World(made, contract(charges=[charge]), ()), at_ms=instant_ms(until)).result()
    totals = [i.total for i in sorted(result.invoices, key=lambda i: i.issue_ms) if i.kind == "scheduled"]
    cent = Decimal("0.01")
    if split == "each":
        assert totals == [amount.quantize(cent)] * months
    elif split == "divided_rounded":
        assert sum(totals) == amount
        assert all(total == (amount / months).quantize(cent, "ROUND_DOWN") for total in totals[:-1] if total)
    else:
        assert set(totals) <= {(amount / months).quantize(cent, "ROUND_HALF_UP")}


@given(worlds())
def test_time_alone_decides_not_how_often_the_clock_is_moved(world: World) -> None:
    once = account(world, at_ms=NOVEMBER + 40 * DAY)
    often = account(world, at_ms=OCTOBER)
    for number in range(72):
        often.advance(OCTOBER + number * DAY)
    while (due := often.next_due_ms()) is not None and due <= NOVEMBER + 40 * DAY:
        often.advance(due)
    often.advance(NOVEMBER + 40 * DAY)
    assert facts(often.result()) == facts(once.result())


def test_an_event_at_the_very_end_of_grace_is_late() -> None:
    made = account(World(ONE, contract(), ()), at_ms=FINAL - 1)
    made.record_usage([delta(Event("p", NOVEMBER - HOUR, Decimal(5), recorded_ms=FINAL - 1), "sum", 1)])
    made.record_usage([delta(Event("p", NOVEMBER - HOUR, Decimal(7), recorded_ms=FINAL), "sum", 2)])
    result = made.result()
    assert (usage_invoice(result).total, usage_invoice(result, NOVEMBER).total) == (Decimal("5.00"), Decimal("7.00"))
