"""The forms of the edit screen: fields of each common kind of term, and the way from fields to the document and back.

A form knows one shape of its term. A term that has more (tiers, filters, priorities) is edited in the YAML beside it. Terms without an id
(minimum and maximum) are told apart by their place.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

Values = Mapping[str, Any]
"""Text of each field; a list for `products`, and a list of such values for `rows`."""
BOUNDS: Final = ("minimum", "maximum")


class Field(NamedTuple):
    name: str
    label: str
    kind: Literal["text", "amount", "day", "choice", "products", "rows"] = "text"
    options: Sequence[str] = ()
    hint: str = ""
    start: str = ""
    """What a new term begins with."""
    columns: "Sequence[Field]" = ()
    """Of `rows`: the fields of each."""


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


def _flat(*names: str, whole: str = "", rows: str = "") -> tuple[Callable[[Values], dict[str, Any]], Callable[[Mapping[str, Any]], dict[str, Any] | None]]:
    """Fields that stand in the term as they are; `whole` is a whole number there, and `rows` a list of rows."""

    def make(values: Values) -> dict[str, Any]:
        found = {name: values[name] for name in names if values.get(name) and name != rows}
        if str(found.get(whole, "")).isdecimal():
            found[whole] = int(found[whole])
        return found | ({rows: given} if rows and (given := _given(values.get(rows))) else {})

    def read(term: Mapping[str, Any]) -> dict[str, Any] | None:
        if not set(term) <= set(names):
            return None
        return {name: _rows(term.get(name)) if name == rows else _shown(term.get(name)) for name in names}

    return make, read


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


def _scheduled(kind: str | None) -> Callable[[Values], dict[str, Any]]:
    """A commit (of the type that is filled in) or a credit with several segments and instalments."""

    def make(values: Values) -> dict[str, Any]:
        found: dict[str, Any] = {"id": values.get("id", "")} | ({"type": values.get("type") or kind} if kind else {}) | {"access": _given(values.get("access"))}
        found |= {"invoice": given} if (given := _given(values.get("invoice"))) else {}
        return found | ({"products": values["products"]} if values.get("products") else {})

    return make


def _read_scheduled(*names: str) -> Callable[[Mapping[str, Any]], dict[str, Any] | None]:
    def read(term: Mapping[str, Any]) -> dict[str, Any] | None:
        rows = [*term.get("access", []), *term.get("invoice", [])]
        if not set(term) <= set(names) or not all(set(row) <= {"amount", "starting_at", "ending_before", "at"} for row in rows):
            return None
        return {name: _rows(term.get(name)) if name in ("access", "invoice") else _shown(term.get(name)) for name in names}

    return read


def _given(rows: Any) -> list[dict[str, Any]]:
    """Rows in which something is filled in."""
    filled = ({key: value for key, value in row.items() if value} for row in rows or [])
    return [row for row in filled if row]


def _rows(rows: Any) -> list[dict[str, str]]:
    return [{key: _shown(value) for key, value in row.items()} for row in rows or []]


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
_SUBSCRIPTION = ("id", "product", "quantity", "price", "every", "starting_at", "ending_before", "collect", "changes")
_CHARGE = ("id", "product", "amount", "every", "from", "until", "split", "quantity")
_RECURRING = ("id", "amount", "every", "starting_at", "ending_before", "valid_periods", "proration", "products")
_ACCESS = Field("access", "Available", "rows", columns=(_AMOUNT, _FROM, _UNTIL))
_INSTALMENTS = Field("invoice", "Invoiced", "rows", columns=(_AMOUNT, Field("at", "On", "day")))
_PRORATION = ("none", "first", "last", "first_and_last")
_EVERY = ("week", "month", "quarter", "year")
_RECURRING_FIELDS = (
    _ID, _AMOUNT, Field("every", "Every", "choice", _EVERY, start="month"), _FROM, _UNTIL, Field("valid_periods", "Valid for periods", "amount", hint="left out: 1"),
    Field("proration", "Prorate", "choice", _PRORATION), _PRODUCTS,
)  # fmt: skip

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
            Field("changes", "Changes", "rows", columns=(Field("at", "On", "day"), Field("quantity", "Quantity", "amount"), Field("price", "Price", "amount"))),
        ),
        *_flat(*_SUBSCRIPTION, rows="changes"),
    ),
    Kind(
        "Commit on a schedule", "commits",
        (_ID, Field("type", "Type", "choice", ("prepaid", "postpaid"), start="prepaid"), _PRODUCTS, _ACCESS, _INSTALMENTS),
        _scheduled("prepaid"), _read_scheduled("id", "type", "products", "access", "invoice"),
    ),
    Kind("Credit on a schedule", "credits", (_ID, _PRODUCTS, _ACCESS), _scheduled(None), _read_scheduled("id", "products", "access")),
    Kind("Recurring credit", "recurring_credits", _RECURRING_FIELDS, *_flat(*_RECURRING, whole="valid_periods")),
    Kind(
        "Recurring commit", "recurring_commits",
        (*_RECURRING_FIELDS, Field("invoice_amount", "Invoiced amount", "amount", hint="left out: nothing is invoiced")),
        *_flat(*_RECURRING, "invoice_amount", whole="valid_periods"),
    ),
    Kind("Charge", "charges", (_ID, Field("product", "Product"), _AMOUNT, Field("at", "On", "day")), *_flat("id", "product", "amount", "at")),
    Kind(
        "Scheduled charge", "charges",
        (
            _ID, Field("product", "Product"), _AMOUNT, Field("every", "Every", "choice", _EVERY, start="month"), Field("from", "First on", "day"), Field("until", "Until, exclusive", "day"),
            Field("split", "Amount is", "choice", ("each", "divided", "divided_rounded")), Field("quantity", "Quantity", "amount"),
        ),
        *_flat(*_CHARGE),
    ),
    Kind("Minimum", "minimum", (_AMOUNT, _PRODUCTS), *_flat("amount", "products")),
    Kind("Maximum", "maximum", (_AMOUNT, _PRODUCTS), *_flat("amount", "products")),
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


def fresh_id(kind: Kind, contract: Mapping[str, Any]) -> str | None:
    """An id that the contract does not have yet; none: the kind has no ids."""
    if kind.list in BOUNDS:
        return None
    taken = {item.get("id") for items in contract.values() if isinstance(items, list) for item in items if isinstance(item, dict)}
    base = kind.name.casefold().replace(" ", "-")
    return next(name for name in (base, *(f"{base}-{number}" for number in range(2, 10_000))) if name not in taken)


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
