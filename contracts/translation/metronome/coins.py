"""Money and pricing units as Metronome's API writes them: US dollars in cents, every other currency and unit as it is. Nowhere else are cents used."""

from decimal import Decimal
from typing import Any, Final

from contracts.catalogue import Catalogue
from contracts.money import exact
from contracts.translation.fields import Fields, invalid

USD: Final = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
"""Metronome's id of `USD (cents)`."""
HUNDRED: Final = Decimal(100)


class Coins:
    """The currency of a catalogue."""

    def __init__(self, currency: str) -> None:
        self.currency = currency
        self.scale = HUNDRED if currency == "USD" else Decimal(1)

    @classmethod
    def of(cls, catalogue: Catalogue) -> "Coins":
        return cls(catalogue.currency)

    def into(self, number: Decimal) -> Decimal:
        """An amount or price of a request, as documents have it."""
        with exact():
            return number / self.scale

    def out(self, amount: Decimal) -> Decimal:
        """An amount or price of a document, as the API writes it."""
        with exact():
            return tidy(amount * self.scale)

    @property
    def credit_type(self) -> dict[str, str]:
        return {"id": USD, "name": "USD (cents)"} if self.currency == "USD" else {"id": self.currency, "name": self.currency}

    def check(self, fields: Fields, name: str = "credit_type_id") -> None:
        """The field names our currency, or nothing. Raises RefusedError."""
        given = fields.text_or_none(name)
        if given not in (None, self.credit_type["id"]):
            raise invalid(
                fields.at(name), f"must be {self.credit_type['id']} ({self.credit_type['name']}): commits and credits of custom pricing units are not served"
            )


def tidy(number: Decimal) -> Decimal:
    """Without trailing zeros, and no exponent."""
    with exact():
        return number.to_integral_value() if number == number.to_integral_value() else number.normalize()


def unit_of(catalogue: Catalogue, given: str | None, field: str) -> str | None:
    """The custom pricing unit that a credit type id means; none: the currency. Raises RefusedError."""
    if given is None or given == Coins.of(catalogue).credit_type["id"]:
        return None
    if given not in catalogue.pricing_units:
        raise invalid(
            field,
            f"{given!r} is no pricing unit with a conversion on a rate card of this catalogue; known: {', '.join(sorted(catalogue.pricing_units)) or 'none'}",
        )
    return given


def credit_type_of(catalogue: Catalogue, unit: str | None) -> dict[str, Any]:
    if unit is None:
        return Coins.of(catalogue).credit_type
    return {"id": unit, "name": catalogue.pricing_units[unit].name or unit}
