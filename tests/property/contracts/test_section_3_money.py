"""Section 3 of the rating rules: money."""

from decimal import Decimal
from fractions import Fraction
from math import floor

from hypothesis import given
from hypothesis import strategies as st

from contracts.catalogue import Price, Product, Rate
from contracts.contract import Bound, Discount
from contracts.money import half_up, largest_remainder, minor, quotient
from tests.property.contracts.worlds import (
    DAY,
    NOVEMBER,
    OCTOBER,
    World,
    account,
    amounts,
    catalogue,
    contract,
    day,
    events,
    of_kind,
    usage_invoice,
    worlds,
)  # fmt: skip


@given(st.integers(-10**12, 10**12), st.integers(1, 10**9))
def test_half_up_goes_to_the_nearest_and_away_from_zero(numerator: int, denominator: int) -> None:
    found = half_up(numerator, denominator)
    off = Fraction(numerator, denominator) - found
    assert abs(off) <= Fraction(1, 2)
    assert abs(off) < Fraction(1, 2) or abs(found) > abs(Fraction(numerator, denominator))


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=8))
def test_largest_remainder_gives_all_of_it_and_nobody_a_whole_unit_more_or_less(total: int, weights: list[int]) -> None:
    parts = largest_remainder(total, weights)
    whole = sum(weights)
    assert sum(parts) == (total if whole else 0)
    for part, weight in zip(parts, weights, strict=True):
        assert whole == 0 or floor(Fraction(total * weight, whole)) <= part <= floor(Fraction(total * weight, whole)) + 1


@given(st.integers(-10**15, 10**15), st.integers(1, 10**6))
def test_a_printed_quotient_is_exact_or_to_twelve_places(numerator: int, denominator: int) -> None:
    assert abs(Fraction(quotient(numerator, denominator)) - Fraction(numerator, denominator)) <= Fraction(1, 2 * 10**12)


@given(worlds())
def test_a_line_is_rounded_once_and_lines_add_up_to_the_total(world: World) -> None:
    for invoice in account(world, at_ms=NOVEMBER).result().invoices:
        assert sum((line.amount for line in invoice.lines), Decimal(0)) == invoice.total
        for line in of_kind(invoice.lines, "usage"):
            if line.commit is None and line.quantity is not None and line.unit_price is not None and not _cut(line, invoice.lines):
                assert line.amount == Decimal(minor(Fraction(line.quantity) * Fraction(line.unit_price), 2)) / 100


def _cut(line: object, lines: object) -> bool:
    """Whether a grant pays a part of the same line: then the rest is the difference of amounts."""
    return any((o.product, o.starting_ms) == (line.product, line.starting_ms) and o.commit for o in lines)  # type: ignore[attr-defined]


def two(data: st.DataObject) -> tuple[World, Decimal]:
    """Two products with a plain price, and what their usage costs."""
    made = catalogue("sum", [Rate(product="p", price=Price(per_unit=Decimal("0.33"))), Rate(product="q", price=Price(per_unit=Decimal("1.7")))], extra={"q": Product(name="Q", metric="m")})
    found = tuple(e._replace(product=data.draw(st.sampled_from(("p", "q")))) for e in data.draw(events("sum")))
    lines = usage_invoice(account(World(made, contract(), found)).result()).lines
    return World(made, contract(), found), sum((line.amount for line in lines), Decimal(0))


@given(st.data(), amounts, amounts)
def test_spend_stays_between_minimum_and_maximum(data: st.DataObject, one: Decimal, other: Decimal) -> None:
    world, spend = two(data)
    low, high = sorted((one, other))
    agreed = contract(minimum=Bound(amount=low), maximum=Bound(amount=high))
    invoice = usage_invoice(account(world._replace(contract=agreed), at_ms=NOVEMBER).result())
    assert invoice.total == min(max(spend, low), high)
    # And before the period's end there is no top-up
    draft = usage_invoice(account(world._replace(contract=agreed)).result())
    assert draft.total == min(spend, high)


@given(st.integers(1, 31), amounts)
def test_a_minimum_is_in_proportion_to_the_days(start: int, least: Decimal) -> None:
    made = catalogue("sum", [Rate(product="p", price=Price(per_unit=Decimal(1)))])
    agreed = contract(starting_at=day(start), minimum=Bound(amount=least))
    at = OCTOBER + (start - 1) * DAY
    result = account(World(made, agreed, ()), at_ms=NOVEMBER).result()
    wanted = Decimal(minor(Fraction(least) * Fraction(32 - start, 31), 2)) / 100
    assert usage_invoice(result, at).total == wanted


@given(st.data())
def test_discounts_come_off_line_by_line_and_never_below_zero(data: st.DataObject) -> None:
    world, spend = two(data)
    made = [Discount(id=f"d{n}", percent=data.draw(st.integers(0, 100).map(Decimal))) for n in range(data.draw(st.integers(0, 2)))]
    made += [Discount(id=f"a{n}", amount=data.draw(amounts)) for n in range(data.draw(st.integers(0, 2)))]
    invoice = usage_invoice(account(world._replace(contract=contract(discounts=made))).result())
    left = spend
    for each in made:
        left -= (left * each.percent / 100).quantize(Decimal("0.01"), "ROUND_HALF_UP") if each.percent is not None else min(left, each.amount or Decimal(0))
    assert invoice.total == left >= 0
    charged = {line.product: line.amount for line in of_kind(invoice.lines, "usage")}
    for product, amount in charged.items():
        assert amount + sum((line.amount for line in of_kind(invoice.lines, "discount") if line.product == product), Decimal(0)) >= 0
