"""Once for each billing period with usage, however much it is."""

from fractions import Fraction

from contracts.prices.model import Flat, Piece, Position, flat_of
from contracts.prices.per_unit import shown
from contracts.scales import RAW


class FlatPrice:
    linear = False
    by_total = False
    counted = RAW

    def __init__(self, price: Fraction, places: int) -> None:
        self._flat = flat_of(price, places, None)

    def align(self, position: Position) -> Position:
        return position

    def pieces(self, start: Position, end: Position, total: Position) -> list[Piece]:
        return []

    def flats(self, start: Position, end: Position, total: Position, first: bool, used: bool) -> list[Flat]:
        return [self._flat] if used else []

    def first_unit(self) -> None:
        return None

    def describe(self) -> dict[str, object]:
        return {"flat": shown(self._flat.price)}
