"""The running value of a metric over a period: A(start..b) for any window's edge b, kept so that one more delta costs little."""

from bisect import bisect_left
from typing import NamedTuple

from contracts.scales import RAW, raw_atoms
from contracts.usage import Point
from contracts.windows import Aggregate, merge

__all__ = ["Carry", "Series"]


class Carry(NamedTuple):
    """What held at the period's start, of a metric that carries."""

    point: Point | None = None
    members: frozenset[str] = frozenset()


NOTHING = Carry()


class Series:
    """Windows of one product and group in a period, in order, with the running raw value (atoms of 10⁻¹⁸) behind each."""

    __slots__ = ("_edges", "_running", "_valid", "carry", "kind", "parts", "start", "starts")

    def __init__(self, kind: str, start: int, carry: Carry = NOTHING) -> None:
        self.kind = kind
        self.start = start
        """The period's start."""
        self.carry = carry
        self.starts: list[int] = []
        self.parts: dict[int, Aggregate] = {}
        self._running: list[int] = []
        self._edges: dict[int, int] = {}
        """Answers of `at`; one more delta changes those behind it."""
        self._valid = 0
        """How many of `_running` hold."""

    def add(self, window: int, aggregate: Aggregate) -> None:
        before = self.parts.get(window)
        if before is None:
            place = bisect_left(self.starts, window)
            self.starts.insert(place, window)
            self._running.insert(place, 0)
        else:
            place = bisect_left(self.starts, window)
        self.parts[window] = merge(self.kind, before, aggregate)
        self._valid = min(self._valid, place)
        if self.kind == "sum":
            more = aggregate.value or 0
        elif self.kind == "count":
            more = aggregate.events * RAW
        else:
            self._edges.clear()
            return
        for edge in self._edges:
            if edge > window:
                self._edges[edge] += more

    def at(self, edge: int, now: int) -> int:
        """A(start..edge), raw. Only time_weighted looks at the clock: a value has been held until `now` at most."""
        if self.kind == "time_weighted":
            return self._held(edge, now)
        found = self._edges.get(edge)
        if found is None:
            place = bisect_left(self.starts, edge)
            if place > self._valid:
                self._run(place)
            found = self._edges[edge] = self._running[place - 1] if place else self._carried()
        return found

    def used(self, start: int, end: int) -> bool:
        """Whether there were events in [start, end)."""
        place = bisect_left(self.starts, start)
        return place < len(self.starts) and self.starts[place] < end

    def inside(self, start: int, end: int) -> list[int]:
        """Windows with events that start in [start, end)."""
        return self.starts[bisect_left(self.starts, start) : bisect_left(self.starts, end)]

    def _carried(self) -> int:
        if self.kind == "latest":
            return 0 if self.carry.point is None else raw_atoms(self.carry.point.value)
        return len(self.carry.members) * RAW if self.kind == "unique" else 0

    def _run(self, until: int) -> None:
        kind, running = self.kind, self._running
        if kind == "unique":
            self._count_members()
            return
        place = self._valid
        value: int | None = running[place - 1] if place else (self._carried() if kind == "latest" else None)
        for number in range(place, until):
            part = self.parts[self.starts[number]]
            if kind == "count":
                value = (value or 0) + part.events * RAW
            elif kind == "latest":
                value = raw_atoms(part.points[0].value) if part.points else value
            elif part.value is not None:
                if kind == "sum" or value is None:
                    value = (value or 0) + part.value if kind == "sum" else part.value
                else:
                    value = max(value, part.value) if kind == "max" else min(value, part.value)
            running[number] = value or 0
        self._valid = until

    def _count_members(self) -> None:
        seen = set(self.carry.members)
        for number, start in enumerate(self.starts):
            seen |= self.parts[start].members
            self._running[number] = len(seen) * RAW
        self._valid = len(self.starts)

    def _held(self, edge: int, now: int) -> int:
        """Value × milliseconds that it held."""
        until = min(edge, now)
        value = 0 if self.carry.point is None else raw_atoms(self.carry.point.value)
        since, total = self.start, 0
        for start in self.starts:
            if start >= until:
                break
            for point in sorted(self.parts[start].points):
                if point.timestamp_ms >= until:
                    break
                total += value * (point.timestamp_ms - since)
                since, value = point.timestamp_ms, raw_atoms(point.value)
        return total + value * (until - since) if since < until else total
