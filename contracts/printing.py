"""Invoices as results: identities, order, totals. A line's identity is computed from what it is, so a re-rate finds it again."""

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from contracts.facts import InvoiceFact
from contracts.lines import Printed
from contracts.money import money
from contracts.result import Invoice, InvoiceKind, InvoiceStatus, Line

__all__ = ["Heading", "Sheet", "identity", "of_fact"]


def identity(*parts: object) -> str:
    """A short hash of what something is."""
    return blake2b("\x1f".join(map(str, parts)).encode(), digest_size=12).hexdigest()


class Heading(msgspec.Struct, frozen=True, gc=False):
    """An invoice without its lines. `generation` tells a regenerated one from the void one before it; of scheduled ones it numbers those of a date."""

    customer: str
    contract: str
    kind: InvoiceKind
    status: InvoiceStatus
    start: int
    end: int
    issue: int
    currency: str
    places: int
    generation: int


class Sheet:
    """An invoice as it is shown. What is printed as the same objects again is shown as the same objects."""

    def __init__(self, heading: Heading) -> None:
        self.heading = heading
        self._name = identity(
            heading.customer, heading.contract, heading.kind, heading.start, heading.issue if heading.kind == "scheduled" else "", heading.generation
        )
        self._printed: Sequence[Printed] | None = None
        self._lines: dict[int, tuple[Printed, str, int, Line]] = {}
        """By the identity of the printed line: that line, its key, how many of this key stand before it, what is shown."""
        self._shown: Invoice | None = None

    def invoice(self, printed: Sequence[Printed]) -> Invoice:
        """The invoice with these lines."""
        if self._shown is None or printed != self._printed:
            head = self.heading
            total = sum(part.amount for part in printed)
            self._shown = Invoice(
                self._name, head.customer, head.contract, head.kind, head.status, head.start, head.end, head.issue, head.currency, self._show(printed),
                money(total, head.places),
            )  # fmt: skip
            self._printed = printed
        return self._shown

    def _show(self, printed: Sequence[Printed]) -> tuple[Line, ...]:
        before, self._lines = self._lines, {}
        seen: dict[str, int] = {}
        found = []
        for part in printed:
            known = before.get(id(part))
            key = identity(self._name, *_told_apart_by(part)) if known is None else known[1]
            count = seen[key] = seen.get(key, -1) + 1
            if known is None or known[2] != count:
                known = (part, key, count, self._line(part, identity(key, count) if count else key))
            self._lines[id(part)] = known
            found.append(known[3])
        return tuple(found)

    def _line(self, part: Printed, name: str) -> Line:
        amount = money(part.amount, self.heading.places)
        return Line(
            name, part.kind, part.product, dict(part.group), part.start, part.end, part.quantity, part.unit_price, part.tier, amount, part.commit, part.override,  # type: ignore[arg-type]
        )  # fmt: skip


def _told_apart_by(line: Printed) -> tuple[object, ...]:
    return line.kind, line.product, line.group, line.start, line.tier, line.commit, line.override, line.mark


def of_fact(fact: InvoiceFact, status: InvoiceStatus | None = None) -> Invoice:
    """The invoice of a fact; `status`: another one than the fact's."""
    heading = Heading(
        fact.customer, fact.contract, fact.kind, status or fact.status, fact.start, fact.end, fact.issue, fact.currency, fact.places, fact.generation
    )
    return Sheet(heading).invoice([row.printed() for row in fact.rows])
