"""quantity × price."""

from decimal import Decimal

from contracts.money import Number, fraction, plain, shown
from contracts.prices import Piece, Price
from contracts.prices.base import Model, times


class PerUnitPrice(Model):
    def __init__(self, per_unit: Number) -> None:
        super().__init__()
        self.per_unit = per_unit
        self.monotone = per_unit >= 0

    def pieces(self, start: Number, end: Number, total: Number) -> list[Piece]:
        if start == end:
            return []
        return [Piece(end - start, self.per_unit, None, end)]  # type: ignore[operator]

    def _times(self, factor: Decimal) -> Price:
        return PerUnitPrice(times(self.per_unit, factor))

    def _fractions(self) -> Price:
        return PerUnitPrice(fraction(self.per_unit))

    def describe(self) -> dict[str, object]:
        return {"per_unit": plain(shown(self.per_unit))}
