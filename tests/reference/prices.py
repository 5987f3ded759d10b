"""Section 2.2, 2.3: what a stretch [before, after) of the running quantity costs under one price, in pieces; a piece is a printed line."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from contracts.catalogue import Price, Tier


class Piece(NamedTuple):
    kind: str
    """units | package | volume | flat (a price's or a tier's)."""
    quantity: Fraction
    unit_price: Fraction
    tier: int | None
    override: str | None
    before: Fraction
    after: Fraction
    """The stretch of the running quantity; of a flat, where it fell due."""

    @property
    def exact(self) -> Fraction:
        return self.quantity * self.unit_price


class Place(NamedTuple):
    """Where a line stands in its period."""

    reached: Fraction
    """The period's quantity, for volume."""
    highest: Fraction
    """The highest running quantity before the line."""
    first: bool
    """Nothing of the period was priced before: what is due at once is due now."""
    flat_due: bool
    """The line has usage, and no line before it in the period paid a flat price."""


Stretch = tuple[str, Fraction, Fraction, int | None, Fraction, Fraction]
"""(kind, quantity, unit price, tier, running quantity before and after)."""


def units(price: Price, before: Fraction, after: Fraction, reached: Fraction) -> list[Stretch]:
    """The priced parts of a stretch, without flats; a falling quantity gives negative ones."""
    if after < before:
        back = units(price, after, before, reached)
        return [(kind, -quantity, unit, tier, high, low) for kind, quantity, unit, tier, low, high in reversed(back)]
    free = Fraction(price.free)
    if price.package is not None:
        return _packages(price, before, after)
    if price.flat is not None or price.percentage is not None:
        return []
    found: list[Stretch] = []
    if free and before < free and min(after, free) > before:
        found.append(("units", min(after, free) - before, Fraction(0), None, before, min(after, free)))
    low, high = beyond(before, free), beyond(after, free)
    if high <= low:
        return found
    if price.per_unit is not None:
        found.append(("units", high - low, Fraction(price.per_unit), None, low + free, high + free))
    elif price.volume is not None:
        number = tier_of(price.volume, max(reached - free, Fraction(0)))
        found.append(("volume", high - low, Fraction(price.volume[number].per_unit), number + 1, low + free, high + free))
    return found + _tiers(price, low, high)


def _packages(price: Price, before: Fraction, after: Fraction) -> list[Stretch]:
    """Packages started in the stretch: ceil(after / size) − ceil(before / size)."""
    assert price.package is not None
    low, high = (beyond(each, Fraction(price.free)) / Fraction(price.package.size) for each in (before, after))
    started = ceil(high) - ceil(low)
    return [("package", Fraction(started), Fraction(price.package.price), None, before, after)] if started else []


def _tiers(price: Price, low: Fraction, high: Fraction) -> list[Stretch]:
    """The part of each graduated tier."""
    free, floor = Fraction(price.free), min(low, Fraction(0))
    found: list[Stretch] = []
    for number, tier in enumerate(price.graduated or []):
        top = high if tier.up_to is None else Fraction(tier.up_to)
        start, end = max(low, floor), min(high, top)
        if end > start:
            found.append(("units", end - start, Fraction(tier.per_unit), number + 1, start + free, end + free))
        floor = top
    return found


def beyond(quantity: Fraction, free: Fraction) -> Fraction:
    """What of a running quantity is not free. One below zero is at the price of its time, unless there are free units."""
    return max(quantity - free, Fraction(0)) if free else quantity


def tier_of(tiers: Sequence[Tier], quantity: Fraction) -> int:
    """Number (from 0) of the tier that a quantity has reached; `up_to` is inclusive."""
    for number, tier in enumerate(tiers):
        if tier.up_to is None or quantity <= Fraction(tier.up_to):
            return number
    return len(tiers) - 1


def flats(price: Price, before: Fraction, after: Fraction, place: Place) -> list[tuple[Fraction, int | None]]:
    """(amount, tier) of the flats that fall due in a line: a flat price once a period with usage, a tier's once it is entered."""
    if price.flat is not None:
        return [(Fraction(price.flat), None)] if place.flat_due else []
    free = Fraction(price.free)
    found: list[tuple[Fraction, int | None]] = []
    if price.volume is not None and place.first:
        number = tier_of(price.volume, max(place.reached - free, Fraction(0)))
        found.append((Fraction(price.volume[number].flat), number + 1))
    if price.graduated is not None:
        entered = -1 if place.first else tier_of(price.graduated, max(place.highest - free, Fraction(0)))
        for number in range(entered + 1, tier_of(price.graduated, max(after - free, Fraction(0))) + 1):
            found.append((Fraction(price.graduated[number].flat), number + 1))
    return [(amount, tier) for amount, tier in found if amount]
