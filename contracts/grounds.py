"""What a line stands on that no usage stands behind: the term it comes from, in words, and the lines it is worked out from.

A discount, a minimum, a maximum, a share of other spend and a true-up come from other lines, and those from usage: so every amount leads to events.
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from contracts.contract import Charge, Subscription
from contracts.lines import Printed
from contracts.money import minor, money, plain, quotient
from contracts.reading import read
from contracts.result import Invoice, Line
from contracts.subscriptions import Due, dues
from contracts.terms import BoundTerms, ContractTerms
from contracts.timeline import iso

if TYPE_CHECKING:
    from contracts.life import Life

__all__ = ["Ground", "Grounds", "grounds"]

CUTS = ("discount", "maximum")
ADDED = ("minimum", "maximum", "discount")


class Ground(NamedTuple):
    """A line that another one is worked out from."""

    invoice: str
    line: str
    what: str
    """Product, or the kind of a line without one."""
    amount: Decimal


class Grounds(NamedTuple):
    """Sentences, and lines."""

    said: tuple[str, ...] = ()
    lines: tuple[Ground, ...] = ()


def grounds(life: "Life", invoice: Invoice, shown: Line) -> Grounds:
    """Of a line of one of the account's invoices; empty where its usage says it all."""
    if shown.kind == "true_up":
        return _true_up(life, invoice, shown)
    printed = _printed(life, invoice)
    place = next((number for number, line in enumerate(invoice.lines) if line.id == shown.id), None)
    if printed is None or place is None or place >= len(printed):
        return Grounds()
    mark = printed[place].mark
    for terms in _billed_by(life, invoice.contract):
        section = "" if terms.id == invoice.contract else terms.id
        if not mark.startswith(section) and shown.kind in ADDED:
            continue
        own = [line for line, part in zip(invoice.lines, printed, strict=True) if part.mark.startswith(section)]
        found = _of(terms, invoice, shown, mark.removeprefix(section), own)
        if found is not None:
            return found
    return Grounds()


def _of(terms: ContractTerms, invoice: Invoice, shown: Line, mark: str, lines: Sequence[Line]) -> Grounds | None:
    match shown.kind:
        case "charge":
            said = _charge(terms, shown, mark)
        case "subscription":
            said = _subscription(terms, shown, mark)
        case "composite":
            return _composite(terms, invoice, shown, lines)
        case "discount":
            return _discount(terms, invoice, shown, mark, lines)
        case "minimum":
            return _bound(terms, invoice, shown, terms.minimums, lines)
        case "maximum":
            return _bound(terms, invoice, shown, terms.maximums, lines)
        case _:
            return None
    return None if said is None else Grounds((said,))


def _charge(terms: ContractTerms, shown: Line, mark: str) -> str | None:
    kind, _, name = mark.partition("/")
    on = iso(shown.starting_ms)
    if kind == "purchase" and shown.commit is not None and any(grant.id == shown.commit for grant in terms.grants):
        return f"the purchase of commit {shown.commit} of {terms.id}: {plain(shown.amount)} due on {on}"
    charge = next((each for each in terms.document.charges if kind == "charge" and name.startswith(f"{each.id}/")), None)
    return None if charge is None else f"charge {charge.id} of {terms.id}: {_series(charge)}; due on {on}"


def _series(charge: Charge) -> str:
    what = plain(charge.amount) + ("" if charge.quantity == 1 else f" × {plain(charge.quantity)}")
    if charge.every is None:
        return f"{what}, once"
    span = (f" from {charge.from_}" if charge.from_ else "") + (f" until {charge.until}" if charge.until else "")
    return f"{what} every {charge.every}{span}" if charge.split == "each" else f"{what} divided over every {charge.every}{span}"


def _subscription(terms: ContractTerms, shown: Line, mark: str) -> str | None:
    name = mark.removeprefix("subscription/")
    for document in terms.document.subscriptions:
        if not name.startswith(f"{document.id}/"):
            continue
        for due in dues(terms, document):
            if due.name == name:
                return _due(terms, document, due)
            if due.start > shown.starting_ms:
                break
    return None


def _due(terms: ContractTerms, document: Subscription, due: Due) -> str:
    quantity, price = (plain(quotient(each.numerator, each.denominator)) for each in (due.quantity, due.price))
    said = f"subscription {document.id} of {terms.id}: {quantity} × {price} every {document.every}, collected in {document.collect}"
    if any(terms.ms(each.at) == due.start for each in document.changes):
        said += "; what a change adds from its day on"
    if due.amount != minor(due.quantity * due.price, terms.places):
        said += f"; the days from {iso(due.start)} to {iso(due.end)} of a period"
    return said


def _composite(terms: ContractTerms, invoice: Invoice, shown: Line, lines: Sequence[Line]) -> Grounds | None:
    product = next((each for each in terms.card.composites if each.id == shown.product), None)
    if product is None or product.of is None:
        return None
    targets = (terms.card.targets(product.of.products, product.of.tags) or frozenset()) - {product.id}
    base = [
        line for line in lines if line.product in targets and line.kind not in (*CUTS, "correction") and shown.starting_ms <= line.starting_ms < shown.ending_ms
    ]
    return Grounds((f"a share of the spend on {', '.join(sorted(targets))}",), tuple(_grounds(invoice, base)))


def _discount(terms: ContractTerms, invoice: Invoice, shown: Line, mark: str, lines: Sequence[Line]) -> Grounds | None:
    discount = next((each for each in terms.discounts if mark.startswith(f"{each.id}/")), None)
    if discount is None:
        return None
    same = [
        line for line in lines
        if line.kind not in CUTS and (line.product, line.group, line.starting_ms) == (shown.product, shown.group, shown.starting_ms)
    ]  # fmt: skip
    if discount.percent is not None:
        said = f"discount {discount.id} of {terms.id}: {plain(discount.percent)} percent of what {_all(discount.products)} comes to; this line's part of it"
    else:
        said = (
            f"discount {discount.id} of {terms.id}: {plain(discount.amount or Decimal(0))} off what {_all(discount.products)} comes to; this line's part of it"
        )
    return Grounds((said,), tuple(_grounds(invoice, same)))


def _bound(terms: ContractTerms, invoice: Invoice, shown: Line, bounds: Sequence[BoundTerms], lines: Sequence[Line]) -> Grounds | None:
    period = terms.period_of(shown.starting_ms)
    if not bounds or period is None:
        return None
    share = terms.grid.share(*period)
    said, counted = [], []
    for bound in bounds:
        limit = money(minor(Fraction(bound.amount) * share, terms.places), terms.places)
        part = "" if share == 1 else f", for this part of the period {plain(limit)}"
        counts = f"what counts came to {plain(limit - shown.amount)}"
        said.append(f"the {shown.kind} of {plain(bound.amount)} of {terms.id} for {_all(bound.products)}{part}; {counts}")
        counted += [
            line for line in lines if line.kind not in ADDED and line.kind != "correction" and (bound.products is None or line.product in bound.products)
        ]
    if len(bounds) > 1:
        said = [f"one of the {shown.kind}s of {terms.id}: " + ", ".join(f"{plain(each.amount)} for {_all(each.products)}" for each in bounds)]
    return Grounds(tuple(said), tuple(_grounds(invoice, {line.id: line for line in counted}.values())))


def _true_up(life: "Life", invoice: Invoice, shown: Line) -> Grounds:
    terms = life.family.terms.get(invoice.contract)
    grant = next((each for each in terms.grants if each.id == shown.commit), None) if terms else None
    if terms is None or grant is None:
        return Grounds()
    committed = money(sum(segment.amount for segment in grant.fixed_segments), terms.places)
    counted = [
        _ground(each, line) for each in read(life).invoices if each.kind in ("usage", "correction") and each.status != "void"
        for line in each.lines if line.commit == shown.commit and line.kind != "commit"
    ]  # fmt: skip
    said = (
        f"postpaid commit {grant.id} of {terms.id}: {plain(committed)} from {iso(shown.starting_ms)} to {iso(shown.ending_ms)};"
        f" {plain(committed - shown.amount)} counted to it, the rest is billed on {iso(invoice.issue_ms)}"
    )
    return Grounds((said,), tuple(counted))


def _grounds(invoice: Invoice, lines: Iterable[Line]) -> Iterator[Ground]:
    return (_ground(invoice, line) for line in lines if line.amount)


def _ground(invoice: Invoice, line: Line) -> Ground:
    return Ground(invoice.id, line.id, line.product or line.kind, line.amount)


def _all(products: frozenset[str] | None) -> str:
    return "everything" if products is None else ", ".join(sorted(products))


def _billed_by(life: "Life", payer: str) -> list[ContractTerms]:
    """Terms of the contracts on a bill, the payer's own last: its mark is empty and fits all."""
    found = [terms for name, terms in life.family.terms.items() if life.family.payer[name] == payer]
    return sorted(found, key=lambda terms: terms.id == payer)


def _printed(life: "Life", invoice: Invoice) -> Sequence[Printed] | None:
    """The invoice's lines as they were printed, in its order."""
    statement = life.open.get((invoice.contract, invoice.starting_ms)) if invoice.kind in ("usage", "correction") and invoice.status == "draft" else None
    if statement is not None:
        return statement.printed()
    fact = next((fact for fact, told in life.printed_facts.values() if told.id == invoice.id), None)
    return None if fact is None else [each.printed() for each in fact.rows]
