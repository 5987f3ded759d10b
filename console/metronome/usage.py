"""Usage: `/v1/ingest`, `/v1/usage…`, `/v1/events/search`."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request

from console.access.guard import CustomerReading, Ingesting, Reading
from console.api.events import misfit
from console.errors import invalid
from console.ingest import Event, timestamp_ms
from console.metering import Usage, usage_of
from console.metronome.metrics import metric_out
from console.metronome.serving import CLOCK_HEADER, paged, shelf
from console.metronome.shelf import Shelf, ref
from console.requests import Held, Json
from console.wire import Answer, Exact, raw
from contracts.catalogue import Catalogue
from contracts.matching import matches
from contracts.timeline import iso
from contracts.translation.fields import Fields
from contracts.translation.metronome.coins import tidy

router = APIRouter(prefix="/v1", tags=["Metronome: usage"], default_response_class=Answer, route_class=Exact)

MOST: Final = 100
WINDOWS: Final = {"HOUR": 3_600_000, "DAY": 86_400_000, "NONE": 0}


class Given(msgspec.Struct):
    """A usage event as the official clients send it."""

    transaction_id: str
    customer_id: str
    event_type: str
    timestamp: str
    properties: dict[str, Any] = {}


_DECODER: Final = msgspec.json.Decoder(list[Given], float_hook=Decimal)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


@router.post("/ingest", summary="Report up to 100 usage events")
async def ingest(held: Held, caller: Ingesting, request: Request) -> Any:
    """Durable in Kafka before the answer. Sending an event again is harmless: each transaction_id counts once.

    With the header `Taximeter-Clock: NAME` the events arrive at their own time, as contracts on a test clock want it.
    """
    try:
        given = _DECODER.decode(await raw(request))
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise misfit(error) from error
    if len(given) > MOST:
        raise invalid("", f"{len(given)} events; at most {MOST} in a request")
    at_their_time = request.headers.get(CLOCK_HEADER, "wall") != "wall"
    await held.ingest.send([_event(each, number, caller.customer, at_their_time) for number, each in enumerate(given)])
    return {}


def _event(given: Given, number: int, only: str | None, at_its_time: bool) -> Event:
    if not given.transaction_id or not given.customer_id or not given.event_type:
        word = next(word for word in ("transaction_id", "customer_id", "event_type") if not getattr(given, word))
        raise invalid(f"[{number}].{word}", "must not be empty")
    if len(given.transaction_id) > 128:
        raise invalid(f"[{number}].transaction_id", "must be 128 characters at most")
    if only is not None and given.customer_id != only:
        raise invalid(f"[{number}].customer_id", f"this key is for customer {only!r} only")
    moment = timestamp_ms(given.timestamp, f"[{number}].timestamp")
    properties = {key: value if type(value) is str else property_text(value) for key, value in given.properties.items() if value is not None}
    return Event(given.transaction_id, given.customer_id, given.event_type, moment, properties, moment if at_its_time else None)


def property_text(value: Any) -> str:
    """A property's value as events have it: numbers as decimal text, what is nested as JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    return _ENCODER.encode(value).decode()


@router.post("/usage", summary="Usage by metric and customer, over windows")
def usage(held: Held, _: Reading, body: Json, next_page: str | None = None) -> Any:
    fields, at = body.fields, shelf(held)
    from_ms, until_ms = fields.instant_ms("starting_on"), fields.instant_ms("ending_before")
    window_ms = WINDOWS[fields.word("window_size", WINDOWS)]
    cursor = fields.text_or_none("next_page") or next_page
    wanted: list[tuple[str, str | None, list[str]]] = []
    for each in fields.objects("billable_metrics"):
        key, values = None, []
        if each.has("group_by"):
            inner = each.object("group_by")
            key, values = inner.text("key"), inner.texts("values")
            inner.done()
        each.any("group_by")
        wanted.append((each.text("id"), key, values))
        each.done()
    customers = fields.texts("customer_ids")
    fields.done()
    _check_span(from_ms, until_ms, window_ms)
    if not wanted:
        wanted = [(ref(catalogue, name), None, []) for catalogue in at.catalogues() for name in catalogue.metrics]
    rows = []
    for name, key, values in wanted:
        catalogue, inner_name, metric = at.metric(name, "billable_metrics")
        for customer in customers or at.customers():
            found = usage_of(held.warehouse, metric, _ids(at, customer), from_ms, until_ms, window_ms, [key] if key else [])
            rows += _rows(at, catalogue, inner_name, customer, found, from_ms, until_ms, window_ms, key, values)
    page, following = paged(rows, lambda row: f"{row['billable_metric_id']}|{row['customer_id']}|{row['start_timestamp']}", cursor, None)
    return {"data": page, "next_page": following}


@router.post("/usage/groups", summary="Usage of a metric and customer by group, over windows")
def groups(held: Held, caller: CustomerReading, body: Json, limit: int | None = None, next_page: str | None = None) -> Any:
    fields, at = body.fields, shelf(held)
    customer, name = fields.text("customer_id"), fields.text("billable_metric_id")
    caller.see(customer)
    metric = at.metric(name, "billable_metric_id")[2]
    at.customer(customer)
    window_ms = WINDOWS[fields.word("window_size", WINDOWS)]
    current = fields.flag("current_period", False)
    if current:
        fields.refuse("excludes current_period", "starting_on", "ending_before")
        from_ms, until_ms = _current(held, customer)
    else:
        from_ms, until_ms = fields.instant_ms("starting_on"), fields.instant_ms("ending_before")
    keys, filters = fields.texts("group_key"), _filters(fields)
    if fields.has("group_by"):
        inner = fields.object("group_by")
        keys = [inner.text("key")]
        values = inner.texts("values")
        if values:
            filters[keys[0]] = values
        inner.done()
    fields.any("group_by")
    fields.done()
    _check_span(from_ms, until_ms, window_ms)
    rows = []
    for each in usage_of(held.warehouse, metric, _ids(at, customer), from_ms, until_ms, window_ms, keys):
        if any(each.group.get(key) not in values for key, values in filters.items()):
            continue
        start, end = _window(each.start_ms, from_ms, until_ms, window_ms)
        row: dict[str, Any] = {"starting_on": iso(start), "ending_before": iso(end), "value": tidy(each.value)}
        if len(keys) == 1:
            row |= {"group_key": keys[0], "group_value": each.group.get(keys[0])}
        rows.append(row | {"group": dict(each.group)})
    page, cursor = paged(rows, lambda row: f"{row['starting_on']}|{sorted(row['group'].items())}", next_page, limit)
    return {"data": page, "next_page": cursor}


@router.post("/events/search", summary="Events by transaction id")
def search(held: Held, _: Reading, body: Json) -> Any:
    """The first of an id counts; others are duplicates."""
    ids = body.fields.texts("transactionIds") or body.fields.texts("transaction_ids")
    body.fields.any("transaction_ids")
    body.fields.done()
    if not 0 < len(ids) <= MOST:
        raise invalid("transactionIds", f"must be 1 to {MOST} ids")
    at = shelf(held)
    owners = {alias: customer for customer in at.customers() for alias in (*at.customer(customer)["ingest_aliases"], customer)}
    found = sorted(held.warehouse.events(ids=ids, limit=10_000), key=lambda each: (each.recorded_ms, each.partition, each.offset))
    seen: set[str] = set()
    rows = []
    for each in found:
        metrics = [
            metric_out(at, catalogue, name, metric)
            for catalogue in at.catalogues()
            for name, metric in catalogue.metrics.items()
            if each.event_type in metric.event_types and matches(metric.where, each.properties)
        ]
        row: dict[str, Any] = {
            "id": f"{each.partition}-{each.offset}",
            "transaction_id": each.transaction_id,
            "customer_id": each.customer,
            "event_type": each.event_type,
            "timestamp": iso(each.timestamp_ms),
            "properties": dict(each.properties),
            "processed_at": iso(each.recorded_ms),
            "is_duplicate": each.transaction_id in seen,
            "matched_billable_metrics": metrics,
        }
        owner = owners.get(each.customer)
        if owner is not None:
            row["matched_customer"] = {"id": owner, "name": at.customer(owner)["name"]}
        seen.add(each.transaction_id)
        rows.append(row)
    return rows


def _rows(
    at: Shelf, catalogue: Catalogue, name: str, customer: str, found: Sequence[Usage], from_ms: int, until_ms: int, window_ms: int, key: str | None,
    values: Sequence[str],
) -> list[dict[str, Any]]:  # fmt: skip
    """One row a window; windows without usage have no value."""
    kept = at.kept("metric", ref(catalogue, name))
    by_window: dict[int, list[Usage]] = {}
    for each in found:
        by_window.setdefault(each.start_ms, []).append(each)
    rows = []
    for start in sorted(by_window):
        begin, end = _window(start, from_ms, until_ms, window_ms)
        row: dict[str, Any] = {
            "billable_metric_id": ref(catalogue, name),
            "billable_metric_name": kept.get("name") or name,
            "customer_id": customer,
            "start_timestamp": iso(begin),
            "end_timestamp": iso(end),
        }
        if key is None:
            row["value"] = tidy(by_window[start][0].value)
        else:
            shown = {each.group[key]: tidy(each.value) for each in by_window[start] if key in each.group and (not values or each.group[key] in values)}
            row |= {"value": None, "groups": shown}
        rows.append(row)
    return rows


def _window(start: int, from_ms: int, until_ms: int, window_ms: int) -> tuple[int, int]:
    return (max(start, from_ms), min(start + window_ms, until_ms)) if window_ms else (from_ms, until_ms)


def _ids(at: Shelf, customer: str) -> list[str]:
    return [customer, *at.customer(customer, "customer_ids")["ingest_aliases"]]


def _check_span(from_ms: int, until_ms: int, window_ms: int) -> None:
    if until_ms <= from_ms:
        raise invalid("ending_before", "must lie behind starting_on")
    if window_ms and (until_ms - from_ms) // window_ms > 20_000:
        raise invalid("window_size", "gives more than 20,000 windows; ask in parts, or for larger ones")


def _filters(fields: Fields) -> dict[str, list[str]]:
    given = fields.any("group_filters") or {}
    if not isinstance(given, dict) or not all(isinstance(each, list) for each in given.values()):
        raise invalid(fields.at("group_filters"), "must be an object of property to values")
    return {key: [str(each) for each in values] for key, values in given.items()}


def _current(held: Held, customer: str) -> tuple[int, int]:
    """The present period of the customer's newest contract: that of its draft usage invoice."""
    from console.metronome.contract_out import money_of  # noqa: PLC0415 - a cycle otherwise

    drafts = [each for each in money_of(held, customer).invoices if each.kind == "usage" and each.status == "draft"]
    if not drafts:
        raise invalid("current_period", "this customer has no open period")
    return drafts[-1].starting_ms, drafts[-1].ending_ms


