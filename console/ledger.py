"""The ledger of a commit or credit: what was granted, drawn by which invoice, lost at the end; its sum is the balance."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from contracts.contract import Access, Contract
from contracts.instants import instant_ms
from contracts.result import Balance, Invoice

ZERO: Final = Decimal(0)
FAR_MS: Final = 10_413_791_999_999


class Entry(NamedTuple):
    """One entry; amounts add up to the balance."""

    type: str
    """granted, drawn, expired, true_up or other (rollovers, manual entries)."""
    at_ms: int
    amount: Decimal
    invoice: str | None = None
    segment: int | None = None
    """Position of the access segment, where it is known."""


class Grant(NamedTuple):
    """A commit, credit or recurring grant of a contract."""

    id: str
    type: str
    access: Sequence[Access]


def grants(contract: Contract) -> list[Grant]:
    """All that a contract grants, in the order of the document."""
    found = [Grant(each.id, each.type, each.access) for each in contract.commits]
    found += [Grant(each.id, "credit", each.access) for each in contract.credits]
    found += [Grant(each.id, "prepaid", []) for each in contract.recurring_commits]
    return found + [Grant(each.id, "credit", []) for each in contract.recurring_credits]


def entries(contract: Contract, grant: Grant, balance: Balance, invoices: Iterable[Invoice], now_ms: int) -> list[Entry]:
    """Entries in the order of time. `invoices` are all that may have drawn, those of children too."""
    zone = contract.billing.timezone
    found = []
    granted = ZERO
    ends = []
    for number, segment in enumerate(grant.access):
        at_ms = instant_ms(segment.starting_at, zone)
        end_ms = instant_ms(segment.ending_before, zone) if segment.ending_before else FAR_MS
        if at_ms <= now_ms:
            granted += segment.amount
            found.append(Entry("granted", at_ms, segment.amount, None, number))
        if end_ms <= now_ms:
            ends.append(end_ms)
    if not grant.access and balance.granted:  # a recurring grant: its segments are the fold's
        granted = balance.granted
        found.append(Entry("granted", instant_ms(contract.starting_at, zone), balance.granted))
    drawn = ZERO
    for invoice in invoices:
        amount = _drawn(invoice, grant)
        if amount:
            drawn += amount
            found.append(Entry("drawn", invoice.ending_ms, -amount, invoice.id))
        true_up = sum((line.amount for line in invoice.lines if line.kind == "true_up" and line.commit == grant.id), ZERO)
        if true_up and invoice.status == "final" and invoice.contract == contract.id:
            drawn += true_up
            found.append(Entry("true_up", invoice.issue_ms, -true_up, invoice.id))
    if balance.expired:
        found.append(Entry("expired", max(ends, default=now_ms), -balance.expired))
    rest = balance.remaining - (granted - drawn - balance.expired)
    if rest:
        found.append(Entry("other", now_ms, rest))
    return sorted(found, key=lambda entry: entry.at_ms)


def _drawn(invoice: Invoice, grant: Grant) -> Decimal:
    if invoice.status == "void":
        return ZERO
    if grant.type == "postpaid":
        return sum((line.amount for line in invoice.lines if line.commit == grant.id and line.kind not in ("commit", "true_up")), ZERO)
    return -sum((line.amount for line in invoice.lines if line.commit == grant.id and line.kind == "commit"), ZERO)
