"""Each tier prices its own part; `up_to` is inclusive and cumulative, a tier's flat is due once the tier is entered."""

from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from contracts.money import plain
from contracts.prices.model import Flat, Piece, Position, Unit, flat_of, unit_of
from contracts.prices.per_unit import shown
from contracts.scales import Scale

Tier = tuple[Decimal | None, Fraction, Fraction]
"""up_to (none: no end), per_unit, flat."""


class GraduatedPrice:
    linear = False
    by_total = False

    def __init__(self, tiers: Sequence[Tier], scale: Scale, places: int) -> None:
        self._tiers = list(tiers)
        self._bounds = [scale.atoms(up_to) for up_to, _, _ in tiers[:-1] if up_to is not None]
        self._units = [unit_of(price, places, scale.per, number) for number, (_, price, _) in enumerate(tiers, 1)]
        self._flats = [flat_of(price, places, number) for number, (_, _, price) in enumerate(tiers, 1) if price]
        self.counted = scale.per

    def align(self, position: Position) -> Position:
        return position

    def pieces(self, start: Position, end: Position, total: Position) -> list[Piece]:
        if end < start:
            return [(-atoms, price) for atoms, price in reversed(self.pieces(end, start, total))]
        bounds, units = self._bounds, self._units
        number = bisect_right(bounds, start)
        found: list[Piece] = []
        while start < end:
            until = bounds[number] if number < len(bounds) else end
            if until >= end:
                found.append((end - start, units[number]))
                break
            found.append((until - start, units[number]))
            start = until
            number += 1
        return found

    def flats(self, start: Position, end: Position, total: Position, first: bool, used: bool) -> list[Flat]:
        return [each for each in self._flats if (first if each.tier == 1 else start <= self._bounds[(each.tier or 2) - 2] < end)]

    def first_unit(self) -> Unit:
        return self._units[0]

    def describe(self) -> dict[str, object]:
        return {"graduated": describe_tiers(self._tiers)}


def describe_tiers(tiers: Sequence[Tier]) -> list[dict[str, str]]:
    """Tiers as a document shows them."""
    return [
        {**({} if up_to is None else {"up_to": plain(up_to)}), "per_unit": shown(price), **({"flat": shown(flat_)} if flat_ else {})}
        for up_to, price, flat_ in tiers
    ]
