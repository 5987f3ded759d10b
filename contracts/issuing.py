"""Invoices beside those of periods: scheduled ones on their dates, and true-ups when the access of a postpaid commit is over."""

from typing import TYPE_CHECKING

from contracts.balances import access_end, shortfall
from contracts.facts import InvoiceFact, Row, TrueUpFact
from contracts.grants import Grant
from contracts.lines import Printed
from contracts.schedule import Item
from contracts.terms import ContractTerms

if TYPE_CHECKING:
    from contracts.life import Life

__all__ = ["issue", "next_item", "take_back_true_ups", "true_up", "true_up_fact"]


def trued_up(life: "Life", contract: str, grant: str) -> bool:
    return TrueUpFact(contract, grant) in life.facts.true_ups


def access_closed(life: "Life", grant: Grant) -> bool:
    """Whether the access of a postpaid commit is over and every usage invoice that could count to it is final."""
    end = access_end(grant)
    for terms in life.family.drawers(grant):
        payer = life.family.terms[life.family.payer[terms.id]]
        last = min(end, terms.end)
        period = payer.period_of(last - 1) if last <= life.now else None
        if period is None or not life.is_closed(payer.id, period[0].start):
            return False
        if any(place[0] == payer.id and place[1] < last and not statement.correction for place, statement in life.open.items()):
            return False
    return True


def true_up(life: "Life") -> None:
    """Make the true-ups final whose access is closed; one of zero is no invoice."""
    for name, terms in life.family.terms.items():
        for grant in terms.grants:
            if grant.type == "postpaid" and not trued_up(life, name, grant.id) and access_closed(life, grant):
                amount = shortfall(grant, life.ledger())
                if amount:
                    life.facts.issued.append(true_up_fact(terms, grant.id, amount))
                life.facts.true_ups.append(TrueUpFact(name, grant.id))
                life.stale = True


def next_item(life: "Life", contract: str) -> None:
    """Find the contract's next item that is not invoiced yet."""
    issued = set(life.facts.items.get(contract, ()))
    life.next_items.pop(contract, None)
    for item in life.schedules[contract]:
        if item.name not in issued:
            life.next_items[contract] = item
            return


def issue(life: "Life") -> None:
    """Scheduled invoices are final on their date: one for each contract and date."""
    for name in sorted(life.next_items):
        terms = life.family.terms[life.family.payer[name]]
        by_date: dict[int, list[Item]] = {}
        while name in life.next_items and life.next_items[name].at <= life.now:
            item = life.next_items[name]
            life.facts.items.setdefault(name, []).append(item.name)
            by_date.setdefault(item.at, []).append(item)
            next_item(life, name)
        for at, found in by_date.items():
            number = sum(1 for fact in life.facts.issued if fact.kind == "scheduled" and fact.contract == terms.id and fact.issue == at)
            end = max(item.line.end for item in found)
            rows = [Row.of(item.line) for item in found]
            fact = InvoiceFact(terms.id, terms.customer, "scheduled", at, end, at, terms.currency, terms.places, "final", number, rows)
            life.facts.issued.append(fact)


def take_back_true_ups(life: "Life") -> None:
    """True-ups that rest on invoices that were taken back are no facts any more."""
    for name, terms in life.family.terms.items():
        for grant in terms.grants:
            if trued_up(life, name, grant.id) and not access_closed(life, grant):
                life.facts.true_ups.remove(TrueUpFact(name, grant.id))
                life.facts.issued = [fact for fact in life.facts.issued if (fact.kind, fact.contract, fact.ids) != ("true_up", name, [grant.id])]


def true_up_fact(terms: ContractTerms, grant: str, amount: int) -> InvoiceFact:
    """The invoice of what a postpaid commit lacks."""
    commit = next(g for g in terms.grants if g.id == grant)
    start, end = min(s.start for s in commit.fixed_segments), max(s.end for s in commit.fixed_segments)
    line = Printed("true_up", None, (), start, end, None, None, None, amount, grant, None, "")
    return InvoiceFact(
        terms.id, terms.customer, "true_up", start, end, commit.purchases[0].at, terms.currency, terms.places, "final", 0, [Row.of(line)], [], [grant]
    )
