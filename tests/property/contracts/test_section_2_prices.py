"""Section 2 of the rating rules: the price of a line."""

import itertools
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from contracts.catalogue import Package, Percentage, Price, Product, Rate, Spend, Tier
from contracts.contract import Override, OverrideTier
from contracts.overrides import OverrideTerms, candidates, choose
from contracts.prices import PriceModel, compile_price
from contracts.scales import RAW, scale
from contracts.timeline import FOREVER
from tests.property.contracts.worlds import (
    NOVEMBER,
    OCTOBER,
    Event,
    World,
    account,
    catalogue,
    cents,
    contract,
    day,
    events,
    multipliers,
    of_kind,
    overrides,
    prices,
    rates,
    tiers,
    usage_invoice,
)  # fmt: skip

PLAIN = scale(1, None, 0)


def model(price: Price, factor: Fraction = Fraction(1)) -> PriceModel:
    return compile_price(price, factor, PLAIN, 2)


def exact(made: PriceModel, start: int, end: int, total: int) -> Fraction:
    """Exact cost in minor units of the units between two whole quantities."""
    low, high = made.align(start * RAW), made.align(end * RAW)
    return sum((Fraction(atoms) * unit.numerator / unit.denominator for atoms, unit in made.pieces(low, high, made.align(total * RAW))), Fraction(0))


def unit_price(found: Sequence[Tier], number: int) -> Decimal:
    """Of the unit with this number, from 1."""
    return next(t.per_unit for t in found if t.up_to is None or number <= t.up_to)


@given(tiers(), st.integers(0, 90))
def test_graduated_prices_each_unit_by_its_tier(found: list[Tier], quantity: int) -> None:
    wanted = sum((Fraction(unit_price(found, n)) for n in range(1, quantity + 1)), Fraction(0)) * 100
    assert exact(model(Price(graduated=found)), 0, quantity, quantity) == wanted


@given(tiers(), st.integers(0, 90))
def test_volume_prices_all_by_the_tier_that_is_reached(found: list[Tier], quantity: int) -> None:
    assert exact(model(Price(volume=found)), 0, quantity, quantity) == Fraction(quantity) * Fraction(unit_price(found, max(1, quantity))) * 100


@given(st.integers(1, 12), cents, st.integers(0, 90))
def test_started_packages_count_whole(size: int, price: Decimal, quantity: int) -> None:
    packages = len(range(0, quantity, size))
    assert exact(model(Price(package=Package(size=Decimal(size), price=price))), 0, quantity, quantity) == packages * Fraction(price) * 100


@given(prices(flats=False, free=False), st.integers(0, 30), st.integers(0, 90))
def test_free_units_cost_nothing_and_do_not_count(price: Price, free: int, quantity: int) -> None:
    import msgspec

    freed = msgspec.structs.replace(price, free=Decimal(free))
    assert exact(model(freed), 0, quantity, quantity) == exact(model(price), 0, max(0, quantity - free), max(0, quantity - free))


@given(prices(flats=False), st.lists(st.integers(0, 90), min_size=1, max_size=6))
def test_tiers_go_on_over_the_parts_of_a_period(price: Price, cuts: list[int]) -> None:
    made = model(price)
    edges = [0, *sorted(cuts)]
    parts = sum((exact(made, a, b, edges[-1]) for a, b in itertools.pairwise(edges)), Fraction(0))
    assert parts == exact(made, 0, edges[-1], edges[-1])


@given(prices(flats=False), st.integers(0, 90), st.integers(0, 90), st.integers(0, 90))
def test_a_fall_is_priced_as_the_rise_was(price: Price, low: int, high: int, total: int) -> None:
    made = model(price)
    assert exact(made, high, low, total) == -exact(made, low, high, total)


@given(prices(flats=False), multipliers, st.integers(0, 90))
def test_a_multiplier_scales_every_price(price: Price, multiplier: Decimal, quantity: int) -> None:
    assert exact(model(price, Fraction(multiplier)), 0, quantity, quantity) == exact(model(price), 0, quantity, quantity) * Fraction(multiplier)


@given(tiers(), st.lists(st.integers(0, 90), max_size=6))
def test_each_flat_falls_due_once_when_its_tier_is_entered(found: list[Tier], cuts: list[int]) -> None:
    made = model(Price(graduated=found))
    edges = [0, *sorted(cuts)]
    due = [flat.tier for number, (a, b) in enumerate(itertools.pairwise(edges)) for flat in made.flats(a * RAW, b * RAW, edges[-1] * RAW, number == 0, True)]
    below = [Decimal(0), *(t.up_to or Decimal(0) for t in found)]
    wanted = [n for n, t in enumerate(found, 1) if t.flat and cuts and (n == 1 or below[n - 1] < edges[-1])]
    assert sorted(due, key=lambda tier: tier or 0) == wanted


def terms(draw: st.DrawFn, number: int) -> OverrideTerms:
    kind = draw(st.sampled_from(("multiplier", "price")))
    price = Price(per_unit=Decimal(number)) if kind == "price" else None
    commits = frozenset(draw(st.sampled_from(((), ("a",), ("b",)))))
    multiplier = None if price else Fraction(draw(st.integers(1, 4)), 4)
    return OverrideTerms(f"o{number}", number, None, {}, commits, -FOREVER, FOREVER, multiplier, price, (), None, draw(st.sampled_from(("list", "commit"))), draw(st.integers(1, 3)))


@given(st.composite(lambda draw: [terms(draw, n) for n in range(draw(st.integers(0, 5)))])(), st.sampled_from((None, "a", "b")), st.booleans())
def test_one_override_wins_by_the_order_of_the_rules(active: list[OverrideTerms], commit: str | None, explicit: bool) -> None:
    # Given overrides that hold, and perhaps a commit that is drawn; then the winner is found by going through the kinds in their order
    found = choose(candidates(active, "list", commit, explicit), {}, explicit=explicit).override
    mine = [o for o in active if o.target == "list" and (not o.commits or commit in o.commits)]
    wanted = None
    for specific in (True, False):
        kind = [o for o in mine if bool(o.commits) == specific]
        overwrites, others = [o for o in kind if o.price], [o for o in kind if not o.price]
        if wanted is None and overwrites:
            wanted = overwrites[-1]
        if wanted is None and others:
            best = min((o.priority if explicit else o.multiplier or Fraction(0)) for o in others)
            same = [o for o in others if (o.priority if explicit else o.multiplier) == best]
            least = min(o.priority for o in same)
            wanted = [o for o in same if o.priority == least][-1]
    assert found == wanted


@given(st.data())
def test_a_tiered_override_counts_its_units_over_the_period(data: st.DataObject) -> None:
    # Given two tiers and the rest, of one override for two products at one price
    sizes = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=2))
    steps = [OverrideTier(size=Decimal(s), multiplier=Decimal(n + 1) / 10) for n, s in enumerate(sizes)]
    made = catalogue("sum", [Rate(product=p, price=Price(per_unit=Decimal(1))) for p in ("p", "q")], extra={"q": Product(name="Q", metric="m")})
    found = [e._replace(product=data.draw(st.sampled_from(("p", "q")))) for e in data.draw(events("sum"))]
    agreed = contract(override_selection="explicit", overrides=[Override(id="o", tiers=[*steps, OverrideTier(multiplier=Decimal("0.9"))])])
    lines = of_kind(usage_invoice(account(World(made, agreed, tuple(found))).result()).lines, "usage")
    # Then every tier is filled before the next begins
    rest = sum((e.value for e in found), Decimal(0))
    for size, step in zip([*map(Decimal, sizes), None], [*steps, OverrideTier(multiplier=Decimal("0.9"))], strict=True):
        units = min(rest, size) if size is not None else rest
        assert sum((line.quantity or 0 for line in lines if line.unit_price == step.multiplier), Decimal(0)) == units
        rest -= units


@given(st.data())
def test_what_is_not_entitled_has_no_line(data: st.DataObject) -> None:
    start, end = sorted(data.draw(st.lists(st.integers(2, 31), min_size=2, max_size=2, unique=True)))
    made = catalogue("sum", data.draw(rates("p", st.builds(lambda p: Price(per_unit=p), cents))))
    out = Override(id="out", products=["p"], entitled=False, starting_at=day(start), ending_before=day(end))
    found = data.draw(events("sum"))
    lines = of_kind(usage_invoice(account(World(made, contract(overrides=[out]), found)).result()).lines, "usage")
    gone = range(OCTOBER + (start - 1) * 86_400_000, OCTOBER + (end - 1) * 86_400_000)
    assert sum((line.quantity or 0 for line in lines), Decimal(0)) == sum((e.value for e in found if e.at_ms not in gone), Decimal(0))


@given(st.data())
def test_a_composite_product_is_a_share_of_rated_spend_and_at_least_its_minimum(data: st.DataObject) -> None:
    rate, least = data.draw(multipliers), data.draw(cents)
    extra = {"share": Product(name="Share", type="composite", of=Spend(products=["p"]))}
    made = catalogue("sum", [*data.draw(rates("p", prices())), Rate(product="share", price=Price(percentage=Percentage(rate=rate, minimum=least)))], extra=extra)
    changed = [o for o in data.draw(overrides(size=2)) if o.price is None]
    agreed = contract(overrides=[Override(id=o.id, products=["p"], multiplier=o.multiplier, starting_at=o.starting_at, ending_before=o.ending_before) for o in changed])
    lines = usage_invoice(account(World(made, agreed, data.draw(events("sum"))), at_ms=NOVEMBER).result()).lines
    base = sum((line.amount for line in of_kind(lines, "usage")), Decimal(0))
    wanted = max((base * rate).quantize(Decimal("0.01"), "ROUND_HALF_UP"), least.quantize(Decimal("0.01")))
    assert [line.amount for line in of_kind(lines, "composite")] == [wanted]


@given(st.data())
def test_line_shows_the_winner_and_what_it_costs(data: st.DataObject) -> None:
    made = catalogue("sum", data.draw(rates("p", st.builds(lambda p: Price(per_unit=p), st.integers(1, 500).map(lambda n: Decimal(n) / 100)))))
    agreed = contract(overrides=[o for o in data.draw(overrides(size=2)) if o.multiplier is not None])
    by_id = {o.id: o for o in agreed.overrides}
    for line in of_kind(usage_invoice(account(World(made, agreed, data.draw(events("sum")))).result()).lines, "usage"):
        active = [o for o in agreed.overrides if _ms(o.starting_at) <= line.starting_ms < _ms(o.ending_before)]
        lowest = min((o.multiplier for o in active if o.multiplier is not None), default=None)
        assert (line.override is None) == (lowest is None)
        if line.override is not None:
            assert by_id[line.override].multiplier == lowest


def _ms(text: str | None) -> int:
    from contracts.timeline import instant_ms

    assert text is not None
    return instant_ms(text)


def test_the_price_of_an_event_alone() -> None:
    made = catalogue("sum", [Rate(product="p", price=Price(per_unit=Decimal("0.005")))])
    lines = usage_invoice(account(World(made, contract(), (Event("p", OCTOBER, Decimal(1)),))).result()).lines
    assert [line.amount for line in lines] == [Decimal("0.01")]
