"""A share of the spend of other products, and at least a minimum: max(rate × base, minimum)."""

from fractions import Fraction

from contracts.money import cost
from contracts.prices.model import Flat, Piece, Position
from contracts.prices.per_unit import shown
from contracts.scales import RAW


class PercentagePrice:
    """Priced by `share`; the units of a composite product have no price of their own."""

    linear = False
    by_total = False
    counted = RAW

    def __init__(self, rate: Fraction, minimum: Fraction, places: int) -> None:
        self.rate = rate
        self.minimum = cost(1, (minimum * 10**places).numerator, (minimum * 10**places).denominator)
        self._minimum = minimum

    def share(self, base: int) -> int:
        """Minor units of the rate's share of `base` minor units, before the minimum."""
        return cost(base, self.rate.numerator, self.rate.denominator)

    def align(self, position: Position) -> Position:
        return position

    def pieces(self, start: Position, end: Position, total: Position) -> list[Piece]:
        return []

    def flats(self, start: Position, end: Position, total: Position, first: bool, used: bool) -> list[Flat]:
        return []

    def first_unit(self) -> None:
        return None

    def describe(self) -> dict[str, object]:
        return {"percentage": {"rate": shown(self.rate), "minimum": shown(self._minimum)}}
