"""Results as the JSON of docs/documents, and their digest.

Amounts are text with the currency's minor units, quantities and unit prices plain decimal text without trailing zeros, times RFC 3339 in UTC.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from contracts.money import plain
from contracts.result import Alert, Balance, Invoice, Line, Reject, Result
from contracts.timeline import iso

__all__ = ["alert_json", "balance_json", "digest", "invoice_json", "line_json", "ordered", "reject_json", "result_json"]


def result_json(result: Result) -> dict[str, Any]:
    """The whole result, in canonical order, with its digest."""
    shown = ordered(result)
    return {
        "invoices": [invoice_json(each) for each in shown.invoices],
        "rejected": [reject_json(each) for each in shown.rejected],
        "balances": [balance_json(each) for each in shown.balances],
        "alerts": [alert_json(each) for each in shown.alerts],
        "digest": digest(shown.invoices, shown.balances),
    }


def invoice_json(invoice: Invoice) -> dict[str, Any]:
    return {
        "id": invoice.id,
        "customer": invoice.customer,
        "contract": invoice.contract,
        "kind": invoice.kind,
        "status": invoice.status,
        "starting_at": iso(invoice.starting_ms),
        "ending_before": iso(invoice.ending_ms),
        "issue_at": iso(invoice.issue_ms),
        "currency": invoice.currency,
        "lines": [line_json(line) for line in invoice.lines],
        "total": format(invoice.total, "f"),
    }


def line_json(line: Line) -> dict[str, Any]:
    return {
        "id": line.id,
        "kind": line.kind,
        "product": line.product,
        "group": dict(sorted(line.group.items())),
        "starting_at": iso(line.starting_ms),
        "ending_before": iso(line.ending_ms),
        "quantity": None if line.quantity is None else plain(line.quantity),
        "unit_price": None if line.unit_price is None else plain(line.unit_price),
        "tier": line.tier,
        "amount": format(line.amount, "f"),
        "commit": line.commit,
        "override": line.override,
    }


def balance_json(balance: Balance) -> dict[str, Any]:
    return {
        "id": balance.id,
        "customer": balance.customer,
        "contract": balance.contract,
        "type": balance.type,
        "granted": format(balance.granted, "f"),
        "applied": format(balance.applied, "f"),
        "expired": format(balance.expired, "f"),
        "remaining": format(balance.remaining, "f"),
    }


def alert_json(alert: Alert) -> dict[str, Any]:
    return {
        "customer": alert.customer,
        "contract": alert.contract,
        "threshold": alert.threshold,
        "state": alert.state,
        "value": format(alert.value, "f"),
        "crossing": alert.crossing,
        "at": iso(alert.at_ms),
    }


def reject_json(reject: Reject) -> dict[str, Any]:
    return {"transaction_id": reject.transaction_id, "reason": reject.reason}


def ordered(result: Result) -> Result:
    """The same result with invoices, lines, balances, alerts and rejects in the one order that everybody prints."""
    invoices = (invoice._replace(lines=tuple(sorted(invoice.lines, key=_line_key))) for invoice in result.invoices)
    return Result(
        tuple(sorted(invoices, key=_invoice_key)),
        tuple(sorted(result.balances, key=lambda each: (each.customer, each.contract, each.id))),
        tuple(sorted(result.alerts, key=lambda each: (each.at_ms, each.customer, each.contract, each.threshold, each.crossing, each.state == "ok"))),
        tuple(sorted(result.rejected)),
    )


def digest(invoices: Iterable[Invoice], balances: Iterable[Balance]) -> str:
    """`sha256:` over what is due and what is left: the same for the same inputs, whatever the order of arrival.

    Ids are left out, because they are computed from the rest and from names; alerts, because they are facts of the order of arrival.
    """
    facts = {
        "balances": sorted(map(_text, map(balance_json, balances))),
        "invoices": sorted(_text(_bare(invoice_json(each))) for each in invoices),
    }
    return "sha256:" + hashlib.sha256(_text(facts).encode()).hexdigest()


def _bare(invoice: dict[str, Any]) -> dict[str, Any]:
    lines = sorted(_text({key: value for key, value in line.items() if key != "id"}) for line in invoice["lines"])
    return {key: value for key, value in invoice.items() if key != "id"} | {"lines": lines}


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _invoice_key(invoice: Invoice) -> tuple[Any, ...]:
    return (invoice.starting_ms, invoice.customer, invoice.contract, invoice.kind, invoice.issue_ms, invoice.ending_ms, invoice.status, invoice.total)


def _line_key(line: Line) -> tuple[Any, ...]:
    named = (line.product is None, line.product or "", sorted(line.group.items()))
    return (*named, line.starting_ms, line.ending_ms, line.kind, line.tier or 0, line.commit or "", line.override or "", line.amount, line.quantity or 0)
