"""The result of an account as of its clock."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from contracts.balances import Ledger, rows, shortfall
from contracts.facts import AlertFact, InvoiceFact
from contracts.issuing import true_up_fact
from contracts.printing import Heading, Sheet, of_fact
from contracts.result import Alert, Invoice, Result

if TYPE_CHECKING:
    from contracts.life import Life

__all__ = ["alert_of", "read"]


def read(life: "Life") -> Result:
    """All invoices, balances and alerts."""
    ledger = life.ledger()
    invoices = sorted([*_facts(life), *_drafts(life), *_true_ups(life, ledger)], key=_place)
    return Result(tuple(invoices), tuple(rows(life.family, ledger, life.now)), tuple(alert_of(fact) for fact in life.facts.alerts), ())


def alert_of(fact: AlertFact) -> Alert:
    return Alert(fact.customer, fact.contract, fact.threshold, fact.state, fact.value, fact.crossing, fact.at)


def _facts(life: "Life") -> Iterator[Invoice]:
    facts = [fact for periods in life.facts.closed.values() for generations in periods.values() for fact in generations]
    known, life.printed_facts = life.printed_facts, {}
    for fact in [*facts, *life.facts.issued]:
        key = id(fact)
        before = known.get(key)
        shown = before[1] if before is not None and before[0] is fact and before[1].status == fact.status else of_fact(fact)
        life.printed_facts[key] = (fact, shown)
        yield shown


def _drafts(life: "Life") -> Iterator[Invoice]:
    known, life.printed_drafts = life.printed_drafts, {}
    for place, statement in life.open.items():
        payer, span = statement.payer, statement.span
        heading = Heading(
            payer.customer, payer.id, "correction" if statement.correction else "usage", "draft", span.start, span.end, span.end, payer.currency, payer.places,
            life.generation(place),
        )  # fmt: skip
        before = known.get(place)
        sheet = life.printed_drafts[place] = before if before is not None and before.heading == heading else Sheet(heading)
        yield sheet.invoice(statement.printed())


def _true_ups(life: "Life", ledger: Ledger) -> Iterator[Invoice]:
    """Drafts of what postpaid commits lack, from the first day of their access."""
    known, life.printed_true_ups = life.printed_true_ups, {}
    for name, terms in life.family.terms.items():
        for grant in terms.grants:
            if grant.type != "postpaid" or (name, grant.id) in ledger.closed or min(s.start for s in grant.fixed_segments) > life.now:
                continue
            amount = shortfall(grant, ledger)
            if amount:
                fact: InvoiceFact = true_up_fact(terms, grant.id, amount)
                before = known.get((name, grant.id))
                shown = before[1] if before is not None and before[0] == fact else of_fact(fact, "draft")
                life.printed_true_ups[name, grant.id] = (fact, shown)
                yield shown


def _place(invoice: Invoice) -> tuple[object, ...]:
    return invoice.starting_ms, invoice.customer, invoice.contract, invoice.kind, invoice.issue_ms, invoice.id
