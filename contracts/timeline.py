"""Instants, billing periods and proportions of time. UTC epoch milliseconds inside; half-open intervals."""

import itertools
from bisect import bisect_right
from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from fractions import Fraction
from typing import NamedTuple

from contracts.instants import EPOCH, exact_ms, instant_ms, to_ms, zone

__all__ = ["FOREVER", "HOUR", "Grid", "Span", "cut", "exact_ms", "grid", "instant_ms", "iso", "share"]

FOREVER = 2**62
"""End of what has no end."""
HOUR = 3_600_000
_MONTHS = {"monthly": 1, "quarterly": 3, "annual": 12, "month": 1, "quarter": 3, "year": 12}


class Span(NamedTuple):
    """A half-open interval."""

    start: int
    end: int


def iso(moment: int) -> str:
    """RFC 3339 text in UTC; milliseconds only when there are some."""
    whole, rest = divmod(moment, 1000)
    text = (EPOCH + timedelta(seconds=whole)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"


def add_months(day: date, months: int) -> date:
    """The same day of a later month, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day.day, last))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


class Grid:
    """An endless row of whole periods through an anchor, in a zone's local time; boundaries are counted from the anchor, so none drifts."""

    def __init__(self, anchor: datetime, unit: str, where: tzinfo) -> None:
        self._anchor = anchor
        self._zone = where
        self._weeks = unit in ("weekly", "week")
        self._months = _MONTHS.get(unit, 1)
        self._edges: dict[int, int] = {}

    def edge(self, index: int) -> int:
        """Start of period `index` (0 starts at the anchor)."""
        found = self._edges.get(index)
        if found is None:
            day = self._anchor.date()
            day = day + timedelta(days=7 * index) if self._weeks else add_months(day, self._months * index)
            moment = datetime.combine(day, self._anchor.time(), tzinfo=self._zone)
            found = self._edges[index] = to_ms(moment)
        return found

    def index(self, moment: int) -> int:
        """The period that holds an instant."""
        local = (EPOCH + timedelta(milliseconds=moment)).astimezone(self._zone)
        if self._weeks:
            guess = (local.date() - self._anchor.date()).days // 7
        else:
            guess = ((local.year - self._anchor.year) * 12 + local.month - self._anchor.month) // self._months
        while self.edge(guess) > moment:
            guess -= 1
        while self.edge(guess + 1) <= moment:
            guess += 1
        return guess

    def around(self, moment: int) -> Span:
        index = self.index(moment)
        return Span(self.edge(index), self.edge(index + 1))

    def spans(self, start: int, end: int) -> Iterator[tuple[Span, Span]]:
        """(part of the period inside [start, end), the whole period), in order; endless when `end` is."""
        index = self.index(start)
        while start < end:
            whole = Span(self.edge(index), self.edge(index + 1))
            yield Span(start, min(end, whole.end)), whole
            start, index = whole.end, index + 1

    def share(self, part: Span, whole: Span) -> Fraction:
        """Days of the part over days of the whole period; by the clock when a boundary is not at local midnight."""
        return share(part, whole, self._zone)


def share(part: Span, whole: Span, where: tzinfo) -> Fraction:
    if part == whole:
        return Fraction(1)
    days = [_local_days(moment, where) for moment in (*part, *whole)]
    if None in days:
        return Fraction(part.end - part.start, whole.end - whole.start)
    a, b, c, d = days
    return Fraction(b - a, d - c)  # type: ignore[operator]


def _local_days(moment: int, where: tzinfo) -> int | None:
    local = (EPOCH + timedelta(milliseconds=moment)).astimezone(where)
    midnight = (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0)
    return local.toordinal() if midnight else None


def grid(unit: str, anchor: str, zone_name: str, contract_start: int) -> Grid:
    """Grid of a billing schedule: `anchor` is first_of_month, contract_start or a date."""
    where = zone(zone_name)
    start = (EPOCH + timedelta(milliseconds=contract_start)).astimezone(where).replace(tzinfo=None)
    if anchor == "first_of_month":
        base = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    elif anchor == "contract_start":
        base = start
    else:
        moment = instant_ms(anchor, zone_name)
        base = (EPOCH + timedelta(milliseconds=moment)).astimezone(where).replace(tzinfo=None)
    return Grid(base, unit, where)


def cut(span: Span, edges: list[int]) -> list[Span]:
    """The span in pieces at the sorted edges that lie inside it."""
    low, high = bisect_right(edges, span.start), bisect_right(edges, span.end - 1)
    points = [span.start, *edges[low:high], span.end]
    return [Span(a, b) for a, b in itertools.pairwise(points)]
