"""`/v1/billable-metrics…`: metrics of the catalogue."""

from typing import Any

import msgspec
from fastapi import APIRouter

from console.access.guard import CustomerReading, Reading, Writing
from console.books import Change
from console.errors import ConflictError
from console.metronome.serving import change, paged, shelf
from console.metronome.shelf import Shelf, at_text, new_id, now_ms, ref
from console.requests import Held, Json
from console.wire import Answer, Exact
from contracts.catalogue import Catalogue, Condition, Expression, Metric
from contracts.translation.fields import Wrong
from contracts.translation.metronome.metrics import AGGREGATIONS, metric_in
from pipelines.objects import Object

router = APIRouter(prefix="/v1", tags=["Metronome: billable metrics"], default_response_class=Answer, route_class=Exact)


@router.post("/billable-metrics/create", summary="Create a billable metric")
def create(held: Held, caller: Writing, body: Json) -> Any:
    fields, name = body.fields, new_id()
    metric = metric_in(fields)
    kept = {
        "name": fields.text("name"),
        "custom_fields": fields.mapping("custom_fields"),
        "group_keys": fields.any("group_keys") or [],
        "created_ms": now_ms(),
        "archived_ms": None,
    }
    fields.done()

    def make(at: Shelf) -> Change:
        catalogue = at.catalogue()
        after = msgspec.structs.replace(catalogue, metrics=catalogue.metrics | {name: metric})
        return Change({"data": {"id": name}}, [after], objects=[Object("metric", name, kept)])

    return change(held, caller, body, make)


@router.get("/billable-metrics", summary="List billable metrics")
def listed(held: Held, _: Reading, limit: int | None = None, next_page: str | None = None, include_archived: bool = False) -> Any:
    return _listed(held, limit, next_page, include_archived)


@router.get("/customers/{customer_id}/billable-metrics", summary="List the billable metrics that a customer's rate cards use")
def of_customer(
    held: Held, _: CustomerReading, customer_id: str, limit: int | None = None, next_page: str | None = None, include_archived: bool = False,
    on_current_plan: bool = False,
) -> Any:  # fmt: skip
    at = shelf(held)
    at.customer(customer_id)
    used = set()
    for contract in at.contracts_of(customer_id):
        catalogue = at.catalogue(contract.catalogue)
        card = catalogue.rate_cards.get(contract.rate_card or "")
        for rate in card.rates if card else []:
            metric = catalogue.products[rate.product].metric
            if metric:
                used.add(ref(catalogue, metric))
    return _listed(held, limit, next_page, include_archived, used if on_current_plan or used else None)


@router.get("/billable-metrics/{billable_metric_id:path}", summary="Get a billable metric")
def one(held: Held, _: Reading, billable_metric_id: str) -> Any:
    at = shelf(held)
    catalogue, name, metric = at.metric(billable_metric_id, "billable_metric_id")
    return {"data": metric_out(at, catalogue, name, metric)}


@router.put("/billable-metrics/{billable_metric_id:path}", summary="Rename a billable metric")
def rename(held: Held, caller: Writing, billable_metric_id: str, body: Json) -> Any:
    name = body.fields.text("name")
    body.fields.done()

    def make(at: Shelf) -> Change:
        catalogue, inner, _ = at.metric(billable_metric_id, "billable_metric_id")
        kept = at.kept("metric", ref(catalogue, inner)) | {"name": name}
        return Change({"data": {"id": billable_metric_id}}, objects=[Object("metric", ref(catalogue, inner), kept)])

    return change(held, caller, body, make)


@router.post("/billable-metrics/archive", summary="Archive a billable metric")
def archive(held: Held, caller: Writing, body: Json) -> Any:
    name = body.fields.text("id")
    body.fields.done()

    def make(at: Shelf) -> Change:
        at.metric(name, "id")
        kept = at.kept("metric", name)
        if kept.get("archived_ms"):
            raise ConflictError(Wrong("id", "this metric is archived already"))
        return Change({"data": {"id": name}}, objects=[Object("metric", name, kept | {"archived_ms": now_ms()})])

    return change(held, caller, body, make)


def metric_out(at: Shelf, catalogue: Catalogue, name: str, metric: Metric) -> dict[str, Any]:
    kept = at.kept("metric", ref(catalogue, name))
    filters = []
    for key, condition in metric.where.items():
        if isinstance(condition, Condition):
            row: dict[str, Any] = {"name": key} | ({} if condition.exists is None else {"exists": condition.exists})
            filters.append(row | ({"not_in_values": [str(each) for each in condition.not_in]} if condition.not_in else {}))
        else:
            filters.append({"name": key, "in_values": [str(each) for each in (condition if isinstance(condition, list) else [condition])]})
    groups = kept.get("group_keys") or []
    if list(dict.fromkeys(key for group in groups for key in group)) != list(metric.group_keys):
        groups = [[key] for key in metric.group_keys]
    row = {
        "id": ref(catalogue, name),
        "name": kept.get("name") or name,
        "event_type_filter": {"in_values": metric.event_types},
        "property_filters": filters,
        "group_keys": groups,
        "custom_fields": kept.get("custom_fields", {}),
    }
    kind = next((word for word, ours in AGGREGATIONS.items() if ours == metric.aggregation), None)
    if kind is not None:
        row["aggregation_type"] = kind
    if metric.value is not None:
        row["aggregation_key"] = metric.value.expression if isinstance(metric.value, Expression) else metric.value
    return row | ({"archived_at": at_text(kept["archived_ms"])} if kept.get("archived_ms") else {})


def _listed(held: Held, limit: int | None, next_page: str | None, archived: bool, only: set[str] | None = None) -> Any:
    at = shelf(held)
    found = [metric_out(at, catalogue, name, metric) for catalogue in at.catalogues() for name, metric in catalogue.metrics.items()]
    found = [each for each in found if (archived or "archived_at" not in each) and (only is None or each["id"] in only)]
    page, cursor = paged(found, lambda each: str(each["id"]), next_page, limit)
    return {"data": page, "next_page": cursor}
