"""Once for each billing period with usage, however much it is."""

from decimal import Decimal

from contracts.money import Number, fraction, plain, shown
from contracts.prices import Flat, Piece, Price
from contracts.prices.base import Model, times


class FlatPrice(Model):
    def __init__(self, amount: Number) -> None:
        super().__init__()
        self.amount = amount
        self.monotone = amount >= 0

    def pieces(self, start: Number, end: Number, total: Number) -> list[Piece]:
        return []

    def flats(self, start: Number, end: Number, total: Number, first: bool, used: bool) -> list[Flat]:
        return [Flat(self.amount, None)] if used else []

    def flat_of(self, tier: int | None) -> Number | None:
        return self.amount if tier is None else None

    def _times(self, factor: Decimal) -> Price:
        return FlatPrice(times(self.amount, factor))

    def _fractions(self) -> Price:
        return FlatPrice(fraction(self.amount))

    def describe(self) -> dict[str, object]:
        return {"flat": plain(shown(self.amount))}
