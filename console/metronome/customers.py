"""`/v1/customers…`: customers, their names and ingest aliases."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request

from console.access.guard import CustomerReading, Reading, Writing
from console.books import Change
from console.errors import ConflictError, invalid
from console.metronome.serving import change, paged, shelf
from console.metronome.shelf import Shelf, at_text, new_id, now_ms
from console.requests import Held, Json
from console.wire import Answer, Exact
from contracts.contract import Contract
from contracts.translation.fields import Fields, Wrong
from pipelines.objects import Object

router = APIRouter(prefix="/v1", tags=["Metronome: customers"], default_response_class=Answer, route_class=Exact)

MOST_ALIASES = 1_000


@router.post("/customers", summary="Create a customer")
def create(held: Held, caller: Writing, body: Json) -> Any:
    fields, name = body.fields, new_id()
    aliases = _aliases(fields)
    kept = {
        "name": fields.text("name"),
        "external_id": fields.text_or_none("external_id"),
        "custom_fields": fields.mapping("custom_fields"),
        "ingest_aliases": aliases,
        "created_ms": now_ms(),
        "updated_ms": now_ms(),
        "archived_ms": None,
    } | fields.kept("billing_config", "customer_billing_provider_configurations", "customer_revenue_system_configurations")
    fields.done()

    def make(at: Shelf) -> Change:
        _free(at, aliases, name)
        return Change({"data": _short(name, kept)}, objects=[Object("customer", name, kept)])

    return change(held, caller, body, make)


@router.get("/customers", summary="List customers")
def listed(
    held: Held,
    _: Reading,
    request: Request,
    limit: int | None = None,
    next_page: str | None = None,
    ingest_alias: str | None = None,
    only_archived: bool = False,
    salesforce_account_ids: Annotated[list[str] | None, Query()] = None,
) -> Any:
    at = shelf(held)
    wanted = request.query_params.getlist("customer_ids") + request.query_params.getlist("customer_ids[]")
    if salesforce_account_ids:
        wanted_accounts = set(salesforce_account_ids)
        wanted += [name for name in at.customers() if at.customer(name).get("config", {}).get("salesforce_account_id") in wanted_accounts] or [""]
    found = []
    for name in at.customers():
        kept = at.customer(name)
        if (wanted and name not in wanted) or bool(kept.get("archived_ms")) != only_archived:
            continue
        if ingest_alias is None or ingest_alias in kept["ingest_aliases"]:
            found.append((name, kept))
    page, cursor = paged(found, lambda each: str(each[0]), next_page, limit)
    return {"data": [_whole(*each) for each in page], "next_page": cursor}


@router.get("/customers/{customer_id}", summary="Get a customer")
def one(held: Held, _: CustomerReading, customer_id: str) -> Any:
    return {"data": _whole(customer_id, shelf(held).customer(customer_id))}


@router.post("/customers/archive", summary="Archive a customer")
def archive(held: Held, caller: Writing, body: Json) -> Any:
    name = body.fields.text("id")
    body.fields.done()

    def make(at: Shelf) -> Change:
        kept = at.customer(name, "id")
        if kept.get("archived_ms"):
            raise ConflictError(Wrong("id", "this customer is archived already"))
        return Change({"data": {"id": name}}, objects=[Object("customer", name, kept | {"archived_ms": now_ms(), "updated_ms": now_ms()})])

    return change(held, caller, body, make)


@router.post("/customers/{customer_id}/setName", summary="Rename a customer")
def set_name(held: Held, caller: Writing, customer_id: str, body: Json) -> Any:
    name = body.fields.text("name")
    body.fields.done()

    def make(at: Shelf) -> Change:
        kept = at.customer(customer_id) | {"name": name, "updated_ms": now_ms()}
        return Change({"data": _short(customer_id, kept)}, objects=[Object("customer", customer_id, kept)])

    return change(held, caller, body, make)


@router.post("/customers/{customer_id}/setIngestAliases", summary="Set the other ids under which a customer's usage arrives")
def set_aliases(held: Held, caller: Writing, customer_id: str, body: Json) -> Any:
    aliases = _aliases(body.fields)
    body.fields.done()

    def make(at: Shelf) -> Change:
        kept = at.customer(customer_id) | {"ingest_aliases": aliases, "updated_ms": now_ms()}
        _free(at, aliases, customer_id)
        contracts = [with_aliases(each, aliases, number) for number, each in enumerate(at.contracts_of(customer_id))]
        return Change(None, contracts=[each for each in contracts if each is not None], objects=[Object("customer", customer_id, kept)])

    change(held, caller, body, make)
    return {}


@router.post("/customers/{customer_id}/updateConfig", summary="Keep a customer's configuration")
def update_config(held: Held, caller: Writing, customer_id: str, body: Json) -> Any:
    config = body.fields.kept("salesforce_account_id", "leave_stripe_invoices_in_draft")
    body.fields.done()

    def make(at: Shelf) -> Change:
        kept = at.customer(customer_id)
        kept |= {"config": {**kept.get("config", {}), **config}, "updated_ms": now_ms()}
        return Change(None, objects=[Object("customer", customer_id, kept)])

    change(held, caller, body, make)
    return {}


def with_aliases(contract: Contract, aliases: list[str], number: int) -> Contract | None:
    """The contract with the customer's aliases, which stand in its first one; none: it has them already."""
    wanted = [alias for alias in aliases if alias != contract.customer] if number == 0 else []
    return None if contract.aliases == wanted else msgspec.structs.replace(contract, aliases=wanted)


def _aliases(fields: Fields) -> list[str]:
    found = fields.texts("ingest_aliases")
    if len(found) > MOST_ALIASES:
        raise invalid(fields.at("ingest_aliases"), f"{len(found)} aliases; at most {MOST_ALIASES}")
    for number, alias in enumerate(found):
        if not 0 < len(alias) <= 128:
            raise invalid(f"{fields.at('ingest_aliases')}[{number}]", "must be 1 to 128 characters")
    return list(dict.fromkeys(found))


def _free(at: Shelf, aliases: list[str], owner: str) -> None:
    """An alias belongs to one customer. Raises ConflictError."""
    wanted = set(aliases)
    for name in at.customers() if wanted else ():
        taken = wanted & ({name, *at.customer(name)["ingest_aliases"]}) if name != owner else None
        if taken:
            raise ConflictError(Wrong("ingest_aliases", f"{min(taken)!r} is an id of customer {name!r} already"))


def _short(name: str, kept: dict[str, Any]) -> dict[str, Any]:
    external = kept.get("external_id") or next(iter(kept["ingest_aliases"]), name)
    return {"id": name, "external_id": external, "ingest_aliases": kept["ingest_aliases"], "name": kept["name"], "custom_fields": kept["custom_fields"]}


def _whole(name: str, kept: dict[str, Any]) -> dict[str, Any]:
    row = _short(name, kept) | {
        "created_at": at_text(kept["created_ms"]),
        "updated_at": at_text(kept["updated_ms"]),
        "customer_config": {"salesforce_account_id": kept.get("config", {}).get("salesforce_account_id")},
        "current_billable_status": {"value": "billable"},
    }
    return row | ({"archived_at": at_text(kept["archived_ms"])} if kept.get("archived_ms") else {})
