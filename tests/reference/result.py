"""The Result of documents.md, from the books of a case at a reading."""

from fractions import Fraction
from typing import Any

from contracts.case import Case
from tests.reference.events import Known
from tests.reference.fold import Folded, Invoice, fold, span
from tests.reference.invoices import Books, access_of, applied_to, books_at, true_up
from tests.reference.money import fixed, places, plain
from tests.reference.times import FOREVER, parse, text


def evaluate(case: Case) -> dict[str, Any]:
    """The Result of a case, or {"readings": [Result, …]}."""
    if case.readings:
        return {"readings": [reading(case, parse(each.as_of)) for each in case.readings]}
    assert case.as_of is not None
    return reading(case, parse(case.as_of))


def reading(case: Case, as_of: int) -> dict[str, Any]:
    books = books_at(case, as_of)
    folded = fold(books.known, books.facts, as_of)
    invoices = [*books.facts.invoices, *folded.drafts]
    for contract in books.known.contracts.values():
        for commit in contract.commits:
            if commit.type == "postpaid" and (contract.id, commit.id) not in books.facts.true_ups:
                access = access_of(contract, commit.id, books)
                if min(segment.start for segment in access) <= as_of:
                    invoices.append(true_up(contract, commit.id, access, folded, books))
    decimals = places(books.known.catalogue.currency)
    shown = [_invoice(each, books.known, decimals) for each in invoices]
    shown.sort(key=lambda each: (each["customer"], each["contract"], each["starting_at"], each["kind"], each["issue_at"]))
    return {
        "invoices": shown,
        "balances": _balances(books, folded, as_of, decimals),
        "alerts": [{**each._asdict(), "value": plain(each.value), "at": text(each.at)} for each in books.watch.alerts],
        "rejected": [{"transaction_id": name, "reason": reason} for name, reason in books.known.rejected],
    }


def _invoice(each: Invoice, known: Known, decimals: int) -> dict[str, Any]:
    contract = known.contracts[each.contract]
    lines = []
    for item in each.lines:
        line = {
            "kind": item.kind,
            "product": item.product,
            "group": dict(item.group),
            "starting_at": text(item.start),
            "ending_before": None if item.end >= FOREVER else text(item.end),
            "quantity": None if item.quantity is None else plain(item.quantity),
            "unit_price": None if item.unit_price is None else plain(item.unit_price),
            "tier": item.tier,
            "amount": fixed(item.amount, decimals),
            "commit": item.commit,
            "override": item.override,
        }
        lines.append(line)
        if item.segment is not None and item.segment.grant.type != "postpaid":
            lines.append(
                line | {"kind": "commit", "quantity": None, "unit_price": None, "tier": None, "override": None, "amount": fixed(-item.amount, decimals)}
            )
    return {
        "customer": contract.customer,
        "contract": contract.id,
        "kind": each.kind,
        "status": each.status,
        "starting_at": text(each.start),
        "ending_before": None if each.end >= FOREVER else text(each.end),
        "issue_at": text(each.issue),
        "currency": known.catalogue.currency,
        "lines": lines,
        "total": fixed(each.total, decimals),
    }


def _balances(books: Books, folded: Folded, as_of: int, decimals: int) -> list[dict[str, Any]]:
    """One row a grant over the segments that have started."""
    found: dict[tuple[str, str, bool], dict[str, Any]] = {}
    renewed = {each.renews for each in books.known.contracts.values() if each.renews and span(each)[0] <= as_of}
    for segment in folded.segments:
        grant = segment.grant
        if segment.start > as_of and not applied_to({segment.key}, folded, books.facts):
            continue
        row = found.setdefault(
            (grant.contract, grant.id, grant.rolled),
            {"id": grant.id, "contract": grant.contract, "customer": books.known.contracts[grant.contract].customer, "type": grant.type, "rolled": grant.rolled}
            | dict.fromkeys(("granted", "applied", "expired", "remaining"), Fraction(0)),
        )
        row["granted"] += segment.amount
        row["applied"] += applied_to({segment.key}, folded, books.facts)
        left = folded.left[segment.key]
        if segment.key in folded.moved:
            row["expired"] += left - folded.moved[segment.key]
        elif grant.type != "postpaid" and (segment.end <= as_of or (grant.contract in renewed and grant.rollover)):
            row["expired"] += left
        else:
            row["remaining"] += left
    rows = [row | {key: fixed(row[key], decimals) for key in ("granted", "applied", "expired", "remaining")} for _, row in sorted(found.items())]
    return [row for row in rows if not row.pop("rolled")]
