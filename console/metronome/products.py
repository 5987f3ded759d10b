"""`/v1/contract-pricing/products…`: products of the catalogue."""

from decimal import Decimal
from typing import Any, Final

import msgspec
from fastapi import APIRouter

from console.access.guard import Reading, Writing
from console.books import Change
from console.errors import ConflictError, invalid
from console.metronome.serving import change, paged, shelf
from console.metronome.shelf import Shelf, at_text, new_id, now_ms, ref
from console.requests import Held, Json
from console.wire import Answer, Exact
from contracts.catalogue import Catalogue, Product
from contracts.translation.fields import Fields, Wrong
from contracts.translation.metronome.coins import tidy
from contracts.translation.metronome.products import ROUNDING, TYPES, product_in
from pipelines.objects import Object

router = APIRouter(prefix="/v1/contract-pricing/products", tags=["Metronome: products"], default_response_class=Answer, route_class=Exact)

KEPT: Final = ("netsuite_internal_item_id", "netsuite_overage_item_id", "is_refundable")


@router.post("/create", summary="Create a product")
def create(held: Held, caller: Writing, body: Json) -> Any:
    fields, name = body.fields, new_id()
    kind = fields.word("type", (*TYPES, "PROFESSIONAL_SERVICE", "PRO_SERVICE"))
    if kind not in TYPES:
        raise invalid("type", f"{kind} is not served; {', '.join(TYPES)} are")
    title = fields.text("name")
    kept: dict[str, Any] = {"created_ms": now_ms(), "created_by": caller.name, "archived_ms": None, "custom_fields": fields.mapping("custom_fields"), "updates": []}

    def make(at: Shelf) -> Change:
        catalogue = at.catalogue()
        product = _shape(fields, at, Product(name=title, type=TYPES[kind]), catalogue)
        kept.update(fields.kept(*KEPT))
        fields.done()
        kept["initial"] = state_out(catalogue, product, kept)
        after = msgspec.structs.replace(catalogue, products=catalogue.products | {name: product})
        return Change({"data": {"id": name}}, [after], objects=[Object("product", name, _stored(kept))])

    return change(held, caller, body, make)


@router.post("/update", summary="Change a product")
def update(held: Held, caller: Writing, body: Json) -> Any:
    """Holds for everything that is not final. Products have no dates of their own here, so `starting_at` may not lie ahead."""
    fields = body.fields
    name, start_ms = fields.text("product_id"), fields.instant_ms("starting_at")
    if start_ms > now_ms():
        raise invalid("starting_at", "lies ahead: a product changes at once here (prices change at dates, on rate cards); leave the update until then")

    def make(at: Shelf) -> Change:
        catalogue, inner, product = at.product(name, "product_id")
        kept = at.kept("product", name)
        kept.setdefault("initial", state_out(catalogue, product, kept))
        title = fields.text_or_none("name")
        after = _shape(fields, at, msgspec.structs.replace(product, name=title or product.name), catalogue)
        kept.update(fields.kept(*KEPT))
        fields.done()
        row = {key: value for key, value in state_out(catalogue, after, kept).items() if fields.has(key)}
        kept["updates"] = [*kept.get("updates", []), row | {"created_at": at_text(now_ms()), "created_by": caller.name, "starting_at": at_text(start_ms)}]
        changed = msgspec.structs.replace(catalogue, products=catalogue.products | {inner: after})
        return Change({"data": {"id": name}}, [changed], objects=[Object("product", name, _stored(kept))])

    return change(held, caller, body, make)


@router.post("/get", summary="Get a product")
def one(held: Held, _: Reading, body: Json) -> Any:
    name = body.fields.text("id")
    body.fields.done()
    at = shelf(held)
    catalogue, inner, product = at.product(name, "id")
    return {"data": product_out(at, catalogue, inner, product)}


@router.post("/list", summary="List products")
def listed(held: Held, _: Reading, body: Json, limit: int | None = None, next_page: str | None = None) -> Any:
    wanted = body.fields.word("archive_filter", ("ARCHIVED", "NOT_ARCHIVED", "ALL"), "NOT_ARCHIVED")
    body.fields.done()
    at = shelf(held)
    found = [product_out(at, catalogue, name, product) for catalogue in at.catalogues() for name, product in catalogue.products.items()]
    found = [each for each in found if wanted == "ALL" or ("archived_at" in each) == (wanted == "ARCHIVED")]
    page, cursor = paged(found, lambda each: str(each["id"]), next_page, limit)
    return {"data": page, "next_page": cursor}


@router.post("/archive", summary="Archive a product")
def archive(held: Held, caller: Writing, body: Json) -> Any:
    """It stays on the contracts that have it, and is in no list."""
    name = body.fields.text("product_id")
    body.fields.done()

    def make(at: Shelf) -> Change:
        at.product(name, "product_id")
        kept = at.kept("product", name)
        if kept.get("archived_ms"):
            raise ConflictError(Wrong("product_id", "this product is archived already"))
        return Change({"data": {"id": name}}, objects=[Object("product", name, kept | {"archived_ms": now_ms()})])

    return change(held, caller, body, make)


def _shape(fields: Fields, at: Shelf, product: Product, catalogue: Catalogue) -> Product:
    """The product with what the request says of it. Raises InvalidError."""

    def metric(name: str, field: str) -> str:
        of, inner, _ = at.metric(name, field)
        if of.id != catalogue.id:
            raise invalid(field, f"metric {name!r} is in another catalogue than the product")
        return inner

    return product_in(fields, product, metric, lambda name, field: at.product_in(catalogue, name, field))


def state_out(catalogue: Catalogue, product: Product, kept: dict[str, Any]) -> dict[str, Any]:
    """`initial` and `current` of a product."""
    row: dict[str, Any] = {
        "created_at": at_text(kept.get("created_ms")),
        "created_by": kept.get("created_by", ""),
        "name": product.name,
        "tags": product.tags,
        "pricing_group_key": product.pricing_group_keys,
        "presentation_group_key": product.presentation_group_keys,
    } | {key: kept[key] for key in KEPT if key in kept}
    if product.metric is not None:
        row["billable_metric_id"] = ref(catalogue, product.metric)
    if product.of is not None:
        row |= {"composite_product_ids": [ref(catalogue, each) for each in product.of.products], "composite_tags": product.of.tags}
    if product.quantity is not None:
        row["quantity_conversion"] = {"conversion_factor": tidy(product.quantity.divide_by), "operation": "DIVIDE"}
        if product.quantity.round is not None:
            word = next(word for word, ours in ROUNDING.items() if ours == product.quantity.round)
            row["quantity_rounding"] = {"decimal_places": product.quantity.decimals, "rounding_method": word}
    return row


def product_out(at: Shelf, catalogue: Catalogue, name: str, product: Product) -> dict[str, Any]:
    kept = at.kept("product", ref(catalogue, name))
    current = state_out(catalogue, product, kept)
    row = {
        "id": ref(catalogue, name),
        "type": product.type.upper(),
        "initial": kept.get("initial", current),
        "current": current,
        "updates": kept.get("updates", []),
        "custom_fields": kept.get("custom_fields", {}),
    }
    return row | ({"archived_at": at_text(kept["archived_ms"])} if kept.get("archived_ms") else {})


def _stored(kept: dict[str, Any]) -> dict[str, Any]:
    """What is kept, with numbers as they are read again."""

    def numbers(value: Any) -> Any:
        if isinstance(value, Decimal):
            return int(value) if value == value.to_integral_value() else float(value)
        if isinstance(value, dict):
            return {key: numbers(item) for key, item in value.items()}
        return [numbers(item) for item in value] if isinstance(value, list) else value

    found: dict[str, Any] = numbers(kept)
    return found
