"""Amounts as Stripe writes them: in the smallest unit of the currency, whole or as decimal text of up to twelve places. Nowhere else are they."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from contracts.checks.catalogue import CURRENCIES
from contracts.money import exact
from contracts.translation.fields import invalid

WHOLE: Final = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())
"""Currencies without a smaller unit there."""
THOUSANDTHS: Final = frozenset("BHD JOD KWD OMR TND".split())
TWO_WAYS: Final = frozenset(("UGX",))
"""Written with or without two places, as the account and version of the API have it."""

MOST_PLACES: Final = 18
LAST_S: Final = 250_000_000_000
"""The year 9892."""


def currency_in(text: Any, field: str) -> str:
    """ISO code of a currency. Raises RefusedError."""
    code = str(text).upper()
    if code not in CURRENCIES:
        raise invalid(field, f"{text!r} is no currency of ISO 4217")
    if code in TWO_WAYS:
        raise invalid(field, f"{code} is written in two ways, whole and in hundredths, and an export does not say in which; write its documents by hand")
    return code


def number_in(value: Any, field: str) -> Decimal:
    """A number, whole or decimal text. Raises RefusedError."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise invalid(field, f"must be a whole number or decimal text, not {value!r}")
    try:
        number = Decimal(value)
    except ArithmeticError:
        raise invalid(field, f"{value!r} is no decimal number") from None
    if not number.is_finite() or not number.as_tuple().exponent >= -MOST_PLACES or number.adjusted() > MOST_PLACES:  # type: ignore[operator]  # finite
        raise invalid(field, f"{value!r} is no decimal number of up to {MOST_PLACES} digits before and behind the point")
    return number


def instant_in(seconds: Any, field: str) -> int:
    """Milliseconds of a time that Stripe writes in seconds. Raises RefusedError."""
    number = number_in(seconds, field)
    if number != number.to_integral_value() or not 0 <= number < LAST_S:
        raise invalid(field, f"{seconds!r} is no time in seconds since 1970")
    return int(number) * 1000


def amount_in(value: Any, currency: str, field: str) -> Decimal:
    """The amount in the currency, exact. Raises RefusedError."""
    number = number_in(value, field)
    with exact():
        found = number.scaleb(-(0 if currency in WHOLE else 3 if currency in THOUSANDTHS else 2))
        return found.to_integral_value() if found == found.to_integral_value() else found.normalize()


def either(row: Mapping[str, Any], name: str, currency: str, path: str) -> Decimal | None:
    """`NAME_decimal`, which has all places, or `NAME`; none: both are null."""
    for key in (f"{name}_decimal", name):
        if row.get(key) is not None:
            return amount_in(row[key], currency, f"{path}.{key}".lstrip("."))
    return None
