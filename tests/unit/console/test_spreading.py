"""Amounts over days add up to their line."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from console.spreading import HOUR_MS, Hour, spread
from contracts.result import Invoice, Line

DAY_MS = 24 * HOUR_MS


def invoice(amount: Decimal, quantity: Decimal | None) -> Invoice:
    line = Line("l", "usage", "p", {"region": "eu"}, 0, 31 * DAY_MS, quantity, Decimal(1), None, amount, None, None)
    return Invoice("i", "c", "k", "usage", "draft", 0, 31 * DAY_MS, 31 * DAY_MS, "USD", (line,), amount)


@given(
    cents=st.integers(-(10**9), 10**9),
    metered=st.lists(st.tuples(st.integers(0, 31 * 24 - 1), st.integers(0, 10**12), st.sampled_from(("eu", "us"))), max_size=40),
)
def test_parts_add_up(cents: int, metered: list[tuple[int, int, str]]) -> None:
    amount = Decimal(cents).scaleb(-2)
    hours = [Hour("p", {"region": region, "extra": "x"}, hour * HOUR_MS, weight) for hour, weight, region in metered]

    parts = spread(invoice(amount, Decimal(7)), hours, DAY_MS)

    assert sum(part.amount for part in parts) == amount
    assert len({part.start_ms for part in parts}) == len(parts)
    used = {hour * HOUR_MS // DAY_MS * DAY_MS for hour, weight, region in metered if weight and region == "eu"}
    assert {part.start_ms for part in parts if part.amount} <= (used or {0})


def test_a_line_without_usage_stands_at_its_start() -> None:
    (part,) = spread(invoice(Decimal("5.00"), None), [], DAY_MS)

    assert (part.start_ms, part.amount, part.quantity) == (0, Decimal("5.00"), None)
