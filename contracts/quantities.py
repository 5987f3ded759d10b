"""From windows to running quantities: A(start..b), conversion, rounding of the running quantity."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from contracts.money import Number, fraction, rounded
from contracts.terms import ProductTerms
from contracts.timeline import Span
from contracts.usage import Point
from contracts.windows import Aggregate, merge

__all__ = ["Carry", "Entry", "converted", "running"]

_ZERO = Decimal(0)


class Entry(NamedTuple):
    """One window of one group: its start, and what was used in it."""

    window: int
    aggregate: Aggregate
    customer: str = ""


class Carry(NamedTuple):
    """What held at the period's start, of a metric that carries."""

    point: Point | None = None
    members: frozenset[str] = frozenset()


def raw(kind: str, aggregate: Aggregate | None) -> Decimal:
    """The aggregate as a number, before conversion (not for time_weighted)."""
    if aggregate is None:
        return _ZERO
    if kind == "count":
        return Decimal(aggregate.events)
    if kind == "unique":
        return Decimal(len(aggregate.members))
    if kind == "latest":
        return aggregate.points[0].value if aggregate.points else _ZERO
    return _ZERO if aggregate.value is None else aggregate.value


def starting(kind: str, carry: Carry | None) -> Aggregate | None:
    """The aggregate with which a carrying metric enters the period."""
    if carry is None:
        return None
    if kind == "latest" and carry.point is not None:
        return Aggregate(0, 0, None, (carry.point,))
    if kind == "unique" and carry.members:
        return Aggregate(0, 0, None, (), carry.members)
    return None


def accumulated(kind: str, entries: Iterable[Entry], spans: Sequence[Span], carry: Carry | None, now: int) -> list[Decimal]:
    """Raw A(start..end) for the end of each span; the spans are adjacent and in order."""
    if kind == "time_weighted":
        return held(entries, spans, carry, now)
    per_span: list[Aggregate | None] = [None] * len(spans)
    edges = [span.end for span in spans]
    for entry in entries:
        place = 0
        while edges[place] <= entry.window:
            place += 1
        per_span[place] = merge(kind, per_span[place], entry.aggregate)
    total = starting(kind, carry)
    found = []
    for part in per_span:
        if part is not None:
            total = merge(kind, total, part)
        found.append(raw(kind, total))
    return found


def held(entries: Iterable[Entry], spans: Sequence[Span], carry: Carry | None, now: int) -> list[Decimal]:
    """Value × milliseconds that it held, up to the clock."""
    points = sorted({point for entry in entries for point in entry.aggregate.points})
    start = spans[0].start
    value = carry.point.value if carry and carry.point else _ZERO
    since, total, place, found = start, _ZERO, 0, []
    for span in spans:
        until = max(start, min(span.end, now))
        while place < len(points) and points[place].timestamp_ms < span.end:
            moment = min(max(points[place].timestamp_ms, start), until)
            total += value * (moment - since)
            since, value = moment, points[place].value
            place += 1
        total += value * (until - since)
        since = until
        found.append(total)
    return found


def converted(product: ProductTerms, value: Decimal) -> Number:
    """The billed quantity of a raw one: divided, then rounded."""
    factor = product.factor
    quantity: Number = value * factor if isinstance(factor, Decimal) else fraction(value) * factor
    if product.rounding is not None:
        return rounded(quantity, *product.rounding)
    return quantity


def running(product: ProductTerms, entries: Iterable[Entry], spans: Sequence[Span], carry: Carry | None, now: int) -> list[Number]:
    """The running quantity at the end of each span."""
    return [converted(product, value) for value in accumulated(product.kind, entries, spans, carry, now)]


def zero(product: ProductTerms) -> Number:
    return Fraction(0) if product.rational else _ZERO
