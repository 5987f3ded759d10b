"""Exact numbers: amounts in minor units, decimals that never round silently, the one rounding of a line.

Amounts are `int`s in the currency's minor units. A quantity is a number of *atoms* (see `contracts.scales`): an `int`, or a `Fraction` where a
grant ends inside a unit. A cost is `atoms × numerator ÷ denominator`, so nothing is rounded before the line is.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from decimal import ROUND_HALF_UP, Clamped, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow, localcontext
from fractions import Fraction

__all__ = ["EXACT", "cost", "exact", "exponent", "half_up", "largest_remainder", "minor", "money", "plain", "quotient"]

EXACT = Context(prec=20_000, rounding=ROUND_HALF_UP, Emin=-100_000, Emax=100_000, traps=[Clamped, DivisionByZero, Inexact, InvalidOperation, Overflow])
"""Arithmetic that raises instead of rounding."""

SHOWN_PLACES = 12
"""Places of a printed quantity that does not end."""

_MINOR_UNITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


def exact() -> AbstractContextManager[Context]:
    """A block whose decimals raise instead of rounding: `with exact():`."""
    return localcontext(EXACT)


def exponent(currency: str) -> int:
    """Decimal places of the currency's minor unit (ISO 4217)."""
    return _MINOR_UNITS.get(currency, 2)


def half_up(numerator: int, denominator: int) -> int:
    """The quotient rounded to a whole number, ties away from zero; the denominator is positive."""
    if numerator >= 0:
        return (2 * numerator + denominator) // (2 * denominator)
    return -((denominator - 2 * numerator) // (2 * denominator))


def cost(atoms: int | Fraction, numerator: int, denominator: int) -> int:
    """Minor units of `atoms × numerator ÷ denominator`: the one rounding of a line, half up."""
    if type(atoms) is int:
        return half_up(atoms * numerator, denominator)
    return half_up(atoms.numerator * numerator, atoms.denominator * denominator)


def minor(value: Decimal | Fraction, places: int) -> int:
    """An amount in minor units, rounded half up."""
    scaled = Fraction(value) * 10**places
    return half_up(scaled.numerator, scaled.denominator)


def money(amount: int, places: int) -> Decimal:
    """Minor units as a decimal with the currency's places."""
    return Decimal(amount).scaleb(-places, EXACT)


def quotient(numerator: int, denominator: int) -> Decimal:
    """The quotient as it is printed: exact when it ends within 30 places, else to 12 places, half up."""
    whole, rest = divmod(numerator, denominator)
    if not rest:
        return Decimal(whole)
    scaled, rest = divmod(numerator * 10**30, denominator)
    if rest:
        return Decimal(half_up(numerator * 10**SHOWN_PLACES, denominator)).scaleb(-SHOWN_PLACES, EXACT).normalize(EXACT)
    return Decimal(scaled).scaleb(-30, EXACT).normalize(EXACT)


def plain(value: Decimal) -> str:
    """Plain decimal text without trailing zeros or exponent."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """`total` cut into whole parts in proportion to the weights; of equal remainders the first takes the odd unit."""
    whole = sum(weights)
    if whole <= 0:
        return [0] * len(weights)
    parts = [total * weight // whole for weight in weights]
    rests = [total * weight % whole for weight in weights]
    missing = total - sum(parts)
    for index in sorted(range(len(weights)), key=lambda i: (-rests[i], i))[:missing]:
        parts[index] += 1
    return parts
