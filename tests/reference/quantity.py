"""Section 1.2: A(start..t) of a metric, conversion, rounding of the running quantity."""

from collections.abc import Sequence
from fractions import Fraction

from contracts.catalogue import Metric, Quantity
from tests.reference.events import Event, member_of, value_of
from tests.reference.times import HOUR


def aggregate(metric: Metric, events: Sequence[Event], start: int, to: int) -> Fraction:
    """A(start..to): the metric over event time in [start, to). `events`: all of the contract for the product and group, of any time.

    With `carry` the last value (or the members so far) holds on from before `start`.
    """
    if to <= start:
        return Fraction(0)
    ordered = sorted((event for event in events if event.at < to), key=lambda event: (event.at, event.transaction_id))
    inside = [event for event in ordered if event.at >= start]
    heard = ordered if metric.carry else inside
    kind = metric.aggregation
    if kind == "count":
        return Fraction(len(inside))
    if kind == "unique":
        return Fraction(len({member_of(event, metric) for event in heard} - {None}))
    values = [value_of(event, metric) or Fraction(0) for event in (heard if kind in {"latest", "time_weighted"} else inside)]
    if kind == "sum":
        return sum(values, Fraction(0))
    if kind == "time_weighted":
        ends = [*(event.at for event in heard[1:]), to][: len(heard)]
        return sum((value * Fraction(max(0, end - max(event.at, start)), HOUR) for value, event, end in zip(values, heard, ends, strict=True)), Fraction(0))
    if not values:
        return Fraction(0)
    return {"max": max(values), "min": min(values), "latest": values[-1]}[kind]


def convert(raw: Fraction, quantity: Quantity | None) -> Fraction:
    """Division, then rounding, of a running quantity."""
    if quantity is None:
        return raw
    return rounded(raw / Fraction(quantity.divide_by), quantity.decimals, quantity.round)


def rounded(value: Fraction, decimals: int, mode: str | None) -> Fraction:
    """To `decimals` places: up is to the next one above, down to the next one below, half_up takes halves away from zero."""
    if mode is None:
        return value
    scaled = value * 10**decimals
    floor = scaled.numerator // scaled.denominator
    if mode == "down" or scaled == floor:
        return Fraction(floor, 10**decimals)
    if mode == "half_up":
        half = abs(scaled) + Fraction(1, 2)
        size = half.numerator // half.denominator
        return Fraction(size if scaled > 0 else -size, 10**decimals)
    return Fraction(floor + 1, 10**decimals)
