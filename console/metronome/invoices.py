"""Invoices: `/v1/customers/{id}/invoices…`, costs, previews of events, charges, void and regenerate."""

import time
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Response

from console.access.guard import CustomerReading, Writing
from console.api.invoices import pdf_answer
from console.books import Change
from console.errors import NotFoundError, invalid, missing
from console.metronome.serving import change, paged, shelf
from console.metronome.shelf import Shelf, new_id, ref
from console.reading import instant
from console.requests import Held, Json
from console.services import Services
from console.spreading import Part, hours, spread
from console.wire import Answer, Exact
from contracts.catalogue import Catalogue
from contracts.contract import Charge
from contracts.result import Invoice, Line
from contracts.timeline import iso
from contracts.translation.fields import Wrong
from contracts.translation.metronome.coins import Coins, tidy
from pipelines.warehouse import reads

router = APIRouter(prefix="/v1", tags=["Metronome: invoices"], default_response_class=Answer, route_class=Exact)

STATUS: Final = {"draft": "DRAFT", "final": "FINALIZED", "void": "VOID"}
TYPES: Final = {"usage": "USAGE", "scheduled": "SCHEDULED", "true_up": "SCHEDULED", "correction": "CORRECTION"}
WINDOWS: Final = {"HOUR": 3_600_000, "DAY": 86_400_000}
REGENERATED_S: Final = 5.0


@router.get("/customers/{customer_id}/invoices", summary="List a customer's invoices")
def listed(
    held: Held,
    _: CustomerReading,
    customer_id: str,
    limit: int | None = None,
    next_page: str | None = None,
    contract_id: str = "",
    credit_type_id: str | None = None,
    starting_on: str | None = None,
    ending_before: str | None = None,
    status: str | None = None,
    type: str | None = None,
    sort: str = "date_asc",
    skip_zero_qty_line_items: bool = False,
    include_historical_commit_invoices: bool = False,  # noqa: ARG001 - all are there
) -> Any:
    at = shelf(held)
    found = _selected(held, at, customer_id, contract_id, starting_on, ending_before, status, type, sort)
    if credit_type_id is not None:
        found = [each for each in found if Coins(each.currency).credit_type["id"] == credit_type_id]
    page, cursor = paged(found, lambda each: str(each.id), next_page, limit)
    return {"data": [invoice_out(at, each, skip_zero_qty_line_items) for each in page], "next_page": cursor}


@router.get("/customers/{customer_id}/invoices/breakdowns", summary="Invoices by hour or day")
def breakdowns(
    held: Held,
    _: CustomerReading,
    customer_id: str,
    starting_on: str,
    ending_before: str,
    limit: int | None = None,
    next_page: str | None = None,
    credit_type_id: str | None = None,
    status: str | None = None,
    sort: str = "date_asc",
    skip_zero_qty_line_items: bool = False,
    window_size: str = "DAY",
) -> Any:
    """A line's amount stands in the windows of its usage, in proportion; the parts of a line add up to it."""
    if window_size not in WINDOWS:
        raise invalid("window_size", f"must be one of {', '.join(WINDOWS)}")
    at, window_ms = shelf(held), WINDOWS[window_size]
    from_ms, until_ms = instant(starting_on, "starting_on", 0), instant(ending_before, "ending_before", 0)
    rows = []
    for invoice, parts in _spread(held, at, customer_id, from_ms, until_ms, window_ms, status):
        if credit_type_id not in (None, Coins(invoice.currency).credit_type["id"]):
            continue
        for start_ms, inside in sorted(_by_window(parts).items()):
            if from_ms <= start_ms < until_ms:
                rows.append(_breakdown(at, invoice, start_ms, window_ms, inside, skip_zero_qty_line_items))
    rows.sort(key=lambda row: (row["breakdown_start_timestamp"], row["id"]), reverse=sort == "date_desc")
    page, cursor = paged(rows, lambda row: f"{row['id']}|{row['breakdown_start_timestamp']}", next_page, limit)
    return {"data": page, "next_page": cursor}


@router.get("/customers/{customer_id}/invoices/{invoice_id}", summary="Get an invoice")
def one(held: Held, _: CustomerReading, customer_id: str, invoice_id: str, skip_zero_qty_line_items: bool = False) -> Any:
    return {"data": invoice_out(shelf(held), _invoice(held, customer_id, invoice_id), skip_zero_qty_line_items)}


@router.get("/customers/{customer_id}/invoices/{invoice_id}/pdf", summary="An invoice as PDF", response_class=Response)
def pdf(held: Held, _: CustomerReading, customer_id: str, invoice_id: str) -> Response:
    return pdf_answer(held, _invoice(held, customer_id, invoice_id))


@router.get("/customers/{customer_id}/costs", summary="Costs of a customer by day")
def costs(
    held: Held, _: CustomerReading, customer_id: str, starting_on: str, ending_before: str, limit: int | None = None, next_page: str | None = None
) -> Any:
    """Of usage invoices, drafts included, by the day of the usage."""
    at, day_ms = shelf(held), WINDOWS["DAY"]
    from_ms, until_ms = instant(starting_on, "starting_on", 0), instant(ending_before, "ending_before", 0)
    if (until_ms - from_ms) // day_ms > 400:
        raise invalid("ending_before", "is more than 400 days after starting_on; ask in parts")
    by_day: dict[int, list[tuple[Invoice, Part]]] = defaultdict(list)
    for invoice, parts in _spread(held, at, customer_id, from_ms, until_ms, day_ms, None):
        if invoice.kind in ("usage", "correction") and invoice.status != "void":
            for part in parts:
                by_day[part.start_ms].append((invoice, part))
    rows = [_cost(at, day, by_day.get(day, []), day_ms) for day in range(from_ms - from_ms % day_ms, until_ms, day_ms)]
    page, cursor = paged(rows, lambda row: str(row["start_timestamp"]), next_page, limit)
    return {"data": page, "next_page": cursor}


@router.post("/customers/{customer_id}/previewEvents", summary="What invoices would be with these events")
def preview_events(held: Held, _: CustomerReading, customer_id: str, body: Json) -> Any:
    """Nothing is ingested. `replace` rates the given events alone, `merge` on top of what has arrived."""
    from console.metronome.previews import preview  # noqa: PLC0415 - the rating core is loaded when it is first needed

    fields, at = body.fields, shelf(held)
    at.customer(customer_id)
    mode = fields.word("mode", ("replace", "merge"), "replace")
    skip = fields.flag("skip_zero_qty_line_items", False)
    events = fields.objects("events")
    invoices = preview(held, at, customer_id, events, merge=mode == "merge")
    fields.done()
    return {"data": [invoice_out(at, each, skip) for each in invoices if each.status == "draft" and each.customer == customer_id]}


@router.post("/customers/{customer_id}/addCharge", summary="Put a one-time charge on an invoice")
def add_charge(held: Held, caller: Writing, customer_id: str, body: Json) -> Any:
    """`customer_plan_id` is a contract of the customer here, `charge_id` a fixed product of its catalogue."""
    name = new_id()

    def make(at: Shelf) -> Change:
        fields = body.fields
        contract = at.contract(customer_id, fields.text("customer_plan_id"))
        catalogue = at.catalogue(contract.catalogue)
        product = at.product_in(catalogue, fields.text("charge_id"), "charge_id")
        price, quantity = fields.number("price"), fields.number("quantity")
        charge = Charge(id=name, product=product, amount=Coins.of(catalogue).into(price), at=fields.instant("invoice_start_timestamp"), quantity=quantity)
        fields.text("description", empty=True)
        fields.done()
        return Change(None, contracts=[msgspec.structs.replace(contract, charges=[*contract.charges, charge])])

    change(held, caller, body, make)
    return {}


@router.post("/invoices/void", summary="Void an invoice")
def void(held: Held, caller: Writing, body: Json) -> Any:
    name = body.fields.text("id")
    body.fields.done()
    found = _any(held, name)
    if found.status == "void":
        raise invalid("id", "this invoice is void already")
    held.books.act("void", found.contract, found.starting_ms, caller.name)
    return {"data": {"id": name}}


@router.post("/invoices/regenerate", summary="Make a voided invoice anew, from usage and terms as they are now")
def regenerate(held: Held, caller: Writing, body: Json) -> Any:
    """The answer names the new invoice, when it is rated within a few seconds; else the voided one."""
    name = body.fields.text("id")
    body.fields.done()
    found = _any(held, name)
    if found.status != "void":
        raise invalid("id", "this invoice is not void; void it first")
    held.books.act("regenerate", found.contract, found.starting_ms, caller.name)
    deadline = time.monotonic() + REGENERATED_S
    while time.monotonic() < deadline:
        with held.warehouse.client() as client:
            there = reads.invoices_of(client, found.customer, contract=found.contract, from_ms=found.starting_ms, until_ms=found.starting_ms + 1)
        anew = [each.id for each in there if each.kind == found.kind and each.status != "void" and each.id != name]
        if anew:
            return {"data": {"id": anew[0]}}
        time.sleep(0.1)
    return {"data": {"id": name}}


def invoice_out(at: Shelf, invoice: Invoice, skip_zero: bool = False) -> dict[str, Any]:
    coins, catalogue = Coins(invoice.currency), _catalogue(at, invoice)
    kept = at.extras(invoice.contract)
    row: dict[str, Any] = {
        "id": invoice.id,
        "credit_type": coins.credit_type,
        "customer_id": invoice.customer,
        "contract_id": invoice.contract,
        "line_items": [line_out(at, catalogue, coins, line) for line in invoice.lines if line.quantity or line.amount or not skip_zero],
        "start_timestamp": iso(invoice.starting_ms),
        "end_timestamp": iso(invoice.ending_ms),
        "status": STATUS[invoice.status],
        "total": coins.out(invoice.total),
        "subtotal": coins.out(sum((line.amount for line in invoice.lines if line.kind not in ("commit", "discount")), Decimal(0))),
        "type": TYPES[invoice.kind],
        "contract_custom_fields": kept.get("custom_fields", {}),
    }
    if invoice.status == "final":
        row["issued_at"] = iso(invoice.issue_ms)
    for word in ("net_payment_terms_days", "salesforce_opportunity_id", "netsuite_sales_order_id"):
        if word in kept:
            row[word] = Decimal(kept[word]) if word == "net_payment_terms_days" else kept[word]
    return row


def line_out(at: Shelf, catalogue: Catalogue, coins: Coins, line: Line) -> dict[str, Any]:
    """A line; the sum of all lines is the invoice's total here as in the document."""
    product = catalogue.products.get(line.product or "")
    name = product.name if product else (line.commit or line.kind).replace("_", " ")
    row: dict[str, Any] = {
        "credit_type": coins.credit_type,
        "name": f"{name} ({line.commit} applied)" if line.kind == "commit" and product else name,
        "type": _line_type(line),
        "total": coins.out(line.amount),
        "starting_at": iso(line.starting_ms),
        "ending_before": iso(line.ending_ms),
    }
    if product is not None and line.product is not None:
        row |= {"product_id": ref(catalogue, line.product), "product_tags": product.tags, "product_type": f"{product.type.capitalize()}ProductListItem"}
        row["product_custom_fields"] = at.kept("product", ref(catalogue, line.product)).get("custom_fields", {})
        pricing = {key: value for key, value in line.group.items() if key in product.pricing_group_keys}
        shown = {key: value for key, value in line.group.items() if key in product.presentation_group_keys}
        row |= {"pricing_group_values": pricing} if pricing else {}
        row |= {"presentation_group_values": shown} if shown else {}
    if line.quantity is not None:
        row["quantity"] = tidy(line.quantity)
    if line.unit_price is not None:
        row["unit_price"] = coins.out(line.unit_price)
    if line.tier is not None:
        row["tier"] = {"level": line.tier, "starting_at": "0"}
    if line.commit is not None:
        row["commit_id"] = line.commit
        kind = _grant_kind(at, line.commit)
        row["applied_commit_or_credit"] = {"id": line.commit, "type": kind}
        if kind == "POSTPAID":
            row["postpaid_commit"] = {"id": line.commit}
    return row


def _line_type(line: Line) -> str:
    """The API's word: a charge that pays for a commit is its purchase, a composite product is usage."""
    if line.kind == "charge":
        return "commit_purchase" if line.commit else "scheduled"
    return {"commit": "applied_commit_or_credit", "composite": "usage", "true_up": "postpaid_trueup"}.get(line.kind, line.kind)


def _grant_kind(at: Shelf, name: str) -> str:
    for recorded in at.papers.documents.contracts.values():
        for commit in recorded.contract.commits:
            if commit.id == name:
                return commit.type.upper()
        if any(each.id == name for each in recorded.contract.recurring_commits):
            return "PREPAID"
    return "CREDIT"


def _selected(
    held: Services, at: Shelf, customer: str, contract: str, start: str | None, end: str | None, status: str | None, kind: str | None, sort: str
) -> list[Invoice]:
    at.customer(customer)
    if status is not None and status not in STATUS.values():
        raise invalid("status", f"must be one of {', '.join(STATUS.values())}")
    if kind is not None and kind not in ("USAGE", "USAGE_CONSOLIDATED", "SCHEDULED"):
        raise invalid("type", "must be one of USAGE, USAGE_CONSOLIDATED, SCHEDULED")
    if sort not in ("date_asc", "date_desc"):
        raise invalid("sort", "must be date_asc or date_desc")
    from_ms, until_ms = instant(start, "starting_on", reads.FIRST_MS), instant(end, "ending_before", reads.LAST_MS)
    with held.warehouse.client() as client:
        found: Sequence[Invoice] = reads.invoices_of(client, customer, contract=contract, from_ms=from_ms, until_ms=until_ms)
    kept = [each for each in found if status in (None, STATUS[each.status]) and kind in (None, TYPES[each.kind])]
    return kept if sort == "date_asc" else kept[::-1]


def _spread(held: Services, at: Shelf, customer: str, from_ms: int, until_ms: int, window_ms: int, status: str | None) -> list[tuple[Invoice, list[Part]]]:
    kept = at.customer(customer)
    with held.warehouse.client() as client:
        invoices = [each for each in reads.invoices_of(client, customer, until_ms=until_ms) if each.ending_ms > from_ms]
    found = []
    for invoice in invoices:
        if status not in (None, STATUS[invoice.status]):
            continue
        metered = hours(held.warehouse, [customer, *kept["ingest_aliases"]], _catalogue(at, invoice).id, invoice.starting_ms, invoice.ending_ms)
        found.append((invoice, spread(invoice, metered, window_ms)))
    return found


def _by_window(parts: Sequence[Part]) -> dict[int, list[Part]]:
    found: dict[int, list[Part]] = defaultdict(list)
    for part in parts:
        found[part.start_ms].append(part)
    return found


def _breakdown(at: Shelf, invoice: Invoice, start_ms: int, window_ms: int, parts: Sequence[Part], skip_zero: bool) -> dict[str, Any]:
    lines = [
        part.line._replace(
            amount=part.amount,
            quantity=part.quantity,
            starting_ms=max(part.line.starting_ms, start_ms),
            ending_ms=min(part.line.ending_ms, start_ms + window_ms),
        )
        for part in parts
    ]
    inside = invoice._replace(lines=tuple(lines), total=sum((line.amount for line in lines), Decimal(0)))
    row = invoice_out(at, inside, skip_zero)
    return row | {"breakdown_start_timestamp": iso(start_ms), "breakdown_end_timestamp": iso(start_ms + window_ms)}


def _cost(at: Shelf, day_ms: int, parts: Sequence[tuple[Invoice, Part]], length_ms: int) -> dict[str, Any]:
    by_type: dict[str, Any] = {}
    for invoice, part in parts:
        coins, catalogue = Coins(invoice.currency), _catalogue(at, invoice)
        kind = coins.credit_type
        of = by_type.setdefault(kind["id"], {"name": kind["name"], "cost": Decimal(0), "line_item_breakdown": []})
        amount = coins.out(part.amount)
        of["cost"] += amount
        line = line_out(at, catalogue, coins, part.line)
        row = {"name": line["name"], "cost": amount}
        for key, value in list(part.line.group.items())[:1]:
            row |= {"group_key": key, "group_value": value}
        of["line_item_breakdown"].append(row)
    return {"start_timestamp": iso(day_ms), "end_timestamp": iso(day_ms + length_ms), "credit_types": by_type}


def _catalogue(at: Shelf, invoice: Invoice) -> Catalogue:
    recorded = at.papers.documents.contracts.get(invoice.contract)
    return at.catalogue(recorded.contract.catalogue) if recorded else Catalogue()


def _invoice(held: Services, customer: str, name: str) -> Invoice:
    found = held.warehouse.invoice(name)
    if found is None or found.customer != customer:
        raise missing(f"invoice of customer {customer!r}", name, "invoice_id")
    return found


def _any(held: Services, name: str) -> Invoice:
    found = held.warehouse.invoice(name)
    if found is None:
        raise NotFoundError(Wrong("id", f"there is no invoice {name!r}"))
    return found
