"""`/v1/credit-types…`: the currency, and pricing units of one's own."""

from typing import Any

from fastapi import APIRouter

from console.access.guard import Reading, Writing
from console.books import Change
from console.errors import ConflictError, missing
from console.metronome.serving import change, paged, shelf
from console.metronome.shelf import Shelf, new_id, now_ms
from console.requests import Held, Json
from console.wire import Answer, Exact
from contracts.translation.fields import Wrong
from contracts.translation.metronome.coins import USD, Coins
from pipelines.objects import Object

router = APIRouter(prefix="/v1/credit-types", tags=["Metronome: pricing units"], default_response_class=Answer, route_class=Exact)


@router.post("/create", summary="Create a pricing unit")
def create(held: Held, caller: Writing, body: Json) -> Any:
    """It gets its price on a rate card, with `credit_type_conversions`."""
    title, name = body.fields.text("name"), new_id()
    body.fields.done()

    def make(at: Shelf) -> Change:
        if any(each.body["name"] == title and not each.body["archived_ms"] for each in at.objects.of("credit_type")):
            raise ConflictError(Wrong("name", f"there is a pricing unit {title!r} already"))
        return Change({"data": {"id": name}}, objects=[Object("credit_type", name, {"name": title, "archived_ms": None})])

    return change(held, caller, body, make)


@router.get("/list", summary="List currencies and pricing units")
def listed(held: Held, _: Reading, limit: int | None = None, next_page: str | None = None) -> Any:
    at = shelf(held)
    currencies = {USD: "USD (cents)"} | {kind["id"]: kind["name"] for catalogue in at.catalogues() for kind in [Coins.of(catalogue).credit_type]}
    rows = [{"id": name, "name": title, "is_currency": True} for name, title in currencies.items()]
    units = {name: unit.name or name for catalogue in at.catalogues() for name, unit in catalogue.pricing_units.items()}
    archived = {each.id for each in at.objects.of("credit_type") if each.body["archived_ms"]}
    units |= {each.id: each.body["name"] for each in at.objects.of("credit_type")}
    rows += [{"id": name, "name": title, "is_currency": False} for name, title in units.items() if name not in archived]
    page, cursor = paged(rows, lambda row: str(row["id"]), next_page, limit)
    return {"data": page, "next_page": cursor}


@router.post("/archive", summary="Archive a pricing unit")
def archive(held: Held, caller: Writing, body: Json) -> Any:
    name = body.fields.text("id")
    body.fields.done()

    def make(at: Shelf) -> Change:
        found = at.objects.get("credit_type", name)
        if found is None:
            raise missing("pricing unit", name, "id")
        if found.body["archived_ms"]:
            raise ConflictError(Wrong("id", "this pricing unit is archived already"))
        return Change({"data": {"id": name}}, objects=[Object("credit_type", name, {**found.body, "archived_ms": now_ms()})])

    return change(held, caller, body, make)
