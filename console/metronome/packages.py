"""`/v1/packages…`: contract templates whose times are offsets from a contract's start."""

from decimal import Decimal
from typing import Any, Final

from fastapi import APIRouter

from console.access.guard import Reading, Writing
from console.books import Change
from console.errors import ConflictError, invalid, missing
from console.metronome.serving import change, paged, shelf
from console.metronome.shelf import Shelf, at_text, new_id, now_ms
from console.requests import Held, Json
from console.wire import Answer, Exact
from contracts.instants import instant_ms
from contracts.packages import after
from contracts.translation.fields import Fields, Wrong, plain
from contracts.translation.metronome.coins import Coins
from pipelines.objects import Object

router = APIRouter(prefix="/v1/packages", tags=["Metronome: packages"], default_response_class=Answer, route_class=Exact)

UNITS: Final = {"DAYS": "D", "WEEKS": "W", "MONTHS": "M", "YEARS": "Y"}
LISTS: Final = ("commits", "credits", "overrides", "recurring_commits", "recurring_credits", "scheduled_charges", "subscriptions")
PLAIN: Final = ("rate_card_id", "rate_card_alias", "multiplier_override_prioritization", "usage_statement_schedule", "net_payment_terms_days")
REFUSED: Final = ("prepaid_balance_threshold_configuration", "spend_threshold_configuration", "spend_trackers", "scheduled_charges_on_usage_invoices")


@router.post("/create", summary="Create a package")
def create(held: Held, caller: Writing, body: Json) -> Any:
    """It is checked by making a contract of it, which is thrown away."""
    fields, name = body.fields, new_id()
    fields.refuse("is not served", *REFUSED)
    title, key = fields.text("name"), fields.text_or_none("uniqueness_key")
    template = {each: plain(fields.any(each)) for each in (*LISTS, *PLAIN, "duration", "contract_name") if fields.any(each) is not None}
    aliases = []
    for each in fields.objects("aliases"):
        row = {"name": each.text("name"), "starting_at": each.instant_or_none("starting_at"), "ending_before": each.instant_or_none("ending_before")}
        each.done()
        aliases.append({word: value for word, value in row.items() if value})
    for word in ("billing_provider", "delivery_method"):
        fields.any(word)
    fields.done()
    _identified(template)
    kept = {"name": title, "template": template, "aliases": aliases, "uniqueness_key": key, "created_ms": now_ms(), "created_by": caller.name, "archived_ms": None}
    dated(template, "2025-01-01T00:00:00Z")

    def make(at: Shelf) -> Change:
        return Change({"data": {"id": name}}, objects=[Object("package", name, kept), *at.once("packages", key, name)])

    return change(held, caller, body, make)


@router.post("/get", summary="Get a package")
def one(held: Held, _: Reading, body: Json) -> Any:
    name = body.fields.text("package_id")
    body.fields.done()
    at = shelf(held)
    return {"data": package_out(at, name, _kept(at, name))}


@router.post("/list", summary="List packages")
def listed(held: Held, _: Reading, body: Json, limit: int | None = None, next_page: str | None = None) -> Any:
    wanted = body.fields.word("archive_filter", ("ARCHIVED", "NOT_ARCHIVED", "ALL"), "NOT_ARCHIVED")
    body.fields.done()
    at = shelf(held)
    found = [each for each in at.objects.of("package") if wanted == "ALL" or bool(each.body["archived_ms"]) == (wanted == "ARCHIVED")]
    page, cursor = paged(found, lambda each: str(each.id), next_page, limit)
    return {"data": [package_out(at, each.id, dict(each.body)) for each in page], "next_page": cursor}


@router.post("/archive", summary="Archive a package")
def archive(held: Held, caller: Writing, body: Json) -> Any:
    name = body.fields.text("package_id")
    body.fields.done()

    def make(at: Shelf) -> Change:
        kept = _kept(at, name)
        if kept["archived_ms"]:
            raise ConflictError(Wrong("package_id", "this package is archived already"))
        return Change({"data": {"id": name}}, objects=[Object("package", name, kept | {"archived_ms": now_ms()})])

    return change(held, caller, body, make)


@router.post("/listContractsOnPackage", summary="List contracts that were made from a package")
def contracts_on(held: Held, _: Reading, body: Json, limit: int | None = None, next_page: str | None = None) -> Any:
    fields, at = body.fields, shelf(held)
    name = fields.text("package_id")
    _kept(at, name)
    covering = fields.instant_ms("covering_date") if fields.has("covering_date") else None
    starting = fields.instant_ms("starting_at") if fields.has("starting_at") else None
    archived = fields.flag("include_archived", False)
    for word in ("covering_date", "starting_at"):
        fields.any(word)
    fields.done()
    rows = []
    for each in at.objects.of("contract"):
        recorded = at.papers.documents.contracts.get(each.id)
        if each.body.get("package_id") != name or recorded is None or (each.body.get("archived_ms") and not archived):
            continue
        contract = recorded.contract
        start = instant_ms(contract.starting_at)
        end = instant_ms(contract.ending_before) if contract.ending_before else 1 << 62
        if (covering is None or start <= covering < end) and (starting is None or start >= starting):
            row = {"contract_id": contract.id, "customer_id": contract.customer, "starting_at": contract.starting_at}
            row |= {"ending_before": contract.ending_before} if contract.ending_before else {}
            rows.append(row | ({"archived_at": at_text(each.body["archived_ms"])} if each.body.get("archived_ms") else {}))
    page, cursor = paged(rows, lambda row: str(row["contract_id"]), next_page, limit)
    return {"data": page, "next_page": cursor}


def filled(fields: Fields, at: Shelf) -> str | None:
    """Put what a package says under what the request says, dated from its start: the package's id; none: the request names none. Raises ApiError."""
    name, alias = fields.text_or_none("package_id"), fields.text_or_none("package_alias")
    if name is None and alias is None:
        return None
    start = fields.instant("starting_at")
    if name is not None and alias is not None:
        raise invalid("package_alias", "excludes package_id; give one")
    name = name or at.package_named(alias or "", instant_ms(start), "package_alias")
    kept = _kept(at, name)
    if kept["archived_ms"]:
        raise invalid("package_id", "this package is archived")
    taken = [word for word in (*LISTS, "rate_card_id", "rate_card_alias") if fields.has(word)]
    if taken:
        raise invalid(taken[0], "is the package's to say; edit the contract afterwards")
    for word, value in dated(kept["template"], start).items():
        fields.data.setdefault(word, value)
    return name


def dated(template: dict[str, Any], start: str) -> dict[str, Any]:
    """The template as the body of a contract that starts then. Raises InvalidError."""
    found: dict[str, Any] = {word: _numbers(template[word]) for word in PLAIN if word in template}
    if "contract_name" in template:
        found["name"] = template["contract_name"]
    if "duration" in template:
        found["ending_before"] = _moved(start, template["duration"], "duration")
    for word in LISTS:
        if word in template:
            found[word] = [_dated(_numbers(each), start, f"{word}[{number}]") for number, each in enumerate(template[word])]
    return found


def _dated(value: Any, start: str, path: str) -> Any:
    """Offsets and durations of a term, and of what is in it, as instants."""
    if isinstance(value, list):
        return [_dated(each, start, f"{path}[{number}]") for number, each in enumerate(value)]
    if not isinstance(value, dict):
        return value
    row = {word: _dated(each, start, f"{path}.{word}") for word, each in value.items() if word not in ("starting_at_offset", "date_offset", "duration", "id")}
    if "starting_at_offset" in value:
        row["starting_at"] = _moved(start, value["starting_at_offset"], f"{path}.starting_at_offset")
    if "date_offset" in value:
        row["timestamp"] = _moved(start, value["date_offset"], f"{path}.date_offset")
    if "duration" in value:
        row["ending_before"] = _moved(row.get("starting_at", start), value["duration"], f"{path}.duration")
    return row


def _moved(start: str, span: Any, path: str) -> str:
    fields = Fields(span, path)
    unit, value = fields.word("unit", UNITS), fields.any("value")
    if isinstance(value, bool) or not str(value).isdecimal():
        raise invalid(fields.at("value"), "must be a whole number that is not negative")
    fields.done()
    return after(start, f"P{int(value)}{UNITS[unit]}")


def _identified(template: dict[str, Any]) -> None:
    """Terms and schedule items of a package have ids of their own."""
    for word in LISTS:
        for each in template.get(word, []):
            if isinstance(each, dict):
                each["id"] = new_id()
                for inner in ("access_schedule", "invoice_schedule", "schedule"):
                    for item in (each.get(inner) or {}).get("schedule_items", []):
                        item["id"] = new_id()


def package_out(at: Shelf, name: str, kept: dict[str, Any]) -> dict[str, Any]:
    template = kept["template"]
    row = {
        "id": name,
        "name": kept["name"],
        "created_at": at_text(kept["created_ms"]),
        "created_by": kept["created_by"],
        "aliases": kept["aliases"],
        **{word: [_term_out(at, each) for each in template.get(word, [])] for word in LISTS},
        **{word: template[word] for word in (*PLAIN, "duration", "contract_name") if word in template},
    }
    row.setdefault("usage_statement_schedule", {"frequency": "MONTHLY", "day": "FIRST_OF_MONTH"})
    if kept["uniqueness_key"]:
        row["uniqueness_key"] = kept["uniqueness_key"]
    return row | ({"archived_at": at_text(kept["archived_ms"])} if kept["archived_ms"] else {})


def _term_out(at: Shelf, term: dict[str, Any]) -> dict[str, Any]:
    row = {word: value for word, value in _numbers(term).items() if word not in ("product_id", "temporary_id", "tiers")}
    coins = Coins.of(at.catalogue()).credit_type
    if "product_id" in term:
        row["product"] = {"id": term["product_id"], "name": at.product(term["product_id"], "product_id")[2].name}
    for inner in ("access_schedule", "invoice_schedule", "schedule"):
        if inner in row:
            row[inner] = {"credit_type": coins, "do_not_invoice": False, **row[inner]}
    if "tiers" in term:
        row["override_tiers"] = _numbers(term["tiers"])
    if "subscription_rate" in row:
        named = row["subscription_rate"]["product_id"]
        row["subscription_rate"] = {**row["subscription_rate"], "product": {"id": named, "name": at.product(named, "product_id")[2].name}}
    return row


def _numbers(value: Any) -> Any:
    """Numbers that were kept as text are numbers again."""

    words = ("amount", "unit_price", "quantity", "priority", "multiplier", "price", "size", "rollover_fraction", "value", "initial_quantity", "max_amount")
    if isinstance(value, dict):
        return {word: Decimal(each) if word in words and isinstance(each, str) else _numbers(each) for word, each in value.items()}
    return [_numbers(each) for each in value] if isinstance(value, list) else value


def _kept(at: Shelf, name: str) -> dict[str, Any]:
    found = at.objects.get("package", name)
    if found is None:
        raise missing("package", name, "package_id")
    return dict(found.body)
