"""The interface of price models: running quantities in, priced pieces out.

Positions are running quantities of the billing period in atoms. A model is compiled for the scale of its product, the currency's places and a
factor (a multiplier, the price of a pricing unit): all that costs time is done once, and pricing only adds and multiplies whole numbers.
"""

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, Protocol

from contracts.money import cost, quotient

__all__ = ["Flat", "Piece", "Position", "PriceModel", "Unit", "flat_of", "unit_of"]

Position = int | Fraction
FINEST = 10**30


class Unit:
    """One price of a model: `atoms × numerator ÷ denominator` minor units. One object for each, so that it can be compared by identity."""

    __slots__ = ("_twice", "_whole", "denominator", "numerator", "per", "price", "rank", "shown", "tier")

    def __init__(self, numerator: int, denominator: int, per: int, price: Fraction, tier: int | None) -> None:
        self.numerator = numerator
        self.denominator = denominator
        self._twice, self._whole = 2 * numerator, 2 * denominator
        self.per = per
        """Atoms of one printed unit: a quantity of one, or a package."""
        self.price = price
        self.shown = quotient(price.numerator, price.denominator)
        self.tier = tier
        """From 1."""
        self.rank = -(price.numerator * FINEST // price.denominator)
        """Orders prices, the highest first; alike are those that agree to 30 places."""

    def amount(self, atoms: Position) -> int:
        """Minor units of some atoms, rounded half up (`contracts.money.cost`, with the common case written out)."""
        if type(atoms) is int and atoms >= 0:
            return (atoms * self._twice + self.denominator) // self._whole
        return cost(atoms, self.numerator, self.denominator)

    def quantity(self, atoms: Position) -> Decimal:
        """Atoms as printed units."""
        return quotient(atoms.numerator, atoms.denominator * self.per)

    def atoms(self, amount: int) -> Fraction:
        """What an amount buys; the price is not zero."""
        return Fraction(amount * self.denominator, self.numerator)


Piece = tuple[Position, Unit]
"""Atoms of one price; negative where the running quantity fell."""


class Flat(NamedTuple):
    """A flat of a tier, or of the period (`tier` none): an amount in minor units."""

    amount: int
    price: Fraction
    tier: int | None


class PriceModel(Protocol):
    """A compiled price."""

    linear: bool
    """A unit costs the same wherever the running quantity stands, and there are no flats."""
    counted: int
    """Atoms of what a tiered override counts as one unit: a quantity of one, or a package."""
    by_total: bool
    """What a unit costs depends on the quantity that the period reaches."""

    def align(self, position: Position) -> Position:
        """The position up to which units are billed when usage has reached `position`: packages count whole."""

    def pieces(self, start: Position, end: Position, total: Position) -> list[Piece]:
        """The atoms between two aligned positions, in order; backwards and negative when `end` is smaller. `total` is what the period reaches."""

    def flats(self, start: Position, end: Position, total: Position, first: bool, used: bool) -> list[Flat]:
        """Flats due as the highest position goes from `start` to `end`. `first`: the period's first part; `used`: its first part with usage."""

    def first_unit(self) -> Unit | None:
        """The price of the first unit: what a line without usage shows; none: there is no price for a unit."""

    def describe(self) -> dict[str, object]:
        """The price as a document shows it, with the factor in it, numbers as text."""


def unit_of(price: Fraction, places: int, per: int, tier: int | None = None) -> Unit:
    """The compiled price of one printed unit of `per` atoms."""
    ratio = price * 10**places / per
    return Unit(ratio.numerator, ratio.denominator, per, price, tier)


def flat_of(price: Fraction, places: int, tier: int | None) -> Flat:
    return Flat(cost(1, (price * 10**places).numerator, (price * 10**places).denominator), price, tier)
