"""What is left of commits and credits, and what is still to be trued up."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from contracts.family import Family
from contracts.grants import Grant
from contracts.money import money
from contracts.result import Balance
from contracts.settlement import Key

__all__ = ["Ledger", "access_end", "live", "rows", "shortfall"]

Name = tuple[str, str]
"""Contract, grant."""


class Ledger(NamedTuple):
    """What has been taken from segments by final and open invoices, what moved to renewals, whose true-up is final."""

    drawn: Mapping[Key, int]
    moved: Mapping[Name, int]
    closed: frozenset[Name]

    def applied(self, grant: Grant) -> int:
        return sum(amount for key, amount in self.drawn.items() if key[0] == grant.contract and key[1] == grant.id)


def rows(family: Family, ledger: Ledger, now: int) -> list[Balance]:
    """One row for each grant, over all segments that have started."""
    found = []
    for name, grants in family.own.items():
        places = family.terms[name].places
        for grant in grants:
            if grant.rolled_from is None or (grant.rolled_from.contract, grant.rolled_from.id) in ledger.moved:
                found.append(_row(grant, ledger, now, places))
    return found


def _row(grant: Grant, ledger: Ledger, now: int, places: int) -> Balance:
    granted, live_rest, dead_rest = _rests(grant, ledger, now)
    applied = ledger.applied(grant)
    name = (grant.contract, grant.id)
    expired, remaining = dead_rest, live_rest
    if name in ledger.moved:
        expired, remaining = max(0, granted - applied - ledger.moved[name]), 0
    elif grant.type == "postpaid":
        expired, remaining = 0, 0 if name in ledger.closed else max(0, granted - applied)
    shown = (money(amount, places) for amount in (granted, applied, expired, remaining))
    return Balance(grant.id, grant.customer, grant.contract, grant.type, *shown)  # type: ignore[arg-type]


def _rests(grant: Grant, ledger: Ledger, now: int) -> tuple[int, int, int]:
    """(granted so far, rest of segments that can be drawn, rest of expired ones). A draft may draw what starts later in its period."""
    granted = live_rest = dead_rest = 0
    for segment in grant.segments(now):
        drawn = ledger.drawn.get((grant.contract, grant.id, segment.start), 0)
        if segment.start <= now or drawn:
            source = grant.rolled_from
            amount = segment.amount if source is None else ledger.moved.get((source.contract, source.id), 0)
            rest = max(0, amount - drawn)
            granted += amount
            if segment.end <= now:
                dead_rest += rest
            else:
                live_rest += rest
    return granted, live_rest, dead_rest


def live(grants: Iterable[Grant], ledger: Ledger, now: int) -> tuple[int, int, bool]:
    """(rest, amount, whether anything has ever been granted) of the segments that can be drawn now: what balance thresholds compare."""
    rest = amount = 0
    ever = False
    for grant in grants:
        name = (grant.contract, grant.id)
        ever = ever or any(segment.start <= now for segment in grant.segments(now))
        if name in ledger.moved or name in ledger.closed:
            continue
        source = grant.rolled_from
        for segment in grant.segments(now):
            if segment.start <= now < segment.end:
                whole = segment.amount if source is None else ledger.moved.get((source.contract, source.id), 0)
                amount += whole
                rest += max(0, whole - ledger.drawn.get((grant.contract, grant.id, segment.start), 0))
    return rest, amount, ever


def shortfall(grant: Grant, ledger: Ledger) -> int:
    """What a postpaid commit still lacks: its true-up."""
    return max(0, sum(segment.amount for segment in grant.fixed_segments) - ledger.applied(grant))


def access_end(grant: Grant) -> int:
    """When the last segment of a commit ends."""
    return max((segment.end for segment in grant.fixed_segments), default=0)
