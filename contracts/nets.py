"""Grants never create money: where a quantity falls, a grant pays no more than the net charge of the product and group.

That is the net charge over the grant's own time, and that of the whole period: what is given back outside of its time is not paid for again.
"""

from collections.abc import Iterable

from contracts.offers import Pay
from contracts.timeline import FOREVER
from contracts.usage_lines import Line

__all__ = ["Nets"]

Whose = tuple[object, ...]


class Nets:
    """What grants may still pay of the groups in which lines are negative, at list prices in minor units."""

    def __init__(self, lines: Iterable[Line]) -> None:
        groups: dict[Whose, list[Line]] = {}
        for line in lines:
            if line.kind in ("usage", "correction"):
                groups.setdefault(_whose(line), []).append(line)
        self._rests = {whose: [(line.span[0], line.net) for line in found] for whose, found in groups.items() if any(line.amount < 0 for line in found)}

    def draw(self, line: Line, pay: Pay, until: int | None) -> int:
        """`line.draw` with all that is left in the purse; what it took comes back, in minor units."""
        rests = self._rests.get(_whose(line)) if self._rests else None
        if rests is None:
            return line.draw(pay, pay.purse.left, until)
        room = max(0, min(_net(rests, pay.segment.start, pay.segment.end), _net(rests, -FOREVER, FOREVER)))
        reduced, left = line.reduced, line.left
        line.reduced = max(reduced, left - room)
        taken = line.draw(pay, pay.purse.left, until)
        line.reduced = reduced
        rests.append((line.span[0], line.left - left))
        return taken


def _net(rests: Iterable[tuple[int, int]], start: int, end: int) -> int:
    return sum(amount for at, amount in rests if start <= at < end)


def _whose(line: Line) -> Whose:
    return line.kind, line.terms.id, line.product and line.product.id, line.key
