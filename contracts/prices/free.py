"""Any price whose first units of the period cost nothing and do not count to packages or tiers."""

from decimal import Decimal

from contracts.money import Number, fraction, plain, shown
from contracts.prices import Flat, Piece, Price
from contracts.prices.base import Model


class FreePrice(Model):
    def __init__(self, free: Number, inner: Price) -> None:
        super().__init__()
        self.free = free
        self.inner = inner
        self.monotone = inner.monotone
        self._zero: Number = free - free  # type: ignore[operator]

    def _paid(self, position: Number) -> Number:
        return max(self._zero, position - self.free)  # type: ignore[operator,type-var]

    def align(self, position: Number) -> Number:
        return position if position <= self.free else self.inner.align(position - self.free) + self.free  # type: ignore[operator]

    def pieces(self, start: Number, end: Number, total: Number) -> list[Piece]:
        if end < start:
            return [Piece(-p.quantity, p.unit_price, p.tier, p.until - p.quantity) for p in reversed(self.pieces(end, start, total))]  # type: ignore[operator]
        found = []
        if start < self.free:
            until = min(end, self.free)  # type: ignore[type-var]
            if until != start:
                found.append(Piece(until - start, self._zero, None, until))  # type: ignore[operator]
        for piece in self.inner.pieces(self._paid(start), self._paid(end), self._paid(total)):
            found.append(piece._replace(until=piece.until + self.free))  # type: ignore[operator]
        return found

    def flats(self, start: Number, end: Number, total: Number, first: bool, used: bool) -> list[Flat]:
        return self.inner.flats(self._paid(start), self._paid(end), self._paid(total), first, used)

    def flat_of(self, tier: int | None) -> Number | None:
        return self.inner.flat_of(tier)

    def _times(self, factor: Decimal) -> Price:
        return FreePrice(self.free, self.inner.scaled(factor))

    def _fractions(self) -> Price:
        return FreePrice(fraction(self.free), self.inner.rational())

    def describe(self) -> dict[str, object]:
        return {**self.inner.describe(), "free": plain(shown(self.free))}
