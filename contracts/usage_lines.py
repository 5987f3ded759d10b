"""From the running quantity of a product and group to lines: cut at every offer, priced where the tiers stand."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from contracts.lines import Counted, FixedLine, UsageLine
from contracts.offers import Offer, Window
from contracts.overrides import OverrideTerms
from contracts.prices import Flat, Position, PriceModel
from contracts.terms import ContractTerms, ProductTerms
from contracts.windows import GroupKey

ONE = Decimal(1)

__all__ = ["Run", "Stretch", "priced", "runs"]


class Run(NamedTuple):
    """Usage in one window: the running quantity (atoms) before and behind it, and the highest so far before and behind it."""

    window: Window
    start: int
    end: int
    high: int
    top: int
    first: bool
    """The period's first window with an offer: a first tier's flat is due in it."""
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


def runs(windows: Sequence[Window], edges: Sequence[int], used: Sequence[bool], *, start: int = 0, always: bool = False, flats: bool = True) -> list[Run]:
    """The windows with an offer. `edges`: running quantity behind each window; `always`: show one line when there was no usage at all."""
    found = []
    before, high, first, fresh = start, max(start, 0), flats, flats
    unused = always and not any(u and w.offer is not None for u, w in zip(used, windows, strict=True))
    for window, edge, events in zip(windows, edges, used, strict=True):
        top = max(high, edge)
        if window.offer is not None:
            something = events or edge != before
            found.append(Run(window, before, edge, high, top, first, fresh and something, something or (unused and first)))
            first, fresh = False, fresh and not something
        before, high = edge, top
    return found


def priced(
    terms: ContractTerms, product: ProductTerms, key: GroupKey, run: Run, total: int, counted: Counted, *, kind: str, mark: str
) -> Iterator[UsageLine | FixedLine]:
    """The lines of one window. Called in line order, so that tiered overrides count their units."""
    window, offer = run.window, run.window.offer
    assert offer is not None  # noqa: S101  # `runs` leaves others out
    span = (window.start, window.end)
    tariff = offer.tariff
    if tariff.fixed is not None:
        model, override = tariff.fixed
        stretches = [Stretch(model.align(run.start), model.align(run.end), model, override)]
    else:
        stretches = list(_stretches(product, offer, run, counted))
    for stretch in stretches:
        model, override = stretch.model, stretch.override
        at = stretch.start
        reached = model.align(total)
        for atoms, unit in model.pieces(at, stretch.end, reached):
            yield UsageLine(terms, product, key, span, offer, model, override, unit, at, at + atoms, reached, kind, mark, counted)
            at += atoms
    yield from _flats(terms, product, key, run, total, stretches, kind, mark)
    if run.shown and stretches and run.start == run.end and (unit_ := stretches[0].model.first_unit()) is not None:
        stretch = stretches[0]
        start = stretch.start
        yield UsageLine(terms, product, key, span, offer, stretch.model, stretch.override, unit_, start, start, start, kind, mark, counted)


def _stretches(product: ProductTerms, offer: Offer, run: Run, counted: Counted) -> Iterator[Stretch]:
    """Under tiered overrides a window has several prices; their units are counted as they go by."""
    per = product.scale.per
    at: Position | None = None
    while True:
        model, override, left = offer.tariff.next(counted)
        start = model.align(run.start) if at is None else at
        stop = model.align(run.end)
        until: Position = stop
        if left is not None and stop > start:
            until = min(stop, start + left * per)
            until = int(until) if until == int(until) else until
        if override is not None and override.tiers and until > start:
            counted[override.id] = counted.get(override.id, Fraction(0)) + Fraction(until - start) / per
        yield Stretch(start, until, model, override)
        at = until
        if at >= stop or stop <= start:
            return


def _flats(
    terms: ContractTerms, product: ProductTerms, key: GroupKey, run: Run, total: int, stretches: Sequence[Stretch], kind: str, mark: str
) -> Iterator[FixedLine]:
    offer = run.window.offer
    assert offer is not None  # noqa: S101  # as above
    span = (run.window.start, run.window.end)
    first, used, low = run.first, run.used, run.high
    for number, stretch in enumerate(stretches):
        model = stretch.model
        high = run.top if number == len(stretches) - 1 else max(low, int(stretch.end))
        for due in model.flats(low, high, total, first, used):
            name = stretch.override.id if stretch.override is not None else None
            place = FlatPlace(due.tier, first, used, low, high, total)
            yield FixedLine(
                terms, product, key, span, offer.pays, kind=kind, rank=0, amount=due.amount, quantity=ONE, price=due.price, tier=due.tier, override=name,
                mark=f"{mark}flat", under=place.amount,
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

    def amount(self, model: PriceModel) -> int:
        same: list[Flat] = [f for f in model.flats(self.low, self.high, self.total, self.first, self.used) if f.tier == self.tier]
        return sum(f.amount for f in same)
