"""Started packages count whole: over parts of a period ceil(total ÷ size) − ceil(before ÷ size)."""

from decimal import Decimal
from fractions import Fraction

from contracts.money import plain
from contracts.prices.model import Flat, Piece, Position, Unit, unit_of
from contracts.prices.per_unit import shown
from contracts.scales import Scale


class PackagePrice:
    linear = False
    by_total = False

    def __init__(self, size: Decimal, price: Fraction, scale: Scale, places: int) -> None:
        self._size = size
        self._atoms = scale.atoms(size)
        self._unit = unit_of(price, places, self._atoms)
        self.counted = self._atoms

    def align(self, position: Position) -> Position:
        return -(-position // self._atoms) * self._atoms

    def pieces(self, start: Position, end: Position, total: Position) -> list[Piece]:
        return [] if start == end else [(end - start, self._unit)]

    def flats(self, start: Position, end: Position, total: Position, first: bool, used: bool) -> list[Flat]:
        return []

    def first_unit(self) -> Unit:
        return self._unit

    def describe(self) -> dict[str, object]:
        return {"package": {"size": plain(self._size), "price": shown(self._unit.price)}}
