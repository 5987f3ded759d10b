"""Any price whose first units of the period cost nothing and do not count to packages or tiers."""

from fractions import Fraction

from contracts.money import plain
from contracts.prices.model import Flat, Piece, Position, PriceModel, Unit, unit_of
from contracts.scales import Scale


class FreePrice:
    linear = False

    def __init__(self, free: int, inner: PriceModel, scale: Scale, places: int) -> None:
        self._free = free
        self._inner = inner
        self.by_total = inner.by_total
        self.counted = inner.counted
        self._nothing = unit_of(Fraction(0), places, scale.per)

    def _paid(self, position: Position) -> Position:
        return position - self._free if position > self._free else 0

    def align(self, position: Position) -> Position:
        return position if position <= self._free else self._inner.align(position - self._free) + self._free

    def pieces(self, start: Position, end: Position, total: Position) -> list[Piece]:
        if end < start:
            return [(-atoms, price) for atoms, price in reversed(self.pieces(end, start, total))]
        found: list[Piece] = []
        if start < self._free and start != end:
            found.append((min(end, self._free) - start, self._nothing))
        return found + self._inner.pieces(self._paid(start), self._paid(end), self._paid(total))

    def flats(self, start: Position, end: Position, total: Position, first: bool, used: bool) -> list[Flat]:
        return self._inner.flats(self._paid(start), self._paid(end), self._paid(total), first, used)

    def first_unit(self) -> Unit:
        return self._nothing

    def describe(self) -> dict[str, object]:
        return {**self._inner.describe(), "free": plain(self._nothing.quantity(self._free))}
