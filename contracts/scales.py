"""Atoms: the whole numbers in which the quantities of one product are counted.

A raw value (a sum, a peak, value × milliseconds) has up to 18 decimals; a product may divide it by anything. Its scale chooses atoms so small
that raw values, tier bounds and package sizes are all whole: a quantity of q is `q × per` atoms. So the fold adds and compares `int`s.
"""

from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from typing import Literal, NamedTuple

from contracts.money import EXACT, half_up, quotient

__all__ = ["RAW", "Scale", "raw_atoms", "raw_value", "scale"]

RAW = 10**18
"""Atoms of a raw value of one."""
Rounding = Literal["up", "down", "half_up"]


def raw_atoms(value: Decimal) -> int:
    """A raw value in units of 10⁻¹⁸; digits behind that are cut, as the warehouse's Decimal(76, 18) does."""
    return int(value.scaleb(18, EXACT).to_integral_value(ROUND_DOWN))


def raw_value(atoms: int) -> Decimal:
    """The raw value of so many atoms, as it is written to a record."""
    return Decimal(atoms).scaleb(-18, EXACT)


class Scale(NamedTuple):
    per: int
    """Atoms of a quantity of one."""
    factor: int
    """Atoms of a raw atom."""
    rounding: Rounding | None
    step: int
    """Atoms of the last decimal that rounding leaves."""

    def billed(self, raw: int) -> int:
        """The running quantity of a running raw value: converted, then rounded. `up` and `down` go along the number line."""
        atoms = raw * self.factor
        if self.rounding is None:
            return atoms
        if self.rounding == "up":
            return -(-atoms // self.step) * self.step
        if self.rounding == "down":
            return atoms // self.step * self.step
        return half_up(atoms, self.step) * self.step

    def atoms(self, quantity: Decimal) -> int:
        """Atoms of a quantity of a document (up to 18 decimals)."""
        found = Fraction(quantity) * self.per
        return found.numerator // found.denominator

    def quantity(self, atoms: int | Fraction) -> Decimal:
        """The quantity as it is printed."""
        return quotient(atoms.numerator, atoms.denominator * self.per)


def scale(divide_by: Decimal | int, rounding: Rounding | None, decimals: int) -> Scale:
    """The scale of a product that divides its raw value."""
    divisor = Fraction(divide_by)
    per = RAW * divisor.numerator
    return Scale(per, divisor.denominator, rounding, per // 10**decimals)
