"""Section 6 of the rating rules: alerts."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from contracts.account import Account
from contracts.catalogue import Price, Rate
from contracts.contract import Access, Credit, Threshold
from contracts.offline import Memory
from contracts.result import Alert
from tests.property.contracts.worlds import (
    DAY,
    HOUR,
    NOVEMBER,
    OCTOBER,
    World,
    account,
    amounts,
    catalogue,
    contract,
    delta,
    events,
    kind_of,
    usage_invoice,
    worlds,
)  # fmt: skip

ONE = catalogue("sum", [Rate(product="p", price=Price(per_unit=Decimal(1)))])
whole = st.integers(1, 60).map(Decimal)


def alarms(found: tuple[Alert, ...], name: str = "t") -> list[tuple[int, Decimal]]:
    return [(a.crossing, a.value) for a in found if a.threshold == name and a.state == "in_alarm"]


@given(st.data(), whole, st.none() | whole)
def test_spend_fires_at_each_step_as_events_arrive(data: st.DataObject, at: Decimal, repeat: Decimal | None) -> None:
    # Given usage of 1.00 a unit and a threshold, perhaps one that repeats
    found = tuple(e._replace(value=Decimal(data.draw(st.integers(0, 40)))) for e in data.draw(events("sum")))
    agreed = contract(thresholds=[Threshold(id="t", measure="spend", at=at, repeat=repeat)])
    result = account(World(ONE, agreed, found), alone=True).result()
    # Then every step that is passed fires once, with the value that passed it
    wanted, spend, steps = [], Decimal(0), 0
    for event in sorted(found, key=lambda e: e.at_ms):
        spend += event.value
        passed = 0 if spend < at else 1 + (int((spend - at) // repeat) if repeat else 0)
        wanted += [spend] * (passed - steps)
        steps = passed
    assert alarms(result.alerts) == list(enumerate(wanted, 1))


@given(st.data(), whole, st.integers(1, 200).map(Decimal))
def test_a_balance_fires_when_it_falls_to_the_threshold(data: st.DataObject, at: Decimal, amount: Decimal) -> None:
    found = tuple(e._replace(value=Decimal(data.draw(st.integers(0, 40)))) for e in data.draw(events("sum")))
    credit = Credit(id="c", access=[Access(amount=amount, starting_at="2025-10-01", ending_before="2026-01-01")])
    agreed = contract(credits=[credit], thresholds=[Threshold(id="t", measure="balance", at=at)])
    result = account(World(ONE, agreed, found), alone=True).result()
    left = amount
    wanted: list[tuple[int, Decimal]] = []
    for step in [Decimal(0), *(e.value for e in sorted(found, key=lambda e: e.at_ms))]:
        left = max(Decimal(0), left - step)
        if left <= at and not wanted:
            wanted = [(1, left)]
    assert alarms(result.alerts) == wanted


@given(worlds(), st.lists(whole, min_size=1, max_size=3), st.sampled_from(("spend", "invoice_total", "usage")))
def test_states_take_turns_and_crossings_are_numbered(world: World, levels: list[Decimal], measure: str) -> None:
    import msgspec

    thresholds = [Threshold(id=f"t{n}", measure=measure, at=at, metric="m" if measure == "usage" else None) for n, at in enumerate(levels)]  # type: ignore[arg-type]
    agreed = msgspec.structs.replace(world.contract, thresholds=thresholds)
    made = account(world._replace(contract=agreed), at_ms=NOVEMBER + 2 * DAY, alone=True)
    result = made.result()
    for threshold in thresholds:
        mine = [a for a in result.alerts if a.threshold == threshold.id]
        assert [a.state for a in mine] == [("in_alarm", "ok")[n % 2] for n in range(len(mine))]
        assert [a.crossing for a in mine if a.state == "in_alarm"] == list(range(1, 1 + len([a for a in mine if a.state == "in_alarm"])))
        assert all(a.value >= threshold.at for a in mine if a.state == "in_alarm")
    # A new period re-arms: nothing of October is in alarm in an empty November, unless a gauge goes on
    assert made.take_alerts() == list(result.alerts)
    assert made.take_alerts() == []


@given(worlds(), whole)
def test_a_restored_account_fires_no_crossing_again(world: World, at: Decimal) -> None:
    import msgspec

    agreed = msgspec.structs.replace(world.contract, thresholds=[Threshold(id="t", measure="spend", at=at, repeat=at), Threshold(id="b", measure="balance", at=at)])
    world = world._replace(contract=agreed)
    straight = account(world, at_ms=NOVEMBER + 2 * DAY, alone=True).result()
    store = Memory()
    made = Account("acme", store)
    made.record_catalogue(world.catalogue, OCTOBER)
    made.record_contract(agreed, OCTOBER)
    kind = kind_of(world.catalogue, "p")
    for number, event in sorted(enumerate(world.events), key=lambda each: (each[1].at_ms, each[0])):
        made = Account.restore("acme", made.snapshot(), store)
        made.record_usage([delta(event, kind, number, alone=True)])
    made = Account.restore("acme", made.snapshot(), store)
    made.advance(NOVEMBER + 2 * DAY)
    assert made.result() == straight


@given(st.data(), whole)
def test_a_total_is_the_total_of_the_draft(data: st.DataObject, at: Decimal) -> None:
    credit = Credit(id="c", access=[Access(amount=data.draw(amounts), starting_at="2025-10-01", ending_before="2026-01-01")])
    found = data.draw(events("sum"))
    agreed = contract(credits=[credit], thresholds=[Threshold(id="t", measure="invoice_total", at=at)])
    result = account(World(ONE, agreed, found), at_ms=NOVEMBER - HOUR, alone=True).result()
    assert bool(alarms(result.alerts)) == (usage_invoice(result).total >= at)
