"""Prices and rates between Metronome's shapes and ours."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.wire import Answer, parse
from contracts.catalogue import Package, Price, Rate, Tier
from contracts.instants import instant_ms
from contracts.timeline import iso
from contracts.translation.fields import Fields, RefusedError
from contracts.translation.metronome.coins import Coins, tidy
from contracts.translation.metronome.rates import price_in, price_out, with_rate

DOLLARS = Coins("USD")
EUROS = Coins("EUR")
HOUR_MS = 3_600_000
START_MS = instant_ms("2025-01-01")

amounts = st.decimals(min_value=0, max_value=10**9, places=6)
prices = st.one_of(
    st.builds(lambda each: Price(per_unit=each), amounts),
    st.builds(lambda size, price: Price(package=Package(size=size + 1, price=price)), amounts, amounts),
    st.builds(
        lambda sizes, each: Price(
            graduated=[Tier(up_to=sum(sizes[: number + 1], Decimal(0)), per_unit=price) for number, price in enumerate(each[:-1])] + [Tier(per_unit=each[-1])]
        ),
        st.lists(amounts.map(lambda each: each + 1), min_size=3, max_size=3),
        st.lists(amounts, min_size=4, max_size=4),
    ),
    st.builds(lambda each, flat: Price(volume=[Tier(up_to=Decimal(10), per_unit=each, flat=flat), Tier(per_unit=each)]), amounts, amounts),
    st.builds(lambda each: Price(per_unit=each, free=Decimal(100)), amounts),
)


def through_json(row: dict[str, Any]) -> Fields:
    return Fields(parse(bytes(Answer(row).body)))


@given(price=prices, coins=st.sampled_from((DOLLARS, EUROS, None)))
def test_a_price_of_a_document_survives_the_way_there_and_back(price: Price, coins: Coins | None) -> None:
    assert price_in(through_json(price_out(price, coins)), coins) == price


@given(number=st.decimals(min_value=-(10**9), max_value=10**9, places=8))
def test_cents_are_exact(number: Decimal) -> None:
    assert DOLLARS.into(DOLLARS.out(number)) == number
    assert DOLLARS.out(number) == number * 100
    assert EUROS.out(number) == number
    assert "E" not in str(tidy(number)) or abs(number) < Decimal("0.000001")


@given(
    spans=st.lists(st.tuples(st.integers(0, 60), st.one_of(st.none(), st.integers(1, 60)), st.sampled_from(("eu", "us"))), min_size=1, max_size=8),
    at=st.integers(0, 130),
    where=st.sampled_from(("eu", "us")),
)
def test_the_rate_that_was_added_last_for_a_time_holds_and_none_overlap(spans: list[tuple[int, int | None, str]], at: int, where: str) -> None:
    rates: list[Rate] = []
    wanted = None
    for number, (start, length, region) in enumerate(spans):
        end = None if length is None else start + length
        new = Rate(
            product="p",
            price=Price(per_unit=Decimal(number)),
            where={"region": region},
            starting_at=iso(START_MS + start * HOUR_MS),
            ending_before=None if end is None else iso(START_MS + end * HOUR_MS),
        )
        rates = with_rate(rates, new, "UTC")
        if region == where and start <= at and (end is None or at < end):
            wanted = number
    now = START_MS + at * HOUR_MS
    holding = [
        rate
        for rate in rates
        if rate.where == {"region": where}
        and instant_ms(rate.starting_at or "") <= now
        and (rate.ending_before is None or now < instant_ms(rate.ending_before))
    ]

    assert [rate.price.per_unit for rate in holding] == ([] if wanted is None else [Decimal(wanted)])


@pytest.mark.parametrize(
    ("row", "field"),
    (
        ({"rate_type": "FLAT"}, "price"),
        ({"rate_type": "FLAT", "price": -1}, "price"),
        ({"rate_type": "FLAT", "price": "1"}, "price"),
        ({"rate_type": "PERCENTAGE", "price": 10}, "price"),
        ({"rate_type": "TIERED"}, "tiers"),
        ({"rate_type": "TIERED", "tiers": [{"price": 1}, {"price": 2}]}, "tiers[0].size"),
        ({"rate_type": "TIERED_PERCENTAGE", "price": 1}, "rate_type"),
        ({"rate_type": "CUSTOM", "custom_rate": {"per_unt": "1"}}, "custom_rate.per_unt"),
        ({"rate_type": "flat", "price": 1}, "rate_type"),
    ),
)
def test_a_wrong_price_names_its_field(row: dict[str, Any], field: str) -> None:
    with pytest.raises(RefusedError) as refused:
        price_in(Fields(row), DOLLARS)

    assert refused.value.wrong[0].field == field
