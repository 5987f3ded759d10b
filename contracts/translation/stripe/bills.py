"""Invoices of Stripe, as they are compared: a line meets ours by subscription, price and the period it is for."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.instants import instant_ms
from contracts.money import exact
from contracts.result import Invoice
from contracts.result import Line as OurLine
from contracts.timeline import iso
from contracts.translation.bills import Bill, Key, Line, Metered, Place
from contracts.translation.fields import invalid
from contracts.translation.saved import UNREADABLE, Finding, Saved
from contracts.translation.stripe.amounts import amount_in, currency_in, instant_in, number_in
from contracts.translation.stripe.subscriptions import HOUR_MS, id_of


def bills_in(saved: Iterable[Saved], contracts: Mapping[str, Contract], catalogues: Mapping[str, Catalogue], findings: list[Finding]) -> list[Bill]:
    """The invoices that can be compared; void ones and those of subscriptions that are not imported are told."""
    found = []
    for each in saved:
        try:
            if each.data.get("status") == "void":
                findings.append(each.finding("noted", "invoice", "status", "is void, so it is not compared"))
                continue
            name = _subscription(each.data)
            if name not in contracts:
                findings.append(each.finding("noted", "invoice", "subscription", f"is of subscription {name or '(none)'}, which was not imported; it is not compared"))
                continue
            found.append(_bill(each, contracts[name], catalogues[contracts[name].catalogue]))
        except UNREADABLE as error:
            findings += each.refusals("invoice", error)
    return sorted(found, key=lambda bill: (bill.customer, bill.contract, bill.starting_ms, bill.id))


def _subscription(row: Mapping[str, Any]) -> str:
    parent = ((row.get("parent") or {}).get("subscription_details") or {}).get("subscription")
    found = parent or row.get("subscription")
    return id_of(found) if found else ""


def _bill(saved: Saved, contract: Contract, catalogue: Catalogue) -> Bill:
    row = saved.data
    currency = currency_in(row["currency"], "currency")
    if row["lines"].get("has_more"):
        raise invalid("lines.has_more", f"the answer lacks some lines; save /v1/invoices/{saved.id}/lines into it")
    lines, metered, places = [], [], set()
    start, end = (instant_in(row.get(name) or row["created"], name) for name in ("period_start", "period_end"))
    for number, each in enumerate(row["lines"]["data"]):
        price = _price(each)
        product = catalogue.products.get(price)
        begin = _hour(instant_in(each["period"]["start"], f"lines[{number}].period.start"))
        end = max(end, instant_in(each["period"]["end"], f"lines[{number}].period.end"))
        kind = product.type if product is not None else "item"
        quantity = None if each.get("quantity") is None else number_in(each["quantity"], f"lines[{number}].quantity")
        lines.append(Line((kind, price or f"line {number + 1}", ""), str(each.get("description") or price), quantity, _net(each, currency, number)))
        places.add((contract.id, price, iso(begin)))
        if kind == "usage" and quantity is not None:
            starting_ms = max(begin, instant_ms(contract.starting_at))
            metered.append(Metered(contract.id, contract.customer, price, starting_ms, quantity, {}))
    return Bill(
        saved.id, id_of(row["customer"]), contract.id, str(row.get("billing_reason") or "invoice").replace("_", " "), str(row["status"]), currency,
        start, end, frozenset(places), lines, _total(row, currency), metered, saved.file,
    )  # fmt: skip


def _hour(moment: int) -> int:
    return moment - moment % HOUR_MS


def _price(line: Mapping[str, Any]) -> str:
    found = ((line.get("pricing") or {}).get("price_details") or {}).get("price") or line.get("price")
    return id_of(found) if found else ""


def _net(line: Mapping[str, Any], currency: str, number: int) -> Decimal:
    """The amount after discounts, before taxes that are on top."""
    path = f"lines[{number}]"
    with exact():
        off = sum((amount_in(each["amount"], currency, f"{path}.discount_amounts") for each in line.get("discount_amounts") or []), Decimal(0))
        return amount_in(line["amount"], currency, f"{path}.amount") - off


def _total(row: Mapping[str, Any], currency: str) -> Decimal:
    if row.get("total_excluding_tax") is not None:
        return amount_in(row["total_excluding_tax"], currency, "total_excluding_tax")
    taxes = row.get("total_taxes") or row.get("total_tax_amounts") or []
    with exact():
        return amount_in(row["total"], currency, "total") - sum((amount_in(each["amount"], currency, "total_taxes") for each in taxes), Decimal(0))


def place_of(invoice: Invoice, line: OurLine) -> Place | None:
    """Where a line of ours meets theirs: by contract, price and the start of its period."""
    if invoice.kind == "correction":
        return invoice.contract, "correction", iso(invoice.starting_ms)
    starting_ms = line.starting_ms if invoice.kind == "scheduled" else invoice.starting_ms
    return invoice.contract, line.product or "", iso(starting_ms)


def key_of(line: OurLine) -> Key:
    """A discount reduces the line it is for, as theirs do."""
    return "usage" if line.kind == "discount" else line.kind, line.product or "", ""
