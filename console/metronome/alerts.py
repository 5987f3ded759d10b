"""`/v1/alerts…` and `/v1/customer-alerts…`: thresholds of contracts.

An alert is a threshold on every contract of its customer, or of all customers; contracts that are made later get it too.
"""

from decimal import Decimal
from typing import Any, Final, Literal

import msgspec
from fastapi import APIRouter

from console.access.guard import CustomerReading, Writing
from console.books import Change
from console.errors import ConflictError, invalid, missing
from console.metronome.serving import change, paged, shelf
from console.metronome.shelf import Shelf, at_text, new_id, now_ms
from console.requests import Held, Json
from console.services import Services
from console.wire import Answer, Exact
from contracts.catalogue import Catalogue
from contracts.contract import Commit, Contract, Credit, RecurringCommit, RecurringGrant, Threshold
from contracts.result import Alert
from contracts.translation.fields import Wrong
from contracts.translation.metronome.coins import Coins, tidy
from pipelines.objects import Object
from pipelines.warehouse import reads

router = APIRouter(prefix="/v1", tags=["Metronome: alerts"], default_response_class=Answer, route_class=Exact)

Measure = Literal["balance", "balance_percent", "spend", "usage", "invoice_total"]
MEASURES: Final[dict[str, Measure]] = {
    "low_remaining_contract_credit_and_commit_balance_reached": "balance",
    "low_remaining_commit_balance_reached": "balance",
    "low_remaining_contract_credit_balance_reached": "balance",
    "low_remaining_contract_credit_and_commit_percentage_reached": "balance_percent",
    "low_remaining_commit_percentage_reached": "balance_percent",
    "low_remaining_contract_credit_percentage_reached": "balance_percent",
    "spend_threshold_reached": "spend",
    "usage_threshold_reached": "usage",
    "invoice_total_reached": "invoice_total",
}
ONLY: Final = {
    "low_remaining_commit_balance_reached": "commit",
    "low_remaining_commit_percentage_reached": "commit",
    "low_remaining_contract_credit_balance_reached": "credit",
    "low_remaining_contract_credit_percentage_reached": "credit",
}
FILTERS: Final = ("alert_specifiers", "credit_grant_type_filters", "custom_field_filters", "group_values", "invoice_types_filter", "plan_id", "seat_filter")


@router.post("/alerts/create", summary="Create an alert")
def create(held: Held, caller: Writing, body: Json) -> Any:
    fields, name = body.fields, new_id()
    kind = fields.text("alert_type")
    if kind not in MEASURES:
        raise invalid("alert_type", f"{kind!r} is not served; served are {', '.join(MEASURES)}")
    fields.refuse("is not served", *FILTERS)
    if fields.word("access_type", ("SPEND",), "SPEND") != "SPEND":
        raise invalid("access_type", "QUANTITY is not served")
    key = fields.text_or_none("uniqueness_key")
    kept: dict[str, Any] = {
        "type": kind,
        "name": fields.text("name"),
        "threshold": str(fields.number("threshold")),
        "customer": fields.text_or_none("customer_id"),
        "metric": fields.text_or_none("billable_metric_id"),
        "uniqueness_key": key,
        "resets": {},
        "updated_ms": now_ms(),
        "archived_ms": None,
    }
    if (kept["metric"] is not None) != (kind == "usage_threshold_reached"):
        raise invalid("billable_metric_id", "belongs to usage_threshold_reached, which needs it")
    fields.text_or_none("credit_type_id")
    fields.flag("evaluate_on_create", True)
    fields.done()

    def make(at: Shelf) -> Change:
        if kept["customer"] is not None:
            at.customer(kept["customer"])
        if kept["metric"] is not None:
            at.metric(kept["metric"], "billable_metric_id")
        objects = at.once("alerts", key, name)
        alert = Object("alert", name, kept)
        contracts = [with_threshold(at, each, alert) for each in _concerned(at, kept["customer"])]
        return Change({"data": {"id": name}}, contracts=[each for each in contracts if each is not None], objects=[alert, *objects])

    return change(held, caller, body, make)


@router.post("/alerts/archive", summary="Archive an alert")
def archive(held: Held, caller: Writing, body: Json) -> Any:
    name, release = body.fields.text("id"), body.fields.flag("release_uniqueness_key", False)
    body.fields.done()

    def make(at: Shelf) -> Change:
        kept = _kept(at, name, "id")
        if kept.get("archived_ms"):
            raise ConflictError(Wrong("id", "this alert is archived already"))
        objects = [Object("alert", name, kept | {"archived_ms": now_ms(), "updated_ms": now_ms()})]
        if release and kept["uniqueness_key"]:
            objects.append(Object("uniqueness", f"alerts:{kept['uniqueness_key']}", {}, deleted=True))
        contracts = [without_threshold(each, name) for each in _concerned(at, kept["customer"])]
        return Change({"data": {"id": name}}, contracts=[each for each in contracts if each is not None], objects=objects)

    return change(held, caller, body, make)


@router.post("/customer-alerts/list", summary="A customer's alerts and their state")
def listed(held: Held, caller: CustomerReading, body: Json, next_page: str | None = None) -> Any:
    customer = body.fields.text("customer_id")
    caller.see(customer)
    wanted = body.fields.texts("alert_statuses") or ["ENABLED"]
    body.fields.done()
    at = shelf(held)
    at.customer(customer)
    found = [each for each in at.objects.of("alert") if each.body["customer"] in (None, customer) and _status(each).upper() in wanted]
    page, cursor = paged(found, lambda each: str(each.id), next_page, None)
    crossings = _crossings(held, customer)
    return {"data": [alert_out(at, each, customer, crossings) for each in page], "next_page": cursor}


@router.post("/customer-alerts/get", summary="An alert's state for a customer")
def one(held: Held, caller: CustomerReading, body: Json) -> Any:
    customer, name = body.fields.text("customer_id"), body.fields.text("alert_id")
    caller.see(customer)
    body.fields.refuse("is not served", "alert_specifiers", "group_values", "seat_filter")
    body.fields.word("plans_or_contracts", ("PLANS", "CONTRACTS"), "CONTRACTS")
    body.fields.done()
    at = shelf(held)
    at.customer(customer)
    alert = at.objects.get("alert", name)
    if alert is None or alert.body["customer"] not in (None, customer):
        raise missing("alert", name, "alert_id")
    return {"data": alert_out(at, alert, customer, _crossings(held, customer))}


@router.post("/customer-alerts/reset", summary="Let an alert fire again for a customer")
def reset(held: Held, caller: Writing, body: Json) -> Any:
    """The threshold begins anew: it fires again when its condition still holds."""
    customer, name = body.fields.text("customer_id"), body.fields.text("alert_id")
    body.fields.done()

    def make(at: Shelf) -> Change:
        kept = _kept(at, name, "alert_id")
        if kept["customer"] not in (None, customer):
            raise missing("alert", name, "alert_id")
        kept["resets"] = {**kept["resets"], customer: kept["resets"].get(customer, 0) + 1}
        alert = Object("alert", name, kept)
        contracts = [with_threshold(at, without_threshold(each, name) or each, alert) for each in at.contracts_of(customer)]
        return Change(None, contracts=[each for each in contracts if each is not None], objects=[alert])

    change(held, caller, body, make)
    return {}


def threshold_for(at: Shelf, alert: Object, customer: str, catalogue: Catalogue, contract: Contract | None = None) -> Threshold | None:
    """The alert as a threshold of one of the customer's contracts; none: it is not about them."""
    body = alert.body
    if body["archived_ms"] or body["customer"] not in (None, customer):
        return None
    measure, at_value, metric = MEASURES[body["type"]], Decimal(body["threshold"]), None
    if measure == "usage":
        of, metric, _ = at.metric(body["metric"], "billable_metric_id")
        if of.id != catalogue.id:
            return None
    elif measure != "balance_percent":
        at_value = Coins.of(catalogue).into(at_value)
    only = ONLY.get(body["type"])
    commits = _grants(contract, only) if contract and only else []
    return Threshold(id=threshold_id(alert, customer), measure=measure, at=at_value, metric=metric, commits=commits)


def threshold_id(alert: Object, customer: str) -> str:
    resets = alert.body["resets"].get(customer, 0)
    return f"{alert.id}~{resets}" if resets else alert.id


def with_threshold(at: Shelf, contract: Contract, alert: Object) -> Contract | None:
    threshold = threshold_for(at, alert, contract.customer, at.catalogue(contract.catalogue), contract)
    return None if threshold is None else msgspec.structs.replace(contract, thresholds=[*contract.thresholds, threshold])


def without_threshold(contract: Contract, alert: str) -> Contract | None:
    """The contract without the alert's threshold; none: it has none."""
    kept = [each for each in contract.thresholds if each.id.partition("~")[0] != alert]
    return None if len(kept) == len(contract.thresholds) else msgspec.structs.replace(contract, thresholds=kept)


def alert_out(at: Shelf, alert: Object, customer: str, crossings: dict[str, Alert]) -> dict[str, Any]:
    body, latest = alert.body, crossings.get(threshold_id(alert, customer))
    row: dict[str, Any] = {
        "id": alert.id,
        "name": body["name"],
        "type": body["type"],
        "status": _status(alert),
        "threshold": tidy(Decimal(body["threshold"])),
        "updated_at": at_text(body["updated_ms"]),
        "uniqueness_key": body["uniqueness_key"],
    }
    if MEASURES[body["type"]] not in ("usage", "balance_percent"):
        row["credit_type"] = Coins.of(at.catalogue()).credit_type
    state = None if body["archived_ms"] else "in_alarm" if latest is not None and latest.state == "in_alarm" else "ok"
    return {"alert": row, "customer_status": state}


def _status(alert: Object) -> str:
    return "archived" if alert.body["archived_ms"] else "enabled"


def _kept(at: Shelf, name: str, field: str) -> dict[str, Any]:
    found = at.objects.get("alert", name)
    if found is None:
        raise missing("alert", name, field)
    return dict(found.body)


def _concerned(at: Shelf, customer: str | None) -> list[Contract]:
    if customer is not None:
        return at.contracts_of(customer)
    return [each.contract for each in at.papers.documents.contracts.values()]


def _crossings(held: Services, customer: str) -> dict[str, Alert]:
    """The latest change of state by threshold."""
    with held.warehouse.client() as client:
        return {each.threshold: each for each in reads.alerts(client, customer=customer)}


def _grants(contract: Contract, only: str) -> list[str]:
    grants: list[Commit | RecurringCommit | Credit | RecurringGrant] = []
    grants += [*contract.commits, *contract.recurring_commits] if only == "commit" else [*contract.credits, *contract.recurring_credits]
    return [each.id for each in grants]
