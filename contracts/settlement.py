"""Draws: which grant pays which line. Open periods are drawn again in order, because later ones depend on what earlier ones left."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from contracts.family import Family, Renewal
from contracts.grants import Grant
from contracts.lines import FixedLine, UsageLine
from contracts.money import minor
from contracts.offers import Pay
from contracts.statement import Statement

__all__ = ["Drawn", "Key", "Settlement", "settle"]

Key = tuple[str, str, int]
"""Contract, grant, start of the segment."""
Drawn = dict[Key, int]
Line = UsageLine | FixedLine


class Settlement(NamedTuple):
    """What open periods draw, and what renewals took over."""

    drawn: Mapping[tuple[str, int], Drawn]
    """By (contract, period start): minor units of each segment."""
    moved: Mapping[tuple[str, str], int]
    """By (contract, grant) whose rest has rolled over: how much did."""


class _Balances:
    """What is left of each segment. `spent`: draws of final invoices; `closed`: grants with a final true-up."""

    def __init__(self, spent: Mapping[Key, int], closed: Iterable[tuple[str, str]]) -> None:
        self._spent = spent
        self._closed = frozenset(closed)
        self._left: dict[Key, int] = {}
        self.gone: set[tuple[str, str]] = set()

    def left(self, pay: Pay) -> int:
        key = pay.key
        found = self._left.get(key)
        if found is None:
            amount = 0 if pay.grant.rolled_from is not None or key[:2] in self._closed else pay.segment.amount
            found = self._left[key] = max(0, amount - self._spent.get(key, 0))
        return found

    def take(self, pay: Pay, amount: int) -> None:
        self._left[pay.key] -= amount

    def roll(self, source: Grant, target: Grant, at: int) -> int:
        """Move the rest of a grant at an instant to its continuation; the amount moved comes back."""
        rest = granted = 0
        for segment in source.segments(at):
            if segment.start < at:
                granted += segment.amount
                if segment.end >= at:
                    key = (source.contract, source.id, segment.start)
                    rest += self._left.get(key, max(0, segment.amount - self._spent.get(key, 0)))
                    self._left[key] = 0
        moved = min(rest, minor((source.rollover or Fraction(0)) * granted, 0))
        key = (target.contract, target.id, target.fixed_segments[0].start)
        self._left[key] = max(0, moved - self._spent.get(key, 0))
        return moved


def settle(family: Family, statements: Sequence[Statement], spent: Mapping[Key, int], closed: Iterable[tuple[str, str]], now: int) -> Settlement:
    """Draw the grants of built statements (`Statement.build`), earlier periods first."""
    balances = _Balances(spent, closed)
    drawn: dict[tuple[str, int], Drawn] = {(s.payer.id, s.span.start): {} for s in statements}
    moved: dict[tuple[str, str], int] = {}
    renewals = [renewal for renewal in family.renewals if renewal.at <= now]
    for cluster in _clusters(family, statements):
        start = min(s.span.start for s in cluster)
        while renewals and renewals[0].at <= start:
            _renew(renewals.pop(0), balances, moved)
        if len(cluster) == 1 and not _pooled(family, cluster):
            _in_line_order(cluster[0], balances, drawn)
        else:
            _in_grant_order(family, cluster, balances, drawn)
    for renewal in renewals:
        _renew(renewal, balances, moved)
    return Settlement(drawn, moved)


def _renew(renewal: Renewal, balances: _Balances, moved: dict[tuple[str, str], int]) -> None:
    for source, target in renewal.grants:
        moved[source.contract, source.id] = balances.roll(source, target, renewal.at)


def _pooled(family: Family, cluster: Sequence[Statement]) -> bool:
    return any(section.terms.id in family.shared for s in cluster for section in s.sections) or any(s.payer.id in family.shared for s in cluster)


def _clusters(family: Family, statements: Sequence[Statement]) -> list[list[Statement]]:
    """Statements in order of time; those that draw shared grants at the same time are drawn together."""
    found: list[list[Statement]] = []
    pool_end = 0
    pool: list[Statement] | None = None
    for statement in sorted(statements, key=lambda s: (s.span.start, s.payer.id)):
        if not _pooled(family, [statement]):
            found.append([statement])
        elif pool is not None and statement.span.start < pool_end:
            pool.append(statement)
            pool_end = max(pool_end, statement.span.end)
        else:
            pool, pool_end = [statement], statement.span.end
            found.append(pool)
    return found


def _in_line_order(statement: Statement, balances: _Balances, drawn: dict[tuple[str, int], Drawn]) -> None:
    """One line after the other takes from its grants in order: the same as one grant after the other paying its lines in order."""
    mine = drawn[statement.payer.id, statement.span.start]
    for line in statement.lines:
        if line.amount > line.reduced:
            for pay in line.pays:
                left = balances.left(pay)
                if left > 0:
                    taken = line.draw(pay, left)
                    if taken:
                        balances.take(pay, taken)
                        mine[pay.key] = mine.get(pay.key, 0) + taken
                    if line.left <= line.reduced:
                        break


def _in_grant_order(family: Family, cluster: Sequence[Statement], balances: _Balances, drawn: dict[tuple[str, int], Drawn]) -> None:
    """One grant after the other: its own lines in line order, those of several contracts in event order."""
    wanted: dict[Key, list[tuple[Statement, Line, Pay]]] = {}
    first: dict[Key, Pay] = {}
    for statement in cluster:
        for line in statement.lines:
            if line.amount > line.reduced:
                for pay in line.pays:
                    wanted.setdefault(pay.key, []).append((statement, line, pay))
                    first.setdefault(pay.key, pay)
    for key in sorted(wanted, key=lambda key: first[key].order):
        takers = wanted[key]
        if len({line.terms.id for _, line, _ in takers}) > 1:
            order = _events(takers)
        else:
            order = [(statement, line, pay, None) for statement, line, pay in takers]
        for statement, line, pay, until in order:
            left = balances.left(pay)
            if left <= 0:
                break
            taken = line.draw(pay, left, until)
            if taken:
                balances.take(pay, taken)
                mine = drawn[statement.payer.id, statement.span.start]
                mine[key] = mine.get(key, 0) + taken


def _events(takers: Sequence[tuple[Statement, Line, Pay]]) -> list[tuple[Statement, Line, Pay, int | None]]:
    """Each line in the parts in which it was used, by the time of the first event of a part, then by customer, then in line order."""
    found: list[tuple[tuple[object, ...], Statement, Line, Pay, int | None]] = []
    for place, (statement, line, pay) in enumerate(takers):
        customer = line.terms.customer
        parts = statement.chunks(line)
        for first_ms, until in parts:
            found.append(((first_ms, customer, place), statement, line, pay, until))
        last = line.span[1] if isinstance(line, FixedLine) and line.kind == "minimum" else max((first for first, _ in parts), default=line.span[0])
        found.append(((last, customer, place), statement, line, pay, None))
    found.sort(key=lambda each: each[0])
    return [(statement, line, pay, until) for _, statement, line, pay, until in found]
