"""Minor units and the one rounding; largest remainder; decimals as text."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from tests.reference.quantity import rounded

EXPONENT = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "BHD": 3, "KWD": 3, "TND": 3, "OMR": 3, "JOD": 3}


def places(currency: str) -> int:
    return EXPONENT.get(currency, 2)


def round_money(amount: Fraction, decimals: int) -> Fraction:
    return rounded(amount, decimals, "half_up")


def shares(amount: Fraction, weights: Sequence[Fraction], decimals: int) -> list[Fraction]:
    """`amount` in parts in proportion to `weights`, by the largest remainder; of equal remainders the first."""
    total = sum(weights, Fraction(0))
    if total == 0:
        return [Fraction(0)] * len(weights)
    unit = Fraction(1, 10**decimals)
    exact = [amount * weight / total / unit for weight in weights]
    parts = [each.numerator // each.denominator for each in exact]
    left = int(amount / unit) - sum(parts)
    for number in sorted(range(len(weights)), key=lambda n: (-(exact[n] - parts[n]), n))[:left]:
        parts[number] += 1
    return [part * unit for part in parts]


def plain(value: Fraction, digits: int = 12) -> str:
    """A decimal without trailing zeros; one that does not end is cut to 12 places, half up."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest == 1:
        scale = 0
        while (value * 10**scale).denominator != 1:
            scale += 1
    else:
        value, scale = rounded(value, digits, "half_up"), digits
    text = format(Decimal(int(value * 10**scale)).scaleb(-scale), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def fixed(amount: Fraction, decimals: int) -> str:
    """An amount with the currency's minor units."""
    whole = amount * 10**decimals
    assert whole.denominator == 1, amount
    return format(Decimal(int(whole)).scaleb(-decimals), "f")
