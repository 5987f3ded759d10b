"""Which override wins: one does, they never stack.

Commit-specific overwrite, commit-specific multiplier, contract overwrite (the last added), contract multiplier (the lowest, or the smallest
`priority` when selection is explicit). A tiered override applies to its units only; behind them the next in line holds.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from contracts.catalogue import Price, Where

__all__ = ["Chain", "Choice", "OverrideTerms", "candidates", "choose"]


class OverrideTerms(NamedTuple):
    """A compiled override; `products` none: every product."""

    id: str
    place: int
    products: frozenset[str] | None
    where: Where
    commits: frozenset[str]
    start: int
    end: int
    multiplier: Fraction | None
    price: Price | None
    tiers: tuple[tuple[Fraction | None, Fraction], ...]
    """(units, multiplier); the last may have no size."""
    entitled: bool | None
    target: str
    priority: int


Chain = tuple[OverrideTerms, ...]
"""Overrides that could win, best first: tiered ones, then at most one that has no end."""


class Choice(NamedTuple):
    """The override that wins for the next unit; `left`: how many units it wins (none: all further ones)."""

    override: OverrideTerms | None
    multiplier: Fraction
    left: Fraction | None


NOTHING = Choice(None, Fraction(1), None)


def candidates(active: Sequence[OverrideTerms], target: str, commit: str | None, explicit: bool) -> Chain:
    """The chain for the list or the commit price, while drawing `commit` or while drawing none."""
    fitting = [
        o for o in active if o.target == target and (not o.commits or commit in o.commits) and (o.price is not None or o.multiplier is not None or o.tiers)
    ]
    if len(fitting) > 1:
        fitting.sort(key=lambda o: _order(o, _lowest(o), explicit=explicit))
    chain = []
    for override in fitting:
        chain.append(override)
        if not override.tiers:
            break
    return tuple(chain)


def choose(chain: Chain, counted: Mapping[str, Fraction], *, explicit: bool) -> Choice:
    """The winner for the next unit, when each tiered override has had `counted` units."""
    best: tuple[tuple[object, ...], Choice] | None = None
    for override in chain:
        multiplier: Fraction = NOTHING.multiplier if override.multiplier is None else override.multiplier
        left: Fraction | None = None
        if override.tiers:
            tier = _tier_at(override, counted.get(override.id, Fraction(0)))
            if tier is None:
                continue
            multiplier, left = tier
        order = _order(override, multiplier, explicit=explicit)
        if best is None or order < best[0]:
            best = (order, Choice(override, multiplier, left))
    return NOTHING if best is None else best[1]


def _order(o: OverrideTerms, multiplier: Fraction, *, explicit: bool) -> tuple[object, ...]:
    kind = (0 if o.commits else 2) + (0 if o.price is not None else 1)
    if o.price is not None:
        return (kind, -o.place)
    return (kind, o.priority, -o.place) if explicit else (kind, multiplier, o.priority, -o.place)


def _lowest(o: OverrideTerms) -> Fraction:
    if o.multiplier is not None:
        return o.multiplier
    return min((multiplier for _, multiplier in o.tiers), default=Fraction(1))


def _tier_at(override: OverrideTerms, counted: Fraction) -> tuple[Fraction, Fraction | None] | None:
    """(multiplier, units left in its tier) behind `counted` units; none: the tiers are used up."""
    upper = Fraction(0)
    for size, multiplier in override.tiers:
        if size is None:
            return multiplier, None
        upper += size
        if counted < upper:
            return multiplier, upper - counted
    return None
