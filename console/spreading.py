"""Amounts of invoice lines over the hours in which their usage was: for breakdowns and costs by day.

A line keeps its amount: its minor units are shared out in proportion to the metered quantity, by the largest remainder, so the parts add up.
What no usage stands behind (charges, minimums, applications of credits) stands at the start of its line.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from console.reading import Warehouse
from contracts.money import exact, exponent, largest_remainder
from contracts.result import Invoice, Line

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

USAGE: Final = """
SELECT product, group, toUnixTimestamp64Milli(toDateTime64(toStartOfHour(toDateTime(window_at, 'UTC')), 3, 'UTC')) AS start, sum(events),
       toString(sum(toDecimal256OrNull(value, 20)))
FROM metered_usage_records FINAL
WHERE customer IN {customers:Array(String)} AND catalogue = {catalogue:String} AND kind != 'transfer' AND position(product, char(31)) = 0
 AND window_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND window_at < fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')
GROUP BY product, group, start ORDER BY start"""
"""The hours of the view usage_hourly, without what only analysts look at."""


class Hour(NamedTuple):
    """Metered usage of one product and group in an hour."""

    product: str
    group: Mapping[str, str]
    start_ms: int
    weight: int
    """Its share, as a whole number."""


class Part(NamedTuple):
    """What of a line falls into a window."""

    line: Line
    start_ms: int
    amount: Decimal
    quantity: Decimal | None


def hours(warehouse: Warehouse, customers: Sequence[str], catalogue: str, from_ms: int, until_ms: int) -> list[Hour]:
    """The customer's metered hours, under all its ids."""
    rows = warehouse.query(USAGE, customers=list(customers), catalogue=catalogue, from_ms=from_ms, until_ms=until_ms)
    found = []
    for product, group, start_ms, events, value in rows:
        found.append(Hour(product, dict(group), start_ms, weight(events, value)))
    return found


def weight(events: int, value: str | None) -> int:
    """Of a metered quantity: the sum of the values, or the number of events of a product that has none."""
    if value is None:
        return events
    with exact():
        return int(abs(Decimal(value)) * 10**6)


def spread(invoice: Invoice, metered: Sequence[Hour], window_ms: int) -> list[Part]:
    """The invoice's lines in windows of that length (the whole invoice when it is 0), in the order of lines and time."""
    found = []
    for line in invoice.lines:
        found += _spread(line, invoice.currency, metered, window_ms)
    return found


def _spread(line: Line, currency: str, metered: Sequence[Hour], window_ms: int) -> list[Part]:
    if not window_ms:
        return [Part(line, line.starting_ms, line.amount, line.quantity)]
    shares: dict[int, int] = defaultdict(int)
    for hour in metered:
        inside = line.starting_ms <= hour.start_ms < line.ending_ms
        if inside and hour.product == line.product and line.group.items() <= hour.group.items() and line.kind in ("usage", "commit"):
            shares[hour.start_ms - hour.start_ms % window_ms] += hour.weight
    if not any(shares.values()):
        return [Part(line, line.starting_ms - line.starting_ms % window_ms, line.amount, line.quantity)]
    starts, weights = list(shares), list(shares.values())
    minor = Decimal(1).scaleb(-exponent(currency))
    with exact():
        units = int(line.amount / minor)
    sign = -1 if units < 0 else 1
    amounts = largest_remainder(abs(units), weights)
    whole = sum(weights)
    quantities = [None if line.quantity is None else (line.quantity * weight / whole) for weight in weights]
    return [Part(line, start, sign * amount * minor, quantity) for start, amount, quantity in zip(starts, amounts, quantities, strict=True)]
