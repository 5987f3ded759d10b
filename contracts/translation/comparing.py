"""Our invoices beside theirs, to the minor unit: by invoice, and by line where an invoice differs."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from contracts.case import Case, UsageLine
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.instants import exact_ms
from contracts.money import exact, exponent, minor, money
from contracts.offline import rate
from contracts.result import Invoice, Reject
from contracts.result import Line as OurLine
from contracts.timeline import iso
from contracts.translation.bills import Bill, Key, Place

Where = Callable[[Invoice, OurLine], Place | None]
What = Callable[[OurLine], Key]


class LineDifference(NamedTuple):
    """Lines of one kind, product and group that do not come to the same; none: there are none on that side."""

    label: str
    theirs: Decimal | None
    ours: Decimal | None
    their_quantity: Decimal | None
    our_quantity: Decimal | None

    @property
    def difference(self) -> Decimal:
        return (self.ours or Decimal(0)) - (self.theirs or Decimal(0))


class Compared(NamedTuple):
    """An invoice of theirs and what ours come to in its place; without `theirs` it is one that only we have."""

    customer: str
    contract: str
    invoice: str
    kind: str
    status: str
    currency: str
    starting_ms: int
    theirs: Decimal | None
    ours: Decimal | None
    lines: tuple[LineDifference, ...]

    @property
    def difference(self) -> Decimal:
        return (self.ours or Decimal(0)) - (self.theirs or Decimal(0))

    @property
    def same(self) -> bool:
        return self.difference == 0 and not self.lines


class Rated(NamedTuple):
    invoices: list[Invoice]
    rejected: list[Reject]


class _Sum:
    """What lines of one key come to."""

    def __init__(self) -> None:
        self.amount = Decimal(0)
        self.quantity: Decimal | None = None
        self.label = ""

    def add(self, amount: Decimal, quantity: Decimal | None, label: str) -> None:
        with exact():
            self.amount += amount
            if quantity is not None:
                self.quantity = quantity + (self.quantity or Decimal(0))
        self.label = self.label or label


def rated(catalogues: Sequence[Catalogue], contracts: Sequence[Contract], usage: Sequence[UsageLine], until_ms: int) -> Rated:
    """All invoices of the contracts once every period that ends by `until_ms` is final."""
    found = Rated([], [])
    for catalogue in catalogues:
        mine = [each for each in contracts if each.catalogue == catalogue.id]
        if not mine:
            continue
        grace_ms = max(exact_ms(each.billing.grace) for each in mine)
        last_ms = until_ms + grace_ms
        customers = {name for each in mine for name in (each.customer, *each.aliases)}
        case = Case(case="import", catalogue=catalogue, contracts=mine, usage=[each for each in usage if each.customer in customers], as_of=iso(last_ms))
        (result,) = rate(case)
        found.invoices.extend(result.invoices)
        found.rejected.extend(result.rejected)
    return found


def compared(bills: Sequence[Bill], ours: Iterable[Invoice], where: Where, what: What) -> list[Compared]:
    """Each of their invoices with what ours come to in the same places; then what we have, within the time of a contract's invoices, that they lack."""
    parts: dict[Place, dict[Key, _Sum]] = defaultdict(lambda: defaultdict(_Sum))
    homes: dict[Place, Invoice] = {}
    for invoice in ours:
        for line in invoice.lines:
            place = where(invoice, line)
            if place is not None and invoice.status != "void":
                homes.setdefault(place, invoice)
                parts[place][what(line)].add(line.amount, line.quantity, _label(line))
    found = []
    for bill in bills:
        found.append(_compared(bill, [parts.pop(place) for place in bill.places if place in parts]))
    return found + list(_alone(parts, homes, bills))


def gaps(bills: Sequence[Bill], ours: Iterable[Invoice]) -> dict[str, list[int]]:
    """Periods up to a contract's last invoice that have none in the export, by contract: their usage is not in what invoices tell."""
    there: dict[str, set[str]] = defaultdict(set)
    for bill in bills:
        for contract, _, at in bill.places:
            there[contract].add(at)
    found: dict[str, list[int]] = defaultdict(list)
    for invoice in ours:
        at = iso(invoice.starting_ms)
        if invoice.kind == "usage" and invoice.contract in there and at not in there[invoice.contract] and at <= max(there[invoice.contract]):
            found[invoice.contract].append(invoice.starting_ms)
    return found


def _compared(bill: Bill, parts: Iterable[dict[Key, _Sum]]) -> Compared:
    places = exponent(bill.currency)
    theirs: dict[Key, _Sum] = defaultdict(_Sum)
    for line in bill.lines:
        theirs[line.key].add(line.amount, line.quantity, line.label)
    ours: dict[Key, _Sum] = defaultdict(_Sum)
    for part in parts:
        for key, each in part.items():
            ours[key].add(each.amount, each.quantity, each.label)
    lines = [_line(theirs.get(key), ours.get(key), places) for key in sorted({*theirs, *ours})]
    with exact():
        total = sum((each.amount for each in ours.values()), Decimal(0)) if ours else None
    return Compared(
        bill.customer, bill.contract, bill.id, bill.kind, bill.status, bill.currency, bill.starting_ms, _cents(bill.total, places), total,
        tuple(each for each in lines if each.difference),
    )  # fmt: skip


def _line(theirs: _Sum | None, ours: _Sum | None, places: int) -> LineDifference:
    label = theirs.label if theirs else ours.label if ours else ""
    return LineDifference(
        label,
        _cents(theirs.amount, places) if theirs else None,
        ours.amount if ours else None,
        theirs.quantity if theirs else None,
        ours.quantity if ours else None,
    )


def _alone(parts: dict[Place, dict[Key, _Sum]], homes: dict[Place, Invoice], bills: Sequence[Bill]) -> Iterable[Compared]:
    times: dict[tuple[str, str], list[str]] = defaultdict(list)
    for bill in bills:
        for contract, kind, at in bill.places:
            times[contract, kind].append(at)
    for place, keys in sorted(parts.items()):
        contract, kind, at = place
        inside = times.get((contract, kind))
        with exact():
            total = sum((each.amount for each in keys.values()), Decimal(0))
        beside = kind != "correction" and (not inside or not min(inside) <= at <= max(inside))
        if not total or beside:
            continue
        invoice = homes[place]
        lines = tuple(LineDifference(each.label, None, each.amount, None, each.quantity) for _, each in sorted(keys.items()) if each.amount)
        yield Compared(invoice.customer, contract, "", kind, "", invoice.currency, invoice.starting_ms, None, total, lines)


def _cents(amount: Decimal, places: int) -> Decimal:
    return money(minor(amount, places), places)


def _label(line: OurLine) -> str:
    group = ", ".join(f"{key}={value}" for key, value in sorted(line.group.items()))
    name = line.product or line.commit or ""
    return " ".join(filter(None, ("" if line.kind == "usage" else line.kind.replace("_", "-"), name, group)))
