"""Price models, one file each, behind the interface of `contracts.prices.model`."""

from fractions import Fraction

from contracts.catalogue import Price
from contracts.prices.flat import FlatPrice
from contracts.prices.free import FreePrice
from contracts.prices.graduated import GraduatedPrice
from contracts.prices.model import Flat, Piece, Position, PriceModel, Unit
from contracts.prices.package import PackagePrice
from contracts.prices.per_unit import PerUnitPrice
from contracts.prices.percentage import PercentagePrice
from contracts.prices.volume import VolumePrice
from contracts.scales import Scale

__all__ = ["Flat", "Piece", "Position", "PriceModel", "Unit", "compile_price"]


def compile_price(price: Price, factor: Fraction, scale: Scale, places: int) -> PriceModel:
    """The model of a document's price, its amounts times `factor`. `ValueError` when it names no model."""
    found: PriceModel
    if price.per_unit is not None:
        found = PerUnitPrice(Fraction(price.per_unit) * factor, scale, places)
    elif price.package is not None:
        found = PackagePrice(price.package.size, Fraction(price.package.price) * factor, scale, places)
    elif price.graduated is not None:
        found = GraduatedPrice([(t.up_to, Fraction(t.per_unit) * factor, Fraction(t.flat) * factor) for t in price.graduated], scale, places)
    elif price.volume is not None:
        found = VolumePrice([(t.up_to, Fraction(t.per_unit) * factor, Fraction(t.flat) * factor) for t in price.volume], scale, places)
    elif price.flat is not None:
        found = FlatPrice(Fraction(price.flat) * factor, places)
    elif price.percentage is not None:
        found = PercentagePrice(Fraction(price.percentage.rate) * factor, Fraction(price.percentage.minimum) * factor, places)
    else:
        raise ValueError("a price is exactly one of per_unit, package, graduated, volume, flat, percentage")
    return FreePrice(scale.atoms(price.free), found, scale, places) if price.free else found
