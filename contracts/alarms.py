"""Readings of thresholds: the values as they are now, and what they set off."""

from decimal import Decimal
from typing import TYPE_CHECKING

from contracts.balances import Ledger, live
from contracts.contract import Threshold
from contracts.facts import AlertFact, ThresholdFact
from contracts.grants import Grant
from contracts.money import EXACT, money, quotient
from contracts.scales import RAW
from contracts.statement import Statement
from contracts.terms import ContractTerms
from contracts.thresholds import move
from contracts.timeline import HOUR

if TYPE_CHECKING:
    from contracts.life import Life

__all__ = ["read_alerts"]


def read_alerts(life: "Life") -> None:
    """Read every threshold of every running contract, and note changes of state."""
    if not life.family.watched:
        return
    facts, now = life.facts, life.now
    ledger: Ledger | None = None
    for name, terms in life.family.terms.items():
        if not terms.document.thresholds or now < terms.start:
            continue
        life.fold()
        period = terms.period_of(now)
        statement = _statement(life, terms)
        for threshold in terms.document.thresholds:
            value: Decimal | None
            if threshold.measure in ("balance", "balance_percent"):
                if ledger is None:
                    ledger = life.ledger()
                value = _balance(life, terms, threshold, ledger)
            else:
                value = None if period is None or statement is None else _of_period(life, terms, threshold, statement)
            if value is None:
                continue
            state = facts.thresholds.setdefault(name, {}).setdefault(threshold.id, ThresholdFact())
            for change in move(threshold, state, value, period[0].start if period else state.period):
                crossings = facts.crossings.setdefault(terms.customer, {})
                if change == "in_alarm":
                    crossings[threshold.id] = crossings.get(threshold.id, 0) + 1
                crossing = crossings.get(threshold.id, 0)
                facts.alerts.append(AlertFact(terms.customer, name, threshold.id, change, value, crossing, now))


def _statement(life: "Life", terms: ContractTerms) -> Statement | None:
    """The open statement of the period in which the clock stands."""
    payer = life.family.terms[life.family.payer[terms.id]]
    period = payer.period_of(life.now)
    return None if period is None else life.open.get((payer.id, period[0].start))


def _of_period(life: "Life", terms: ContractTerms, threshold: Threshold, statement: Statement) -> Decimal:
    if threshold.measure == "spend":
        return money(statement.spend(terms), terms.places)
    if threshold.measure == "invoice_total":
        return money(statement.total(), terms.places)
    metric = terms.card.catalogue.metrics[threshold.metric or ""]
    per = RAW * HOUR if metric.aggregation == "time_weighted" else RAW
    return quotient(statement.metered(terms, threshold.metric or "", life.now), per)


def _balance(life: "Life", terms: ContractTerms, threshold: Threshold, ledger: Ledger) -> Decimal | None:
    """Of prepaid commits and credits; postpaid ones only where they are named. None: nothing has been granted yet."""
    grants: list[Grant] = life.family.own[terms.id]
    if threshold.commits:
        grants = [grant for grant in _in_reach(life, terms) if grant.name in threshold.commits]
    else:
        grants = [grant for grant in grants if grant.type != "postpaid"]
    rest, amount, ever = live(grants, ledger, life.now)
    if not ever:
        return None
    if threshold.measure == "balance":
        return money(rest, terms.places)
    return quotient(rest * 100, amount) if amount else EXACT.create_decimal(0)


def _in_reach(life: "Life", terms: ContractTerms) -> list[Grant]:
    own = life.family.own[terms.id]
    return [*own, *(grant for grant in life.family.grants[terms.id] if grant not in own)]
