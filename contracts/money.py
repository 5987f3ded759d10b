"""Exact numbers: decimals that never round silently, amounts in minor units, the one rounding of a line.

A *number* is a `Decimal`, or a `Fraction` where a division does not end. Amounts are `int`s in the currency's minor units.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Clamped, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from decimal import getcontext, localcontext, setcontext
from fractions import Fraction

__all__ = [
    "EXACT", "Number", "divide", "exact", "exponent", "fraction", "largest_remainder", "minor", "money", "plain", "prorate", "rounded", "same_kind", "shown",
]

Number = Decimal | Fraction

EXACT = Context(prec=20_000, rounding=ROUND_HALF_UP, Emin=-100_000, Emax=100_000, traps=[Clamped, DivisionByZero, Inexact, InvalidOperation, Overflow])
"""Arithmetic that raises instead of rounding."""

_ROUNDING = Context(prec=20_000, rounding=ROUND_HALF_UP, Emin=-100_000, Emax=100_000, traps=[DivisionByZero, InvalidOperation, Overflow])
_MODES = {"up": ROUND_CEILING, "down": ROUND_FLOOR, "half_up": ROUND_HALF_UP}
_TWELVE = Decimal("0.000000000001")
_ONE = Decimal(1)

_MINOR_UNITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
_QUANTA = tuple(Decimal(1).scaleb(-places) for places in range(13))


def exact() -> AbstractContextManager[Context]:
    """A block whose decimals raise instead of rounding: `with exact():`."""
    return localcontext(EXACT)


def exponent(currency: str) -> int:
    """Decimal places of the currency's minor unit (ISO 4217)."""
    return _MINOR_UNITS.get(currency, 2)


def fraction(value: Number) -> Fraction:
    return value if type(value) is Fraction else Fraction(value)


def divide(value: Number, by: Number) -> Number:
    """The exact quotient: a decimal when it ends."""
    ratio = fraction(value) / fraction(by)
    return decimal_or_fraction(ratio)


def decimal_or_fraction(ratio: Fraction) -> Number:
    """The decimal of a ratio that ends, else the ratio itself."""
    rest = ratio.denominator
    if rest == 1:
        return Decimal(ratio.numerator)
    twos = fives = 0
    while rest % 2 == 0:
        rest //= 2
        twos += 1
    while rest % 5 == 0:
        rest //= 5
        fives += 1
    if rest != 1:
        return ratio
    places = max(twos, fives)
    return Decimal(ratio.numerator * 10**places // ratio.denominator).scaleb(-places, _ROUNDING)


def same_kind(a: Number, b: Number) -> tuple[Number, Number]:
    """Both as they are, or both as fractions when one is."""
    if type(a) is type(b):
        return a, b
    return fraction(a), fraction(b)


def minor(value: Number, places: int) -> int:
    """An amount in minor units, rounded half up (ties away from zero): the one rounding of a line."""
    if type(value) is Decimal:
        return int(value.scaleb(places, _ROUNDING).to_integral_value(ROUND_HALF_UP))
    scaled = value * 10**places
    whole = (2 * abs(scaled.numerator) + scaled.denominator) // (2 * scaled.denominator)
    return whole if scaled >= 0 else -whole


def money(amount: int, places: int) -> Decimal:
    """Minor units as a decimal with the currency's places."""
    return Decimal(amount).scaleb(-places, _ROUNDING)


def rounded(value: Number, mode: str, places: int) -> Decimal:
    """A quantity cut to `places` decimals: `up` and `down` along the number line, `half_up` with ties away from zero."""
    if type(value) is Decimal:
        return value.quantize(_quantum(places), _MODES[mode], _ROUNDING)
    scaled = value * 10**places
    numerator, denominator = scaled.numerator, scaled.denominator
    if mode == "up":
        whole = -(-numerator // denominator)
    elif mode == "down":
        whole = numerator // denominator
    else:
        whole = (2 * abs(numerator) + denominator) // (2 * denominator)
        whole = whole if numerator >= 0 else -whole
    return Decimal(whole).scaleb(-places, _ROUNDING)


def _quantum(places: int) -> Decimal:
    return _QUANTA[places] if 0 <= places < len(_QUANTA) else Decimal(1).scaleb(-places)


def shown(value: Number) -> Decimal:
    """A quantity as it is printed: exact, or to 12 places when it does not end."""
    return value if type(value) is Decimal else rounded(value, "half_up", 12)


def plain(value: Decimal) -> str:
    """Plain decimal text without trailing zeros or exponent."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def prorate(amount: Number, part: Number | int, whole: Number | int, places: int) -> int:
    """`amount × part ÷ whole` in minor units, rounded half up once."""
    return minor(fraction(amount) * Fraction(part) / Fraction(whole), places)


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
