"""Numbers on the pages are written as the browser's language has them; what is made once for all who look has marks."""

from decimal import Decimal

import pytest
from babel.core import Locale
from babel.numbers import get_decimal_symbol, get_group_symbol

from console.pages.parts.locales import BY_LANGUAGE, ENGLISH, Separators, separators
from console.pages.parts.text import many, money, number


@pytest.mark.parametrize("language", BY_LANGUAGE)
def test_separators_are_those_of_cldr(language: str) -> None:
    locale = Locale.parse(language, sep="-")

    assert BY_LANGUAGE[language] == Separators(get_group_symbol(locale), get_decimal_symbol(locale))


@pytest.mark.parametrize(
    ("accepted", "group"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "."),
        ("en;q=0.5, fr;q=0.9", "\u202f"),
        ("de-CH", "’"),
        ("es-MX,es;q=0.9", ","),
        ("xx, *;q=0.1", ","),
        ("de;q=most, en", ","),
        ("", ","),
    ],
)
def test_the_language_that_is_liked_best_counts(accepted: str, group: str) -> None:
    assert separators(accepted).group == group


def test_amounts_quantities_and_counts_have_them() -> None:
    shown = f"{money(Decimal(-51000), 'USD')} {number(Decimal('1400000.250'))} {many(12345)} 2026-11-26"

    assert ENGLISH.put(shown) == "−51,000.00 1,400,000.25 12,345 2026-11-26"
    assert BY_LANGUAGE["de"].put(shown) == "−51.000,00 1.400.000,25 12.345 2026-11-26"
