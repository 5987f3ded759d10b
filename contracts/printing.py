"""Invoices as results: identities, order, totals. A line's identity is computed from what it is, so a re-rate finds it again."""

from collections.abc import Sequence
from hashlib import blake2b

from contracts.facts import InvoiceFact
from contracts.lines import Printed
from contracts.money import money
from contracts.result import Invoice, InvoiceKind, InvoiceStatus, Line

__all__ = ["identity", "invoice", "of_fact"]


def identity(*parts: object) -> str:
    """A short hash of what something is."""
    return blake2b("\x1f".join(map(str, parts)).encode(), digest_size=12).hexdigest()


def invoice(
    *, customer: str, contract: str, kind: InvoiceKind, status: InvoiceStatus, start: int, end: int, issue: int, currency: str, places: int, generation: int,
    lines: Sequence[Printed],
) -> Invoice:  # fmt: skip
    """The invoice with its lines. `generation` tells a regenerated invoice from the void one before it; of scheduled ones it numbers those of a date."""
    name = identity(customer, contract, kind, start, issue if kind == "scheduled" else "", generation)
    seen: dict[str, int] = {}
    found = []
    total = 0
    for line in lines:
        key = identity(name, line.kind, line.product, line.group, line.start, line.tier, line.commit, line.override, line.mark)
        count = seen[key] = seen.get(key, -1) + 1
        total += line.amount
        found.append(
            Line(
                identity(key, count) if count else key, line.kind, line.product, dict(line.group), line.start, line.end, line.quantity, line.unit_price,  # type: ignore[arg-type]
                line.tier, money(line.amount, places), line.commit, line.override,
            )
        )  # fmt: skip
    return Invoice(name, customer, contract, kind, status, start, end, issue, currency, tuple(found), money(total, places))


def of_fact(fact: InvoiceFact) -> Invoice:
    return invoice(
        customer=fact.customer, contract=fact.contract, kind=fact.kind, status=fact.status, start=fact.start, end=fact.end, issue=fact.issue,
        currency=fact.currency, places=fact.places, generation=fact.generation, lines=[row.printed() for row in fact.rows],
    )  # fmt: skip
