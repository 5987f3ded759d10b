"""quantity × price."""

from fractions import Fraction

from contracts.money import plain, quotient
from contracts.prices.model import Flat, Piece, Position, Unit, unit_of
from contracts.scales import Scale


class PerUnitPrice:
    linear = True
    by_total = False

    def __init__(self, price: Fraction, scale: Scale, places: int) -> None:
        self._unit = unit_of(price, places, scale.per)
        self.counted = scale.per

    def align(self, position: Position) -> Position:
        return position

    def pieces(self, start: Position, end: Position, total: Position) -> list[Piece]:
        return [] if start == end else [(end - start, self._unit)]

    def flats(self, start: Position, end: Position, total: Position, first: bool, used: bool) -> list[Flat]:
        return []

    def first_unit(self) -> Unit:
        return self._unit

    def describe(self) -> dict[str, object]:
        return {"per_unit": shown(self._unit.price)}


def shown(price: Fraction) -> str:
    """A price as text."""
    return plain(quotient(price.numerator, price.denominator))
