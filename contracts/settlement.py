"""Draws: which grant pays which line. Open periods are drawn in order, because later ones depend on what earlier ones left.

Every segment of a grant has a purse; a line keeps what it has drawn, so that draws can be taken back from a line on and made again.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from contracts.family import Family, Renewal
from contracts.grants import Grant
from contracts.money import minor
from contracts.nets import Nets
from contracts.offers import Pay
from contracts.statement import Statement
from contracts.usage_lines import Line

__all__ = ["Key", "draws_of", "redraw", "settle"]

Key = tuple[str, str, int]
"""Contract, grant, start of the segment."""
Name = tuple[str, str]
"""Contract, grant."""


def settle(family: Family, statements: Sequence[Statement], spent: Mapping[Key, int], closed: Iterable[Name], now: int) -> dict[Name, int]:
    """Draw undrawn statements, earlier periods first. What renewals took over comes back, by (contract, grant) that it was taken from.

    `spent`: draws of final invoices; `closed`: grants with a final true-up.
    """
    _fill(family, spent, frozenset(closed), max([now, *(s.span.end for s in statements)]))
    moved: dict[Name, int] = {}
    renewals = [renewal for renewal in family.renewals if renewal.at <= now]
    for cluster in _clusters(family, statements):
        start = min(s.span.start for s in cluster)
        while renewals and renewals[0].at <= start:
            _renew(renewals.pop(0), spent, moved)
        if len(cluster) == 1 and not _pooled(family, cluster[0]):
            redraw(cluster[0], 0)
        else:
            _in_grant_order(cluster)
    for renewal in renewals:
        _renew(renewal, spent, moved)
    return moved


def redraw(statement: Statement, first: int) -> None:
    """Draw lines from a number on: one line after the other takes from its grants in order.

    That is the same as one grant after the other paying its lines in order: what a grant pays of a line depends only on the grants before it
    and the lines before it. Not so where a quantity falls: there a grant pays the net charge of all lines at most.
    """
    if not statement.drawing:
        return
    lines = statement.lines
    if statement.falls and first < len(lines):
        _in_grant_order([statement])
        return
    for line in lines[first:] if first else lines:
        wanted = line.left - line.reduced
        if wanted > 0:
            for pay in line.pays:
                purse = pay.purse
                if purse.left > 0:
                    purse.left -= line.draw(pay, purse.left)
                    if line.left <= line.reduced:
                        break


def draws_of(statement: Statement) -> dict[Key, int]:
    """What each segment pays of a statement, in minor units."""
    found: dict[Key, int] = {}
    for line in statement.lines if statement.drawing else ():
        for cover in line.covers:
            key = cover.pay.purse.key
            found[key] = found.get(key, 0) + cover.amount
    return {key: amount for key, amount in found.items() if amount}


def _fill(family: Family, spent: Mapping[Key, int], closed: frozenset[Name], until: int) -> None:
    for grants in family.own.values():
        for grant in grants:
            nothing = grant.rolled_from is not None or (grant.contract, grant.id) in closed
            for segment in grant.segments(until):
                purse = grant.purse(segment.start)
                purse.left = max(0, (0 if nothing else segment.amount) - spent.get(purse.key, 0))


def _renew(renewal: Renewal, spent: Mapping[Key, int], moved: dict[Name, int]) -> None:
    for source, target in renewal.grants:
        moved[source.contract, source.id] = amount = _roll(source, renewal.at)
        purse = target.purse(target.fixed_segments[0].start)
        purse.left = max(0, amount - spent.get(purse.key, 0))


def _roll(source: Grant, at: int) -> int:
    """Take the rest of a grant at an instant, as far as it may move; nothing remains."""
    rest = granted = 0
    for segment in source.segments(at):
        if segment.start < at:
            granted += segment.amount
            if segment.end >= at:
                purse = source.purse(segment.start)
                rest += purse.left
                purse.left = 0
    return min(rest, minor((source.rollover or Fraction(0)) * granted, 0))


def _pooled(family: Family, statement: Statement) -> bool:
    """Whether some contract of the statement draws what others draw too."""
    return statement.payer.id in family.shared or any(section.terms.id in family.shared for section in statement.sections)


def _clusters(family: Family, statements: Sequence[Statement]) -> list[list[Statement]]:
    """Statements in order of time; those that draw shared grants at the same time are drawn together."""
    found: list[list[Statement]] = []
    pool_end = 0
    pool: list[Statement] | None = None
    for statement in sorted(statements, key=lambda s: (s.span.start, s.payer.id)):
        if not _pooled(family, statement):
            found.append([statement])
        elif pool is not None and statement.span.start < pool_end:
            pool.append(statement)
            pool_end = max(pool_end, statement.span.end)
        else:
            pool, pool_end = [statement], statement.span.end
            found.append(pool)
    return found


def _in_grant_order(cluster: Sequence[Statement]) -> None:
    """One grant after the other: its own lines in line order, those of several contracts in event order."""
    wanted: dict[Key, list[tuple[Statement, Line, Pay]]] = {}
    first: dict[Key, Pay] = {}
    for statement in cluster:
        for line in statement.lines:
            if line.amount > line.reduced:
                for pay in line.pays:
                    wanted.setdefault(pay.purse.key, []).append((statement, line, pay))
                    first.setdefault(pay.purse.key, pay)
    nets = {id(statement): Nets(statement.lines) for statement in cluster}
    for key in sorted(wanted, key=lambda key: first[key].order):
        takers = wanted[key]
        several = len({line.terms.id for _, line, _ in takers}) > 1
        for statement, line, pay, until in _events(takers) if several else [(*taker, None) for taker in takers]:
            if pay.purse.left <= 0:
                break
            pay.purse.left -= nets[id(statement)].draw(line, pay, until)


def _events(takers: Sequence[tuple[Statement, Line, Pay]]) -> list[tuple[Statement, Line, Pay, int | None]]:
    """Usage in the parts in which it was used, by the time of the first event of a part, then by customer, then in line order.

    What is no usage comes behind the usage of its period, in line order.
    """
    found: list[tuple[tuple[int, int, str, int], Statement, Line, Pay, int | None]] = []
    for place, (statement, line, pay) in enumerate(takers):
        customer = line.terms.customer
        if line.kind not in ("usage", "correction"):
            found.append(((statement.span.end, line.order[0], customer, place), statement, line, pay, None))
            continue
        parts = statement.chunks(line)
        for first_ms, until in parts:
            found.append(((first_ms, 0, customer, place), statement, line, pay, until))
        found.append(((max((first for first, _ in parts), default=line.span[0]), 0, customer, place), statement, line, pay, None))
    found.sort(key=lambda each: each[0])
    return [each[1:] for each in found]
