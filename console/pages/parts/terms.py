"""The forms of the edit screen: fields of each common kind of term, and the way from fields to the document and back.

A form knows one shape of its term. A term that has more (several segments, tiers, filters) is edited in the YAML beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

Values = Mapping[str, Any]
"""Text of each field; a list for `products`."""


class Field(NamedTuple):
    name: str
    label: str
    kind: Literal["text", "amount", "day", "choice", "products"] = "text"
    options: Sequence[str] = ()
    hint: str = ""
    start: str = ""
    """What a new term begins with."""


class Kind(NamedTuple):
    """A kind of term: the list of the contract it goes into, and its form."""

    name: str
    list: str
    fields: Sequence[Field]
    make: Callable[[Values], dict[str, Any]]
    read: Callable[[Mapping[str, Any]], dict[str, Any] | None]
    """The fields of a term; None when the form cannot show all of it."""


_ID = Field("id", "Id", hint="unique in the contract")
_FROM = Field("starting_at", "From", "day", hint="a date, or 2025-10-15T12:00:00Z")
_UNTIL = Field("ending_before", "Until, exclusive", "day")
_PRODUCTS = Field("products", "Products", "products", hint="none: all of them")
_AMOUNT = Field("amount", "Amount", "amount")


def _flat(*names: str) -> tuple[Callable[[Values], dict[str, Any]], Callable[[Mapping[str, Any]], dict[str, Any] | None]]:
    """Fields that stand in the term as they are."""

    def read(term: Mapping[str, Any]) -> dict[str, Any] | None:
        return {name: _shown(term.get(name)) for name in names} if set(term) <= set(names) else None

    return lambda values: {name: values[name] for name in names if values.get(name)}, read


def _rate(values: Values) -> dict[str, Any]:
    found = {name: values[name] for name in ("id", "products", "starting_at", "ending_before") if values.get(name)}
    return found | ({"price": {"per_unit": values["per_unit"]}} if values.get("per_unit") else {})


def _read_rate(term: Mapping[str, Any]) -> dict[str, Any] | None:
    price = term.get("price")
    if not isinstance(price, dict) or set(price) != {"per_unit"} or not set(term) <= {"id", "products", "starting_at", "ending_before", "price"}:
        return None
    return {name: _shown(term.get(name)) for name in ("id", "products", "starting_at", "ending_before")} | {"per_unit": price["per_unit"]}


def _segment(values: Values) -> list[dict[str, Any]]:
    return [{name: values[name] for name in ("amount", "starting_at", "ending_before") if values.get(name)}]


def _commit(kind: str) -> Callable[[Values], dict[str, Any]]:
    def make(values: Values) -> dict[str, Any]:
        found: dict[str, Any] = {"id": values.get("id", ""), "type": kind, "access": _segment(values)}
        if values.get("invoice_at"):
            found["invoice"] = [{"amount": values.get("invoice_amount") or values.get("amount", ""), "at": values["invoice_at"]}]
        return found | ({"products": values["products"]} if values.get("products") else {})

    return make


def _read_commit(kind: str) -> Callable[[Mapping[str, Any]], dict[str, Any] | None]:
    def read(term: Mapping[str, Any]) -> dict[str, Any] | None:
        invoice = term.get("invoice", [])
        if term.get("type") != kind or not set(term) <= {"id", "type", "access", "invoice", "products"} or len(term.get("access", [])) != 1 or len(invoice) > 1:
            return None
        found = {"id": term["id"], "products": _shown(term.get("products"))} | _read_segment(term["access"][0])
        for item in invoice:
            found |= {"invoice_at": item["at"], "invoice_amount": item["amount"] if item["amount"] != found["amount"] else ""}
        return found

    return read


def _credit(values: Values) -> dict[str, Any]:
    return {"id": values.get("id", ""), "access": _segment(values)} | ({"products": values["products"]} if values.get("products") else {})


def _read_credit(term: Mapping[str, Any]) -> dict[str, Any] | None:
    if not set(term) <= {"id", "access", "products"} or len(term.get("access", [])) != 1:
        return None
    return {"id": term["id"], "products": _shown(term.get("products"))} | _read_segment(term["access"][0])


def _read_segment(segment: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _shown(segment.get(name)) for name in ("amount", "starting_at", "ending_before")}


def _shown(value: Any) -> Any:
    if value is None:
        return ""
    return list(value) if isinstance(value, list) else str(value)


_INVOICED = (Field("invoice_at", "Invoiced on", "day"), Field("invoice_amount", "Invoiced amount", "amount", hint="left out: the same"))
_SUBSCRIPTION = ("id", "product", "quantity", "price", "every", "starting_at", "ending_before", "collect")
_EVERY = ("week", "month", "quarter", "year")

KINDS: Final[Sequence[Kind]] = (
    Kind(
        "Discounted price", "overrides",
        (_ID, Field("multiplier", "Multiplier", "amount", hint="0.5 is half the list price"), _FROM, _UNTIL, _PRODUCTS),
        *_flat("id", "starting_at", "ending_before", "products", "multiplier"),
    ),
    Kind("Fixed price", "overrides", (_ID, Field("per_unit", "Price of a unit", "amount"), _FROM, _UNTIL, _PRODUCTS), _rate, _read_rate),
    Kind("Postpaid commit", "commits", (_ID, _AMOUNT, _FROM, _UNTIL, Field("invoice_at", "True-up on", "day"), _PRODUCTS), _commit("postpaid"), _read_commit("postpaid")),
    Kind("Prepaid commit", "commits", (_ID, _AMOUNT, _FROM, _UNTIL, *_INVOICED, _PRODUCTS), _commit("prepaid"), _read_commit("prepaid")),
    Kind("Credit", "credits", (_ID, _AMOUNT, _FROM, _UNTIL, _PRODUCTS), _credit, _read_credit),
    Kind(
        "Invoice discount", "discounts",
        (_ID, Field("percent", "Percent", "amount", hint="or an amount"), _AMOUNT, _FROM, _UNTIL, _PRODUCTS),
        *_flat("id", "percent", "amount", "starting_at", "ending_before", "products"),
    ),
    Kind(
        "Subscription", "subscriptions",
        (
            _ID, Field("product", "Product"), Field("quantity", "Quantity", "amount", start="1"), Field("price", "Price", "amount"),
            Field("every", "Every", "choice", _EVERY, start="month"), _FROM, _UNTIL, Field("collect", "Collected in", "choice", ("advance", "arrears"), start="advance"),
        ),
        *_flat(*_SUBSCRIPTION),
    ),
    Kind("Charge", "charges", (_ID, Field("product", "Product"), _AMOUNT, Field("at", "On", "day")), *_flat("id", "product", "amount", "at")),
    Kind(
        "Threshold", "thresholds",
        (
            _ID, Field("measure", "Measure", "choice", ("spend", "balance", "balance_percent", "usage", "invoice_total"), start="spend"),
            Field("at", "At", "amount"), Field("repeat", "Then every", "amount"), Field("metric", "Metric", hint="of usage only"),
        ),
        *_flat("id", "measure", "at", "repeat", "metric"),
    ),
)  # fmt: skip


def kind_of(list_name: str, term: Mapping[str, Any]) -> tuple[Kind, dict[str, Any]] | None:
    """The form that can show a term, and its fields; none: the YAML has more than any form."""
    for kind in KINDS:
        if kind.list == list_name and (values := kind.read(term)) is not None:
            return kind, values
    return None


def fresh_id(kind: Kind, contract: Mapping[str, Any]) -> str:
    """An id that the contract does not have yet."""
    taken = {item.get("id") for items in contract.values() if isinstance(items, list) for item in items if isinstance(item, dict)}
    base = kind.name.casefold().replace(" ", "-")
    return next(name for name in (base, *(f"{base}-{number}" for number in range(2, 10_000))) if name not in taken)


def put(contract: Mapping[str, Any], list_name: str, former: str | None, term: Mapping[str, Any] | None) -> dict[str, Any]:
    """The contract with the term in place of the one with the id `former`, or behind the others; None takes it out."""
    items = list(contract.get(list_name) or [])
    place = next((at for at, item in enumerate(items) if former is not None and item.get("id") == former), None)
    if place is None:
        items += [] if term is None else [dict(term)]
    else:
        items[place : place + 1] = [] if term is None else [dict(term)]
    return {**{key: value for key, value in contract.items() if key != list_name}, **({list_name: items} if items else {})}
