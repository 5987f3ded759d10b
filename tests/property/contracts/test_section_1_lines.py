"""Section 1 of the rating rules: windows and lines."""

from collections import defaultdict
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from contracts.catalogue import Price, Quantity
from contracts.contract import Credit
from contracts.timeline import instant_ms
from tests.property.contracts.worlds import (
    HOUR,
    KINDS,
    NOVEMBER,
    OCTOBER,
    World,
    account,
    amounts,
    catalogue,
    cents,
    contract,
    day,
    events,
    of_kind,
    prices,
    rates,
    raw,
    segments,
    usage_invoice,
)  # fmt: skip

MODES = {"up": ROUND_CEILING, "down": ROUND_FLOOR, "half_up": ROUND_HALF_UP}


def billed(value: Decimal, quantity: Quantity | None) -> Fraction:
    if quantity is None:
        return Fraction(value)
    exact = Fraction(value) / Fraction(quantity.divide_by)
    if quantity.round is None:
        return exact
    return Fraction((Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(Decimal(1), MODES[quantity.round]))


@given(st.data())
def test_quantities_of_lines_add_up_to_the_metric_over_the_period(data: st.DataObject) -> None:
    # Given a price that changes, a conversion, and usage of any aggregation
    kind = data.draw(st.sampled_from(KINDS))
    quantity = data.draw(st.none() | st.builds(lambda d, r: Quantity(divide_by=Decimal(d), round=r), st.sampled_from((2, 4, 5)), st.sampled_from((None, "up", "down", "half_up"))))
    made = catalogue(kind, data.draw(rates("p", st.builds(lambda p: Price(per_unit=p), cents))), quantity)
    found = data.draw(events(kind, negative=kind not in {"unique", "count", "time_weighted"}))
    # When the period is rated at its end
    lines = usage_invoice(account(World(made, contract(), found), at_ms=NOVEMBER).result()).lines
    # Then the lines' quantities are the increments of the metric, converted and rounded as it runs
    total = sum((line.quantity or Decimal(0) for line in lines), Decimal(0))
    assert Fraction(total) == billed(raw(kind, found, NOVEMBER), quantity)


@given(st.data())
def test_each_line_is_the_increment_of_its_own_window(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    made = catalogue(kind, data.draw(rates("p", st.builds(lambda p: Price(per_unit=p), cents))))
    found = data.draw(events(kind, negative=kind not in {"unique", "count", "time_weighted"}))
    lines = usage_invoice(account(World(made, contract(), found), at_ms=NOVEMBER).result()).lines
    for line in lines:
        assert line.quantity == raw(kind, found, line.ending_ms) - raw(kind, found, line.starting_ms)
    # And what no line shows did not grow
    shown = sum((line.quantity or Decimal(0) for line in lines), Decimal(0))
    assert shown == raw(kind, found, NOVEMBER)


@given(st.data())
def test_lines_are_cut_where_rates_change_and_grants_come_and_go(data: st.DataObject) -> None:
    made = catalogue("sum", data.draw(rates("p", st.builds(lambda p: Price(per_unit=p), st.integers(1, 10**6).map(Decimal)))))
    listed = [r.price.per_unit for r in made.rate_cards["list"].rates]
    assume(len(set(listed)) == len(listed))
    credit = Credit(id="c", access=data.draw(segments()))
    found = data.draw(events("sum"))
    lines = of_kind(usage_invoice(account(World(made, contract(credits=[credit]), found)).result()).lines, "usage")
    # Then no line reaches over an edge, and every event lies in exactly one window
    edges = {instant_ms(a.starting_at) for a in credit.access} | {instant_ms(r.starting_at) for r in made.rate_cards["list"].rates if r.starting_at}
    windows = {(line.starting_ms, line.ending_ms) for line in lines}
    for start, end in windows:
        assert not any(start < edge < end for edge in edges)
        assert OCTOBER <= start < end <= NOVEMBER
    for event in found:
        if event.value:
            assert sum(start <= event.at_ms < end for start, end in windows) == 1


@given(st.data())
def test_groups_are_rated_apart_and_a_rate_that_names_a_value_goes_first(data: st.DataObject) -> None:
    # Given a rate for one region, and one for the others
    special, usual = data.draw(cents), data.draw(cents)
    from contracts.catalogue import Rate

    made = catalogue("sum", [Rate(product="p", price=Price(per_unit=usual)), Rate(product="p", where={"region": "us"}, price=Price(per_unit=special))], keys=["region"])
    found = [e._replace(group=(("region", r),) if r else ()) for e in data.draw(events("sum")) for r in [data.draw(st.sampled_from(("us", "eu", "")))]]
    lines = usage_invoice(account(World(made, contract(), tuple(found))).result()).lines
    wanted: dict[str, Decimal] = defaultdict(Decimal)
    for event in found:
        wanted[dict(event.group).get("region", "")] += event.value
    assert {line.group.get("region", ""): line.quantity for line in lines} == dict(wanted)
    assert all(line.unit_price == (special if line.group.get("region") == "us" else usual) for line in lines)


@given(prices(flats=False))
def test_a_product_without_usage_shows_one_zero_line(price: Price) -> None:
    from contracts.catalogue import Rate

    made = catalogue("sum", [Rate(product="p", price=price)])
    lines = usage_invoice(account(World(made, contract(), ())).result()).lines
    assert [(line.amount, line.quantity) for line in lines] == [(Decimal("0.00"), Decimal(0))]


@given(st.data(), amounts)
def test_usage_of_an_hour_is_priced_by_that_hour(data: st.DataObject, value: Decimal) -> None:
    # Given a price that changes on a day, and an event in the hour before or behind
    from contracts.catalogue import Rate
    from tests.property.contracts.worlds import Event

    number = data.draw(st.integers(2, 31))
    made = catalogue("sum", [Rate(product="p", price=Price(per_unit=Decimal(1)), ending_before=day(number)), Rate(product="p", price=Price(per_unit=Decimal(2)), starting_at=day(number))])
    edge = instant_ms(day(number))
    before = data.draw(st.integers(1, HOUR))
    for at, price in ((edge - before, 1), (edge + HOUR - before, 2)):
        lines = usage_invoice(account(World(made, contract(), (Event("p", at, value),))).result()).lines
        assert [(line.unit_price, line.amount) for line in lines if line.quantity] == [(Decimal(price), (value * price).quantize(Decimal("0.01")))]
