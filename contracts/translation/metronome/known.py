"""What the terms of a contract are read with, and the API's words for what our documents say.

Each reader gives the term of the document and what the document has no place for (`extras`: product of a commit, custom fields, ids of schedule
items); the two together give the request back. What would change an amount and is not understood is refused, never dropped.
"""

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from contracts.catalogue import Catalogue
from contracts.contract import Every
from contracts.translation.fields import Fields, invalid
from contracts.translation.metronome.coins import Coins

EVERY: Final[dict[str, Every]] = {"WEEKLY": "week", "MONTHLY": "month", "QUARTERLY": "quarter", "ANNUAL": "year"}
PERIODS: Final[dict[str, Literal["weekly", "monthly", "quarterly", "annual"]]] = {
    "WEEKLY": "weekly", "MONTHLY": "monthly", "QUARTERLY": "quarterly", "ANNUAL": "annual",
}  # fmt: skip
PRORATION: Final[dict[str, Literal["none", "first", "last", "first_and_last"]]] = {
    "NONE": "none", "FIRST": "first", "LAST": "last", "FIRST_AND_LAST": "first_and_last",
}  # fmt: skip
RATE: Final[dict[str, Literal["list", "commit"]]] = {"LIST_RATE": "list", "COMMIT_RATE": "commit"}
SPLIT: Final[dict[str, Literal["each", "divided", "divided_rounded"]]] = {"EACH": "each", "DIVIDED": "divided", "DIVIDED_ROUNDED": "divided_rounded"}
MONTHS: Final = {"MONTHLY": 1, "QUARTERLY": 3, "SEMI_ANNUAL": 6, "ANNUAL": 12}
PLAIN: Final = ("description", "netsuite_sales_order_id", "salesforce_opportunity_id", "custom_fields")

Extras = dict[str, Any]
Product = Callable[[str, str], str]
"""The API's product id and the field that names it, to the id inside the catalogue."""


class Known(NamedTuple):
    """What a term is read with."""

    catalogue: Catalogue
    coins: Coins
    product: Product
    temporary: dict[str, str]
    """Temporary ids of the request to those that were made."""
    fresh: Callable[[], str]
    """A new id."""


def begin(fields: Fields, known: Known, name: str | None = None) -> str:
    """The id that is given, or a new one; a temporary one of the request means it from now on."""
    name, temporary = name or known.fresh(), fields.text_or_none("temporary_id")
    if temporary is not None:
        if temporary in known.temporary:
            raise invalid(fields.at("temporary_id"), f"{temporary!r} is given twice")
        known.temporary[temporary] = name
    return name
