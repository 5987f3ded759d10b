"""Which override wins: one does, they never stack.

Commit-specific overwrite, commit-specific multiplier, contract overwrite (the last added), contract multiplier (the lowest, or the smallest
`priority` when selection is explicit). A tiered override applies to its units only; behind them the next in line holds.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from contracts.catalogue import Where
from contracts.matching import matches
from contracts.prices import Price

__all__ = ["Chain", "OverrideTerms", "candidates"]


class OverrideTerms(NamedTuple):
    """A compiled override; `products` none: every product."""

    id: str
    index: int
    products: frozenset[str] | None
    where: Where
    commits: frozenset[str]
    start: int
    end: int
    multiplier: Decimal | None
    price: Price | None
    tiers: tuple[tuple[Decimal | None, Decimal], ...]
    entitled: bool | None
    target: str
    priority: int

    def reaches(self, product: str, group: Mapping[str, str], tags: frozenset[str] = frozenset()) -> bool:
        """Whether the override's target holds the product and group, whenever."""
        return (self.products is None or product in self.products) and (not self.where or matches(self.where, group))

    def holds(self, moment: int) -> bool:
        return self.start <= moment < self.end


Chain = tuple[OverrideTerms, ...]
"""Overrides that could win, best first: tiered ones, then at most one that has no end."""


def rank(override: OverrideTerms) -> int:
    specific, overwrite = bool(override.commits), override.price is not None
    return (0 if overwrite else 1) if specific else (2 if overwrite else 3)


def lowest(override: OverrideTerms) -> Decimal:
    if override.multiplier is not None:
        return override.multiplier
    return min(multiplier for _, multiplier in override.tiers)


def candidates(active: Sequence[OverrideTerms], target: str, commit: str | None, explicit: bool) -> Chain:
    """The chain for the list or the commit price, while drawing `commit` or while drawing none."""
    fitting = [o for o in active if o.target == target and (not o.commits or commit in o.commits) and (o.price is not None or o.multiplier is not None or o.tiers)]
    if not fitting:
        return ()

    def order(o: OverrideTerms) -> tuple[object, ...]:
        if o.price is not None:
            return (rank(o), 0, -o.index)
        return (rank(o), o.priority, -o.index) if explicit else (rank(o), lowest(o), o.priority, -o.index)

    chain = []
    fitting.sort(key=order)
    for override in fitting:
        chain.append(override)
        if not override.tiers:
            break
    return tuple(chain)


def pick(chain: Chain, counted: Mapping[str, Decimal], explicit: bool) -> tuple[OverrideTerms | None, Decimal | None, object]:
    """(winner, its multiplier, units until something else wins) for the next unit; `counted` units each tiered override has had."""
    best: tuple[tuple[object, ...], OverrideTerms, Decimal | None, object] | None = None
    for override in chain:
        if override.tiers:
            found = tier_at(override, counted.get(override.id, Decimal(0)))
            if found is None:
                continue
            multiplier, rest = found
        else:
            multiplier, rest = override.multiplier, None
        key: tuple[object, ...]
        if override.price is not None:
            key = (rank(override), 0, -override.index)
        elif explicit:
            key = (rank(override), override.priority, -override.index)
        else:
            key = (rank(override), multiplier, override.priority, -override.index)
        if best is None or key < best[0]:
            best = (key, override, multiplier, rest)
    return (None, None, None) if best is None else best[1:]


def tier_at(override: OverrideTerms, counted: object) -> tuple[Decimal, object] | None:
    """(multiplier, units left in its tier) behind `counted` units; none: the tiers are used up."""
    upper: object = Decimal(0)
    for size, multiplier in override.tiers:
        if size is None:
            return multiplier, None
        upper = upper + size  # type: ignore[operator]
        if counted < upper:  # type: ignore[operator]
            left = upper - counted if isinstance(counted, Decimal) else type(counted)(upper) - counted  # type: ignore[operator,call-arg]
            return multiplier, left
    return None
