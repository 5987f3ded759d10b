"""Usage that comes when its period is closed: who bills it, by the contract's `late_usage`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from contracts.facts import PENDING, InvoiceFact, LeftFact
from contracts.statement import Statement
from contracts.terms import ContractTerms, ProductTerms
from contracts.timeline import FOREVER, Span
from contracts.windows import DROPPED, IN_TIME, GroupKey, Slot

if TYPE_CHECKING:
    from contracts.family import Family
    from contracts.life import Life, Place
    from contracts.usage import Delta

__all__ = ["attribute", "billed_before", "hand_late", "late_came", "late_tag", "let_go", "take_back_late"]


def late_tag(life: "Life", payer: ContractTerms, period: Span, recorded_ms: int = FOREVER) -> int:
    """What becomes of usage of a closed period."""
    policy = payer.document.late_usage
    held = life.facts.closed[payer.id][period.start]
    if held[-1].status == "void":
        return IN_TIME
    appeared = life.facts.appeared.get(payer.id, -FOREVER)
    if recorded_ms <= appeared and period.end + payer.grace <= appeared:
        bill_again(life, payer, period.start, appeared)
        return IN_TIME
    if policy == "drop":
        return DROPPED
    if policy == "reopen":
        held.pop()
        if not held:
            del life.facts.closed[payer.id][period.start]
        life.facts.reopened.setdefault(payer.id, {})[period.start] = life.now + payer.grace
        life.changed()
        return IN_TIME
    start = next_open(life, payer, period)
    periods = life.facts.late.setdefault(payer.id, {}).setdefault(start, [])
    if period.start not in periods:
        periods.append(period.start)
    return start


def bill_again(life: "Life", payer: ContractTerms, start: int, appeared: int) -> None:
    """Take back the invoices, from a period on, that became final when their contract appeared: usage that was there by then is handed over behind it.

    Who hands it over closes them again at once. True-ups that rest on them are taken back too.
    """
    closed = life.facts.closed[payer.id]
    for each in [each for each in closed if each >= start]:
        fact = closed[each][-1]
        if fact.kind == "usage" and fact.status == "final" and fact.end + payer.grace <= appeared:
            closed[each].pop()
            if not closed[each]:
                del closed[each]
                life.facts.reopened.get(payer.id, {}).pop(each, None)
            else:
                life.facts.reopened.setdefault(payer.id, {})[each] = fact.end + payer.grace
    life.bill_again()


def next_open(life: "Life", payer: ContractTerms, period: Span) -> int:
    """Start of the first later period that is not closed; behind the contract's end periods go on for corrections alone."""
    start = period.end
    while life.is_closed(payer.id, start) or is_past(life, payer, start):
        start = payer.grid.around(start).end if start >= payer.end else min(payer.grid.around(start).end, payer.end)
    return start


def is_past(life: "Life", payer: ContractTerms, start: int) -> bool:
    """Whether a period behind the contract's end has closed without an invoice: nothing came late in it."""
    return start >= payer.end and payer.grid.around(start).end + payer.grace <= life.now


def late_came(life: "Life", contract: str, start: int) -> None:
    """A period bills one more late delta."""
    statement = life.open.get((contract, start))
    if statement is None:
        life.changed()
    else:
        hand_late(life, statement)


def hand_late(life: "Life", statement: Statement) -> None:
    payer = statement.payer
    statement.late = {}
    for start in life.facts.late.get(payer.id, {}).get(statement.span.start, ()):
        period = payer.period_of(start)
        if period is not None:
            statement.late[start] = period[0]
    statement.forget()


def let_go(life: "Life", before: "Family") -> None:
    """Ids have left the family, as it was, and will take their usage along: final invoices keep in mind what is billed of it."""
    gone = before.ids.keys() - life.family.ids.keys()
    for name, periods in life.facts.closed.items():
        if not gone or name not in before.terms:
            continue
        for generations in periods.values():
            fact = generations[-1]
            for customer in gone.intersection(fact.ids):
                left = _left(life, before, fact, customer)
                if left.in_time or left.late:
                    fact.left[customer] = left


def _left(life: "Life", before: "Family", fact: InvoiceFact, customer: str) -> LeftFact:
    in_time: set[int] = set()
    late: dict[int, int] = {}
    for owner in before.paid_by[fact.contract]:
        for _, _, (window, tag) in _slots(life, before, owner, customer, Span(fact.start, fact.end)):
            if tag == IN_TIME:
                in_time.add(window)
            elif tag != DROPPED and life.is_closed(fact.contract, tag):
                late[window] = tag
            elif tag != DROPPED:
                late.setdefault(window, PENDING)
    return LeftFact(bool(in_time), {window: tag for window, tag in late.items() if window not in in_time})


def billed_before(life: "Life", payer: ContractTerms, period: Span, delta: "Delta") -> int | None:
    """How usage of a closed period that an id brings along was taken when the id was here before, if it is billed; none: it is late usage now."""
    fact = life.facts.closed[payer.id][period.start][-1]
    left = fact.left.get(delta.customer)
    if left is None:
        return None
    tag = left.late.get(delta.window_ms, IN_TIME if left.in_time else PENDING)
    return None if tag == PENDING else tag


def attribute(life: "Life") -> None:
    """Usage that a document gives to a contract whose period is closed is late."""
    for name, periods in life.facts.closed.items():
        terms = life.family.terms.get(name)
        for generations in list(periods.values()) if terms is not None else ():
            fact = generations[-1]
            if terms is None or fact.kind != "usage" or life.family.payer[name] != name:
                continue
            for owner in life.family.paid_by[name]:
                for customer in set(life.family.ids_of(owner.customer)) - set(fact.ids):
                    fact.ids.append(customer)
                    retag(life, terms, owner, customer, Span(fact.start, fact.end))
    for statement in life.open.values():
        hand_late(life, statement)
    life.changed()


def retag(life: "Life", payer: ContractTerms, owner: ContractTerms, customer: str, span: Span) -> None:
    for product, key, slot in _slots(life, life.family, owner, customer, span):
        if not life.is_closed(payer.id, span.start):
            return  # what was looked at before has opened it again
        if slot[1] == IN_TIME and (late := late_tag(life, payer, span)) != IN_TIME:
            life.windows.retag(product.kind, (customer, owner.document.catalogue, product.id), key, slot, late)


def _slots(life: "Life", family: "Family", owner: ContractTerms, customer: str, span: Span) -> Iterator[tuple[ProductTerms, GroupKey, Slot]]:
    """Usage of an id that is a contract's. Whoever asks may move a slot to another tag before the next."""
    catalogue = owner.document.catalogue
    for product in owner.card.metered:
        for key, window, tag, _ in list(life.windows.each((customer, catalogue, product.id), span.start, span.end)):
            if family.owner(customer, dict(key), catalogue, window) is owner:
                yield product, key, (window, tag)


def take_back_late(life: "Life", place: "Place") -> None:
    """Usage of a voided period that an open one bills is the period's own again: a new invoice bills it."""
    payer = life.family.terms[place[0]]
    period = payer.period_of(place[1])
    for start, periods in life.facts.late.get(place[0], {}).items():
        if period is None or place[1] not in periods or life.is_closed(place[0], start):
            continue
        periods.remove(place[1])
        for owner in life.family.paid_by[place[0]]:
            for customer in life.family.ids_of(owner.customer):
                # Another contract of the customer may bill its own late usage in a period that starts then, too.
                for product, key, slot in _slots(life, life.family, owner, customer, period[0]):
                    if slot[1] == start:
                        life.windows.retag(product.kind, (customer, owner.document.catalogue, product.id), key, slot, IN_TIME)
        statement = life.open.get((place[0], start))
        if statement is not None:
            hand_late(life, statement)
