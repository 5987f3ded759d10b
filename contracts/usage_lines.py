"""From the running quantity of a product and group to lines: cut at every offer, priced where the tiers stand."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import msgspec

from contracts.lines import Context, Counted, FixedLine, UsageLine
from contracts.offers import Window
from contracts.overrides import OverrideTerms
from contracts.prices import Flat, Position, PriceModel

__all__ = ["Line", "Run", "priced", "runs"]

Line = UsageLine | FixedLine
ONE = Decimal(1)


class Run(msgspec.Struct, frozen=True, gc=False):
    """Usage in one window: the running quantity (atoms) before and behind it, and the highest so far before and behind it."""

    start: int
    end: int
    high: int
    top: int
    first: bool
    """The period's first window with an offer, of a group the first with usage too: a first tier's flat is due in it."""
    used: bool
    """The period's first window with usage and an offer."""
    shown: bool
    """It has usage, or is the one line of a product without any."""


class Stretch(NamedTuple):
    """A run of positions under one price."""

    start: Position
    end: Position
    model: PriceModel
    override: OverrideTerms | None


def runs(
    windows: Sequence[Window], edges: Sequence[int], used: Sequence[bool], *, start: int = 0, always: bool = False, first: bool = True, fresh: bool = True
) -> list[Run | None]:
    """One for each window with an offer in which something is shown or due; none for the others.

    `edges`: running quantity behind each window. `always`: it is there without usage too (a product without group keys): one line is shown then, and
    the first tier's flat is due. `first`: that flat is still due; `fresh`: what is due with the first usage is.
    """
    found: list[Run | None] = []
    before, high = start, max(start, 0)
    unused = always and edges[-1] == before and not any(u and w.offer is not None for u, w in zip(used, windows, strict=True))
    for window, edge, events in zip(windows, edges, used, strict=True):
        top = max(high, edge)
        run = None
        if window.offer is not None:
            something = events or edge != before
            if something or (first and always):
                run = Run(before, edge, high, top, first, fresh and something, something or (unused and first))
                first, fresh = False, fresh and not something
        found.append(run)
        before, high = edge, top
    return found


def priced(context: Context, window: Window, run: Run, total: int, counted: Counted) -> Iterator[Line]:
    """The lines of one window. Called in line order, so that tiered overrides count their units."""
    offer = window.offer
    assert offer is not None  # noqa: S101  # `runs` leaves others out
    span = (window.start, window.end)
    fixed = offer.tariff.fixed
    if fixed is not None:
        model, override = fixed
        stretches = [Stretch(model.align(run.start), model.align(run.end), model, override)]
    else:
        stretches = list(_stretches(window, run, counted))
    for at, end, model, override in stretches:
        name = override.id if override is not None else None
        reached = model.align(total)
        for atoms, unit in model.pieces(at, end, reached):
            yield UsageLine(context, span, offer, model, name, unit, at, at + atoms, reached, counted)
            at += atoms  # noqa: PLW2901  # goes along with the pieces
    if any(not stretch.model.linear for stretch in stretches):
        yield from _flats(context, window, run, total, stretches)
    if run.shown and run.start == run.end:
        start, _, model, override = stretches[0]
        unit_ = model.first_unit()
        if unit_ is not None:
            yield UsageLine(context, span, offer, model, override.id if override is not None else None, unit_, start, start, start, counted)


def _stretches(window: Window, run: Run, counted: Counted) -> Iterator[Stretch]:
    """Under tiered overrides a window has several prices; their units are counted as they go by."""
    offer = window.offer
    assert offer is not None  # noqa: S101  # as above
    at: Position | None = None
    while True:
        model, override, left = offer.tariff.next(counted)
        per = model.counted
        start = model.align(run.start) if at is None else at
        stop = model.align(run.end)
        until: Position = stop
        if left is not None and stop > start:
            limit = start + left * per
            until = min(stop, limit)
            until = int(until) if until == int(until) else until
        if override is not None and override.tiers and until > start:
            counted[override.id] = counted.get(override.id, Fraction(0)) + Fraction(until - start) / per
        yield Stretch(start, until, model, override)
        at = until
        if at >= stop or stop <= start:
            return


def _flats(context: Context, window: Window, run: Run, total: int, stretches: Sequence[Stretch]) -> Iterator[FixedLine]:
    offer = window.offer
    assert offer is not None  # noqa: S101  # as above
    span = (window.start, window.end)
    first, used, low = run.first, run.used, run.high
    for number, stretch in enumerate(stretches):
        model = stretch.model
        high = run.top if number == len(stretches) - 1 else max(low, int(stretch.end))
        for due in model.flats(low, high, total, first, used):
            name = stretch.override.id if stretch.override is not None else None
            place = FlatPlace(due.tier, first, used, low, high, total, context.terms.places)
            yield FixedLine(
                context.terms, context.product, context.key, span, offer.pays, kind=context.kind, rank=0, amount=due.amount, quantity=ONE, price=due.price,
                tier=due.tier, override=name, mark=f"{context.mark}flat", exact=due.price * 10**context.terms.places, under=place.under,
            )  # fmt: skip
        first = used = False
        low = high


class FlatPlace(NamedTuple):
    """Where a flat fell due: finds the flat of another price at the same place."""

    tier: int | None
    first: bool
    used: bool
    low: int
    high: int
    total: int
    places: int

    def under(self, model: PriceModel) -> tuple[Fraction, Fraction | None]:
        """(exact minor units, price) there."""
        same: list[Flat] = [f for f in model.flats(self.low, self.high, self.total, self.first, self.used) if f.tier == self.tier]
        return (same[0].price * 10**self.places, same[0].price) if same else (Fraction(0), None)
