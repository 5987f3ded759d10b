"""Invoices of an export, as they are compared."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.instants import instant_ms
from contracts.money import exact
from contracts.result import Invoice
from contracts.result import Line as OurLine
from contracts.timeline import iso
from contracts.translation.bills import Bill, Key, Line, Metered, Place, together
from contracts.translation.fields import Fields, invalid
from contracts.translation.metronome.coins import Coins
from contracts.translation.saved import UNREADABLE, Finding, Saved

SCHEDULED: Final = ("scheduled", "true_up")
APPLIED: Final = "applied_commit_or_credit"
DAY: Final = 10


def bills_in(saved: Iterable[Saved], contracts: Mapping[str, Contract], catalogues: Mapping[str, Catalogue], findings: list[Finding]) -> list[Bill]:
    """The invoices that can be compared; void ones and those of contracts that are not imported are told."""
    found: list[Bill] = []
    for each in saved:
        row = each.data
        if row.get("status") == "VOID":
            findings.append(each.finding("noted", "invoice", "status", "is void, so it is not compared"))
        elif str(row.get("contract_id")) not in contracts:
            findings.append(each.finding("noted", "invoice", "contract_id", f"is of contract {row.get('contract_id')}, which was not imported; it is not compared"))
        else:
            contract = contracts[str(row["contract_id"])]
            try:
                found.append(_bill(each, contract, catalogues[contract.catalogue]))
            except UNREADABLE as error:
                findings += each.refusals("invoice", error)
    return sorted(together(found), key=lambda bill: (bill.customer, bill.contract, bill.starting_ms, bill.id))


def _bill(saved: Saved, contract: Contract, catalogue: Catalogue) -> Bill:
    row, coins = saved.data, Coins.of(catalogue)
    kind = {"USAGE": "usage", "SCHEDULED": "scheduled"}.get(row["type"])
    if kind is None:
        raise invalid("type", f"{row['type']} is not compared; USAGE and SCHEDULED are")
    at = row.get("start_timestamp") if kind == "usage" else row.get("issued_at") or row.get("start_timestamp")
    if not at:
        raise invalid("start_timestamp" if kind == "usage" else "issued_at", "is missing, so nobody can tell which invoice of ours it is")
    start_ms = instant_ms(str(at))
    lines = [line for each in row["line_items"] for line in _lines(each, catalogue, coins)]
    metered = [_metered(each, contract, start_ms) for each in row["line_items"] if _is_usage(each, catalogue)]
    place = (contract.id, kind, iso(start_ms) if kind == "usage" else iso(start_ms)[:DAY])
    return Bill(
        saved.id, str(row["customer_id"]), contract.id, kind, str(row["status"]), catalogue.currency, start_ms, _end(row, start_ms), frozenset([place]), lines,
        coins.into(Decimal(row["total"])), metered, saved.file,
    )  # fmt: skip


def _end(row: Mapping[str, Any], start_ms: int) -> int:
    end = row.get("end_timestamp")
    return max(start_ms, instant_ms(end)) if end else start_ms


def _lines(row: Mapping[str, Any], catalogue: Catalogue, coins: Coins) -> Iterable[Line]:
    """A line; what a postpaid commit counts is shown and not due, and a line in a pricing unit is worth its price."""
    kind, grant = str(row["type"]), row.get("applied_commit_or_credit") or {}
    if kind == APPLIED and grant.get("type") == "POSTPAID":
        return
    unit = (row.get("credit_type") or {}).get("id")
    total, quantity = Decimal(row["total"]), row.get("quantity")
    with exact():
        amount = total * catalogue.pricing_units[unit].price if unit in catalogue.pricing_units else coins.into(total)
    if kind == "cpu_conversion":
        return  # the lines in the unit are counted at its price already
    yield Line(_key(row, catalogue), str(row.get("name", "")), None if quantity is None else Decimal(quantity), amount)


def _key(row: Mapping[str, Any], catalogue: Catalogue) -> Key:
    kind = str(row["type"])
    if kind == APPLIED:
        return "commit", str((row.get("applied_commit_or_credit") or {}).get("id") or row.get("commit_id")), ""
    if kind in ("commit_purchase", "postpaid_trueup"):
        return "purchase", str(row.get("commit_id") or (row.get("postpaid_commit") or {}).get("id")), ""
    product = str(row.get("product_id", ""))
    if kind == "usage" and product in catalogue.products and catalogue.products[product].type == "composite":
        kind = "composite"
    return {"scheduled": "charge"}.get(kind, kind), product, _group(_values(row))


def _values(row: Mapping[str, Any]) -> dict[str, str]:
    """Group values of a line; one that the usage lacks is left out. Raises RefusedError."""
    found = {**(row.get("pricing_group_values") or {}), **(row.get("presentation_group_values") or {})}
    return Fields({"values": {key: value for key, value in found.items() if value is not None}}, "line_items").mapping("values")


def _group(group: Mapping[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(group.items()))


def _is_usage(row: Mapping[str, Any], catalogue: Catalogue) -> bool:
    product = catalogue.products.get(str(row.get("product_id")))
    return row["type"] == "usage" and product is not None and product.type == "usage" and row.get("quantity") is not None


def _metered(row: Mapping[str, Any], contract: Contract, start_ms: int) -> Metered:
    at = row.get("starting_at")
    return Metered(
        contract.id,
        contract.customer,
        str(row["product_id"]),
        max(start_ms, instant_ms(at)) if at else start_ms,
        Decimal(row["quantity"]),
        _values(row),
    )


def place_of(invoice: Invoice, _: OurLine) -> Place | None:
    """Where one of our invoices meets theirs: usage by its period, what is scheduled by its day."""
    if invoice.kind == "usage":
        return invoice.contract, "usage", iso(invoice.starting_ms)
    if invoice.kind in SCHEDULED:
        return invoice.contract, "scheduled", iso(invoice.issue_ms)[:DAY]
    return invoice.contract, "correction", iso(invoice.starting_ms)


def key_of(line: OurLine) -> Key:
    """What a line of ours is added up by."""
    if line.kind == "commit":
        return "commit", line.commit or "", ""
    if line.kind == "true_up" or (line.kind == "charge" and line.commit):
        return "purchase", line.commit or "", ""
    return line.kind, line.product or "", _group(line.group)
