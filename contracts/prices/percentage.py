"""A share of the spend of other products, and at least a minimum: max(rate × base, minimum)."""

from decimal import Decimal

from contracts.money import Number, fraction, plain, shown
from contracts.prices import Piece, Price
from contracts.prices.base import Model, times


class PercentagePrice(Model):
    def __init__(self, rate: Number, minimum: Number) -> None:
        super().__init__()
        self.rate = rate
        self.minimum = minimum

    def pieces(self, start: Number, end: Number, total: Number) -> list[Piece]:
        if start == end:
            return []
        return [Piece(end - start, self.rate, None, end)]  # type: ignore[operator]

    def _times(self, factor: Decimal) -> Price:
        return PercentagePrice(times(self.rate, factor), times(self.minimum, factor))

    def _fractions(self) -> Price:
        return PercentagePrice(fraction(self.rate), fraction(self.minimum))

    def describe(self) -> dict[str, object]:
        return {"percentage": {"rate": plain(shown(self.rate)), "minimum": plain(shown(self.minimum))}}
