"""Section 6: values of thresholds after each event, document and change by time; crossings."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from contracts.contract import Contract, Threshold
from tests.reference.events import Known, counts_to
from tests.reference.fold import Facts, Folded, all_periods, fold, grace, span
from tests.reference.grants import segments_of
from tests.reference.quantity import aggregate
from tests.reference.times import HOUR


class Alert(NamedTuple):
    customer: str
    contract: str
    threshold: str
    state: str
    value: Fraction
    crossing: int
    at: int


@dataclass
class State:
    level: int = 0
    """Steps that are passed: 1 at the threshold, more with `repeat`."""
    crossing: int = 0
    period: int | None = None


@dataclass
class Watch:
    states: dict[tuple[str, str], State] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)

    def moments(self, known: Known, now: int, to: int) -> Iterable[int]:
        """Instants in (now, to] at which time changes a value: boundaries; and every hour for what grows by itself."""
        found: set[int] = set()
        for contract in known.contracts.values():
            if not contract.thresholds:
                continue
            for other in known.contracts.values():
                found |= set(span(other))
                for segment in segments_of(other, known.catalogue, to):
                    found |= {segment.start, segment.end}
                for period in all_periods(other, to):
                    found |= {period.start, period.end, period.end + grace(other)}
        hours: set[int] = set()
        if any(metric.aggregation == "time_weighted" for metric in known.catalogue.metrics.values()) and found:
            first = max(now, min((event.at for event in known.events), default=to))
            hours = set(range(first // HOUR * HOUR + HOUR, to + 1, HOUR))
        return sorted(at for at in found | hours if now < at <= to)

    def read(self, known: Known, facts: Facts, now: int) -> None:
        if not any(contract.thresholds for contract in known.contracts.values()):
            return
        folded = fold(known, facts, now)
        for contract in sorted(known.contracts.values(), key=lambda each: (each.customer, each.id)):
            start, end = span(contract)
            if now < start:
                continue
            current = all_periods(contract, now)[-1]
            for threshold in contract.thresholds:
                if now >= end and threshold.measure not in {"balance", "balance_percent"}:
                    continue
                state = self.states.setdefault((contract.id, threshold.id), State())
                value = measured(contract, threshold, known, facts, folded, now)
                if value is None:
                    continue
                if state.period != current.start and threshold.measure not in {"balance", "balance_percent"}:
                    if state.level and state.period is not None and not passed(threshold, value):
                        self.alerts.append(Alert(contract.customer, contract.id, threshold.id, "ok", value, state.crossing, now))
                    state.level, state.period = 0, current.start
                self._move(contract, threshold, state, passed(threshold, value), value, now)

    def _move(self, contract: Contract, threshold: Threshold, state: State, level: int, value: Fraction, now: int) -> None:
        while state.level < level:
            state.level += 1
            state.crossing += 1
            self.alerts.append(Alert(contract.customer, contract.id, threshold.id, "in_alarm", value, state.crossing, now))
        if level < state.level:
            state.level = level
            if level == 0:
                self.alerts.append(Alert(contract.customer, contract.id, threshold.id, "ok", value, state.crossing, now))


def passed(threshold: Threshold, value: Fraction) -> int:
    """Steps that a value has passed: at, at + repeat, …; for balances downwards."""
    at = Fraction(threshold.at)
    over = at - value if threshold.measure in {"balance", "balance_percent"} else value - at
    if over < 0:
        return 0
    return 1 if threshold.repeat is None else 1 + over // Fraction(threshold.repeat)


def measured(contract: Contract, threshold: Threshold, known: Known, facts: Facts, folded: Folded, now: int) -> Fraction | None:
    if threshold.measure in {"balance", "balance_percent"}:
        named = threshold.commits
        mine = [s for s in folded.segments if s.grant.contract == contract.id and (s.grant.id in named if named else s.grant.type != "postpaid")]
        active = [s for s in mine if s.start <= now < s.end]
        if not active:
            return Fraction(0) if any(s.start <= now for s in mine) else None
        left = sum((folded.left[key] for key in {s.key for s in active}), Fraction(0))
        if threshold.measure == "balance":
            return left
        granted = sum((s.amount for s in active), Fraction(0))
        return left * 100 / granted if granted else Fraction(0)
    current = all_periods(contract, now)[-1]
    invoice = next((i for i in (*folded.drafts, *facts.standing()) if (i.contract, i.kind, i.start) == (contract.id, "usage", current.start)), None)
    if threshold.measure == "invoice_total":
        return invoice.total if invoice else Fraction(0)
    if threshold.measure == "spend":
        return sum((item.amount for item in (invoice.undrawn if invoice else []) if item.kind in {"usage", "composite"}), Fraction(0))
    metric = known.catalogue.metrics[threshold.metric or ""]
    events = [event for event in known.usage(contract.id, current.start) if counts_to(event, metric, {})]
    return aggregate(metric, events, current.start, min(current.end, now) if metric.aggregation == "time_weighted" else current.end)


__all__ = ["Alert", "Watch"]
