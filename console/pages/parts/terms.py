"""The forms of the edit screen: the fields of each kind of term, and where a term stands in its contract.

A form shows what its fields can say; a term with more is edited in the YAML beside it. Terms without an id (minimum and maximum) are told apart
by their place.
"""

from collections.abc import Mapping, Sequence
from itertools import chain, count
from typing import Any, Final

from console.pages.parts.term_shapes import Field, Kind

BOUNDS: Final = ("minimum", "maximum")

_ID = Field("id", "Id", hint="unique in the contract")
_FROM = Field("starting_at", "From", "day", hint="a date, or 2025-10-15T12:00:00Z")
_UNTIL = Field("ending_before", "Until, exclusive", "day")
_PRODUCTS = Field("products", "Products", "products", hint="none: all of them")
_AMOUNT = Field("amount", "Amount", "amount")
_NAME = Field("name", "Name")
_TAGS = Field("tags", "Tags of products", "words", hint="several: with commas")
_WHERE = Field("where", "Only usage where", "where")
_PRIORITY = Field("priority", "Priority", "whole", hint="the smallest goes first; left out: 100")
_PRORATION = ("none", "first", "last", "first_and_last")
_EVERY = ("week", "month", "quarter", "year")
_MODELS = ("per_unit", "package", "graduated", "volume", "flat", "percentage")

_OVERRIDE = (
    _TAGS, _WHERE, Field("commits", "Only while drawing", "words", hint="ids of commits and credits, with commas"),
    Field("target", "Changes the price of", "choice", ("list", "commit")), _PRIORITY,
)  # fmt: skip
_GRANT = (
    _NAME, _TAGS, _WHERE, _PRIORITY, Field("rate", "Drawn at the rate", "choice", ("list", "commit")),
    Field("rollover", "Rolls over", "amount", hint="a share: 0.5 is half"), Field("shared", "Shared with", "words", hint="all, or ids of contracts"),
)  # fmt: skip
_PRICE = (
    Field("model", "Price", "choice", _MODELS, start="per_unit"),
    Field("per_unit", "Price of a unit", "amount", path=("price", "per_unit"), models=("per_unit",)),
    Field("size", "Units in a package", "amount", path=("price", "package", "size"), models=("package",)),
    Field("package", "Price of a package", "amount", path=("price", "package", "price"), models=("package",)),
    *(
        Field(
            model, "Tiers", "rows", path=("price", model), models=(model,),
            columns=(Field("up_to", "Up to", "amount", hint="last tier: empty"), Field("per_unit", "Each", "amount"), Field("flat", "Once", "amount")),
        )
        for model in ("graduated", "volume")
    ),
    Field("flat", "Price of a period with usage", "amount", path=("price", "flat"), models=("flat",)),
    Field("share", "Share of the spend", "amount", path=("price", "percentage", "rate"), models=("percentage",), hint="0.1 is ten percent"),
    Field("least", "At least", "amount", path=("price", "percentage", "minimum"), models=("percentage",)),
    Field("free", "Free units", "amount", path=("price", "free"), models=("per_unit", "package", "graduated", "volume", "flat")),
)  # fmt: skip
_SEGMENT = (
    _AMOUNT._replace(path=("access", 0, "amount")), _FROM._replace(path=("access", 0, "starting_at")), _UNTIL._replace(path=("access", 0, "ending_before")),
)  # fmt: skip
_INVOICED_AT = Field("invoice_at", "Invoiced on", "day", path=("invoice", 0, "at"))
_INVOICED_AMOUNT = Field("invoice_amount", "Invoiced amount", "amount", hint="left out: the same", path=("invoice", 0, "amount"))
_SAME = ("invoice_amount", "amount", "invoice_at")
_ACCESS = Field("access", "Available", "rows", columns=(_AMOUNT, _FROM, _UNTIL))
_INSTALMENTS = Field("invoice", "Invoiced", "rows", columns=(_AMOUNT, Field("at", "On", "day")))
_RECURRING = (
    _ID, _AMOUNT, Field("every", "Every", "choice", _EVERY, start="month"), _FROM, _UNTIL, Field("valid_periods", "Valid for periods", "whole", hint="left out: 1"),
    Field("proration", "Prorate", "choice", _PRORATION), _PRODUCTS,
)  # fmt: skip

KINDS: Final[Sequence[Kind]] = (
    Kind(
        "Discounted price", "overrides",
        (_ID, Field("multiplier", "Multiplier", "amount", hint="0.5 is half the list price"), _FROM, _UNTIL, _PRODUCTS),
        (
            Field(
                "tiers", "In tiers", "rows",
                columns=(Field("size", "For units", "amount", hint="last tier: empty"), Field("multiplier", "Of the list price", "amount")),
            ),
            *_OVERRIDE,
        ),
    ),
    Kind("Fixed price", "overrides", (_ID, *_PRICE, _FROM, _UNTIL, _PRODUCTS), _OVERRIDE),
    Kind("Entitlement", "overrides", (_ID, Field("entitled", "Entitled", "flag", start="no"), _FROM, _UNTIL, _PRODUCTS), (_TAGS, _WHERE, _PRIORITY)),
    Kind(
        "Postpaid commit", "commits", (_ID, *_SEGMENT, _INVOICED_AT._replace(label="True-up on"), _PRODUCTS),
        (_INVOICED_AMOUNT._replace(label="Committed amount"), *_GRANT), {"type": "postpaid"}, _SAME,
    ),
    Kind("Prepaid commit", "commits", (_ID, *_SEGMENT, _INVOICED_AT, _INVOICED_AMOUNT, _PRODUCTS), _GRANT, {"type": "prepaid"}, _SAME),
    Kind("Credit", "credits", (_ID, *_SEGMENT, _PRODUCTS), _GRANT),
    Kind("Invoice discount", "discounts", (_ID, Field("percent", "Percent", "amount", hint="or an amount"), _AMOUNT, _FROM, _UNTIL, _PRODUCTS), (_TAGS,)),
    Kind(
        "Subscription", "subscriptions",
        (
            _ID, Field("product", "Product"), Field("quantity", "Quantity", "amount", start="1"), Field("price", "Price", "amount"),
            Field("every", "Every", "choice", _EVERY, start="month"), _FROM, _UNTIL, Field("collect", "Collected in", "choice", ("advance", "arrears"), start="advance"),
            Field("changes", "Changes", "rows", columns=(Field("at", "On", "day"), Field("quantity", "Quantity", "amount"), Field("price", "Price", "amount"))),
        ),
        (Field("prorate", "Parts of a period by the day", "flag", hint="left out: yes"),),
    ),
    Kind(
        "Commit on a schedule", "commits",
        (_ID, Field("type", "Type", "choice", ("prepaid", "postpaid"), start="prepaid"), _PRODUCTS, _ACCESS, _INSTALMENTS), _GRANT,
    ),
    Kind("Credit on a schedule", "credits", (_ID, _PRODUCTS, _ACCESS), _GRANT),
    Kind("Recurring credit", "recurring_credits", _RECURRING, _GRANT),
    Kind(
        "Recurring commit", "recurring_commits",
        (*_RECURRING, Field("invoice_amount", "Invoiced amount", "amount", hint="left out: nothing is invoiced")), _GRANT,
    ),
    Kind("Charge", "charges", (_ID, Field("product", "Product"), _AMOUNT, Field("at", "On", "day")), (Field("quantity", "Quantity", "amount"),)),
    Kind(
        "Scheduled charge", "charges",
        (
            _ID, Field("product", "Product"), _AMOUNT, Field("every", "Every", "choice", _EVERY, start="month"), Field("from", "First on", "day"), Field("until", "Until, exclusive", "day"),
            Field("split", "Amount is", "choice", ("each", "divided", "divided_rounded")), Field("quantity", "Quantity", "amount"),
        ),
    ),
    Kind("Minimum", "minimum", (_AMOUNT, _PRODUCTS), (_TAGS,)),
    Kind("Maximum", "maximum", (_AMOUNT, _PRODUCTS), (_TAGS,)),
    Kind(
        "Threshold", "thresholds",
        (
            _ID, Field("measure", "Measure", "choice", ("spend", "balance", "balance_percent", "usage", "invoice_total"), start="spend"),
            Field("at", "At", "amount"), Field("repeat", "Then every", "amount"), Field("metric", "Metric", hint="of usage only"),
        ),
        (Field("commits", "Balance of", "words", hint="ids of commits and credits; none: all"),),
    ),
)  # fmt: skip


def kind_of(list_name: str, term: Mapping[str, Any]) -> tuple[Kind, dict[str, Any]] | None:
    """The form that can show a term, and its fields; none: the YAML has more than any form."""
    for kind in KINDS:
        if kind.list == list_name and (values := kind.read(term)) is not None:
            return kind, values
    return None


def fresh_id(kind: Kind, contract: Mapping[str, Any]) -> str | None:
    """An id that the contract does not have yet; none: the kind has no ids."""
    if kind.list in BOUNDS:
        return None
    taken = {item.get("id") for items in contract.values() if isinstance(items, list) for item in items if isinstance(item, dict)}
    base = kind.name.casefold().replace(" ", "-")
    return next(name for name in chain([base], (f"{base}-{number}" for number in count(2))) if name not in taken)


def listed(contract: Mapping[str, Any], list_name: str) -> list[tuple[str, dict[str, Any]]]:
    """The terms of a list with what tells each apart: its id, or its place among the bounds."""
    items = contract.get(list_name) or []
    if isinstance(items, dict):
        items = [items]
    terms = [item for item in items if isinstance(item, dict)]
    return [(str(place) if list_name in BOUNDS else str(item["id"]), item) for place, item in enumerate(terms) if list_name in BOUNDS or "id" in item]


def title(list_name: str, term: Mapping[str, Any]) -> str:
    """What a term is called on its button."""
    kind = list_name.removesuffix("s").replace("_", " ")
    return f"{kind} {term.get('amount', '')}".strip() if list_name in BOUNDS else f"{kind} {term['id']}"


def put(contract: Mapping[str, Any], list_name: str, former: str | None, term: Mapping[str, Any] | None) -> tuple[dict[str, Any], str | None]:
    """The contract with the term in place of the one that `former` tells, or behind the others (None takes it out), and what tells it now."""
    given = contract.get(list_name) or []
    items = [given] if isinstance(given, dict) else list(given)
    place = next((at for at, item in enumerate(items) if former is not None and former == (str(at) if list_name in BOUNDS else item.get("id"))), None)
    if place is None:
        place = len(items)
    items[place : place + 1] = [] if term is None else [dict(term)]
    rest = {key: value for key, value in contract.items() if key != list_name}
    kept = items[0] if list_name in BOUNDS and len(items) == 1 else items
    now = None if term is None else str(place) if list_name in BOUNDS else term.get("id")
    return {**rest, **({list_name: kept} if items else {})}, now
