"""Started packages count whole: over parts of a period ceil(total ÷ size) − ceil(before ÷ size)."""

from decimal import Decimal

from contracts.money import Number, divide, fraction, plain, rounded, shown
from contracts.prices import Piece, Price
from contracts.prices.base import Model, times


class PackagePrice(Model):
    def __init__(self, size: Number, price: Number) -> None:
        super().__init__()
        self.size = size
        self.price = price
        self.monotone = price >= 0

    def align(self, position: Number) -> Number:
        packages = rounded(divide(position, self.size), "up", 0)
        return fraction(packages) * self.size if not isinstance(self.size, Decimal) else packages * self.size

    def pieces(self, start: Number, end: Number, total: Number) -> list[Piece]:
        if start == end:
            return []
        quantity = divide(end - start, self.size)  # type: ignore[operator]
        return [Piece(quantity if isinstance(self.size, Decimal) else fraction(quantity), self.price, None, end)]

    def _times(self, factor: Decimal) -> Price:
        return PackagePrice(self.size, times(self.price, factor))

    def _fractions(self) -> Price:
        return PackagePrice(fraction(self.size), fraction(self.price))

    def describe(self) -> dict[str, object]:
        return {"package": {"size": plain(shown(self.size)), "price": plain(shown(self.price))}}
