"""Price models behind one interface: running quantities in, priced pieces out; one file a model.

Positions are running quantities of the billing period. `pieces(start, end)` prices the units between two positions; a model that sells whole
units first moves positions to what is billed (`align`). Numbers of one price are all decimals or, in its `rational` twin, all fractions.
"""

from decimal import Decimal
from typing import NamedTuple, Protocol

from contracts.catalogue import Price as PriceDocument
from contracts.money import Number


class Piece(NamedTuple):
    """Units of one price: `quantity × unit_price` is their exact cost. `until` is the position after them."""

    quantity: Number
    unit_price: Number
    tier: int | None
    until: Number


class Flat(NamedTuple):
    """A flat of a tier, or of the period (`tier` none)."""

    amount: Number
    tier: int | None


class Price(Protocol):
    """A compiled price. `total` is the quantity that the period has reached."""

    monotone: bool
    """More usage never makes what was used before cheaper."""

    def align(self, position: Number) -> Number:
        """The position up to which units are billed when usage has reached `position`."""

    def pieces(self, start: Number, end: Number, total: Number) -> list[Piece]:
        """The units between two aligned positions, in order; of negative quantity and backwards when `end` is smaller."""

    def flats(self, start: Number, end: Number, total: Number, first: bool, used: bool) -> list[Flat]:
        """Flats that fall due between two positions; `first`: the period's first part; `used`: the first part with usage."""

    def flat_of(self, tier: int | None) -> Number | None:
        """The flat of a tier; none: the model has no such tier."""

    def scaled(self, factor: Decimal) -> "Price":
        """All amounts multiplied, cached."""

    def rational(self) -> "Price":
        """The same price in fractions, cached."""

    def describe(self) -> dict[str, object]:
        """The price as a document shows it, numbers as text."""


def compile_price(price: PriceDocument, factor: Decimal = Decimal(1)) -> Price:
    """The model of a document's price, its amounts times `factor`. `ValueError` when no or several models are named."""
    from contracts.prices.flat import FlatPrice
    from contracts.prices.free import FreePrice
    from contracts.prices.graduated import GraduatedPrice
    from contracts.prices.package import PackagePrice
    from contracts.prices.per_unit import PerUnitPrice
    from contracts.prices.percentage import PercentagePrice
    from contracts.prices.volume import VolumePrice

    found: list[Price] = []
    if price.per_unit is not None:
        found.append(PerUnitPrice(price.per_unit))
    if price.package is not None:
        found.append(PackagePrice(price.package.size, price.package.price))
    if price.graduated is not None:
        found.append(GraduatedPrice([(t.up_to, t.per_unit, t.flat) for t in price.graduated]))
    if price.volume is not None:
        found.append(VolumePrice([(t.up_to, t.per_unit, t.flat) for t in price.volume]))
    if price.flat is not None:
        found.append(FlatPrice(price.flat))
    if price.percentage is not None:
        found.append(PercentagePrice(price.percentage.rate, price.percentage.minimum))
    if len(found) != 1:
        raise ValueError("a price is exactly one of per_unit, package, graduated, volume, flat, percentage")
    model = FreePrice(price.free, found[0]) if price.free else found[0]
    return model if factor == 1 else model.scaled(factor)
