"""The windows of an account: decoded cells over a `UsageStore`, merged in any order to the same aggregate."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple, Protocol

import msgspec

from contracts.usage import Delta, Point

__all__ = ["Aggregate", "GroupKey", "UsageStore", "Windows", "group_key", "merge"]

DAY = 86_400_000
GroupKey = tuple[tuple[str, str], ...]
DROPPED = -1
"""Tag of usage that came too late and was dropped; 0 is usage in time, else the start of the period that bills it."""


class UsageStore(Protocol):
    """Where an account keeps its windows: a dict offline, Faust tables in the stream.

    A cell holds the windows of one (customer id, catalogue, product, UTC day): small, and found by a computed key; day −1 holds the list of
    days. Cells are immutable values: a change is a `put` of a new one. `bytes` because the store decides nothing: the encoding is ours.
    """

    def get(self, customer: str, catalogue: str, product: str, day: int) -> bytes | None: ...

    def put(self, customer: str, catalogue: str, product: str, day: int, cell: bytes) -> None: ...


class Aggregate(NamedTuple):
    """Partial aggregate of one window or more; `value` for sum, max and min, `points` for gauges, `members` for unique."""

    events: int
    first_ms: int
    value: Decimal | None = None
    points: tuple[Point, ...] = ()
    members: frozenset[str] = frozenset()


def of_delta(delta: Delta) -> Aggregate:
    return Aggregate(delta.events, delta.first_ms, delta.value, delta.points, delta.members)


def merge(kind: str, a: Aggregate | None, b: Aggregate) -> Aggregate:
    """Both together; commutative and associative."""
    if a is None:
        return b
    events, first = a.events + b.events, min(a.first_ms, b.first_ms)
    if kind == "count":
        return Aggregate(events, first)
    if kind == "unique":
        return Aggregate(events, first, None, (), a.members | b.members)
    if kind == "latest":
        return Aggregate(events, first, None, (max(a.points + b.points),))
    if kind == "time_weighted":
        return Aggregate(events, first, None, tuple(sorted({*a.points, *b.points})))
    if a.value is None or b.value is None:
        return Aggregate(events, first, b.value if a.value is None else a.value)
    if kind == "sum":
        return Aggregate(events, first, a.value + b.value)
    return Aggregate(events, first, max(a.value, b.value) if kind == "max" else min(a.value, b.value))


def group_key(group: Mapping[str, str]) -> GroupKey:
    return tuple(sorted(group.items()))


Slot = tuple[int, int]
"""Window start, tag."""
Cell = dict[GroupKey, dict[Slot, Aggregate]]
Row = tuple[int, int, int, int, Decimal | None, list[Point], list[str]]
_ENCODER = msgspec.msgpack.Encoder()
_CELL = msgspec.msgpack.Decoder(dict[str, list[Row]])
_DAYS = msgspec.msgpack.Decoder(list[int])
Address = tuple[str, str, str]
"""Customer id, catalogue, product."""


def encode_cell(cell: Cell) -> bytes:
    body = {
        json.dumps(key): [(w, tag, a.events, a.first_ms, a.value, list(a.points), sorted(a.members)) for (w, tag), a in sorted(slots.items())]
        for key, slots in cell.items()
    }
    return _ENCODER.encode(body)


def decode_cell(body: bytes) -> Cell:
    return {
        tuple((k, v) for k, v in json.loads(key)): {
            (w, tag): Aggregate(events, first, value, tuple(points), frozenset(members)) for w, tag, events, first, value, points, members in rows
        }
        for key, rows in _CELL.decode(body).items()
    }


class Windows:
    """Cells of one account, decoded once; changed cells reach the store with `flush`. A trial can be taken back."""

    def __init__(self, store: UsageStore) -> None:
        self._store = store
        self._cells: dict[tuple[str, str, str, int], Cell] = {}
        self._days: dict[Address, list[int]] = {}
        self._dirty: set[tuple[str, str, str, int]] = set()
        self._journal: list[tuple[dict[Slot, Aggregate], Slot, Aggregate | None]] | None = None

    def days(self, customer: str, catalogue: str, product: str) -> list[int]:
        """Days with usage, ascending."""
        address = (customer, catalogue, product)
        found = self._days.get(address)
        if found is None:
            body = self._store.get(customer, catalogue, product, -1)
            found = self._days[address] = _DAYS.decode(body) if body else []
        return found

    def cell(self, customer: str, catalogue: str, product: str, day: int) -> Cell:
        key = (customer, catalogue, product, day)
        found = self._cells.get(key)
        if found is None:
            body = self._store.get(*key)
            found = self._cells[key] = decode_cell(body) if body else {}
        return found

    def add(self, kind: str, delta: Delta, tag: int) -> None:
        """Merge a delta into its window."""
        self.put(kind, (delta.customer, delta.catalogue, delta.product), group_key(delta.group), delta.window_ms, tag, of_delta(delta))

    def put(self, kind: str, address: Address, key: GroupKey, window: int, tag: int, aggregate: Aggregate) -> None:
        day = window // DAY
        days = self.days(*address)
        if day not in days:
            days.append(day)
            days.sort()
            self._dirty.add((*address, -1))
        slots = self.cell(*address, day).setdefault(key, {})
        slot = (window, tag)
        before = slots.get(slot)
        if self._journal is not None:
            self._journal.append((slots, slot, before))
        slots[slot] = merge(kind, before, aggregate)
        self._dirty.add((*address, day))

    def retag(self, kind: str, address: Address, key: GroupKey, slot: Slot, tag: int) -> None:
        """Move the usage of a window to another tag."""
        day = slot[0] // DAY
        slots = self.cell(*address, day)[key]
        moved = slots.pop(slot)
        target = (slot[0], tag)
        slots[target] = merge(kind, slots.get(target), moved)
        self._dirty.add((*address, day))

    def each(self, address: Address, start: int, end: int) -> Iterator[tuple[GroupKey, int, int, Aggregate]]:
        """(group, window start, tag, aggregate) of the windows that start in [start, end), by day."""
        first, last = start // DAY, (end - 1) // DAY
        for day in self.days(*address):
            if first <= day <= last:
                for key, slots in self.cell(*address, day).items():
                    for (window, tag), aggregate in slots.items():
                        if start <= window < end:
                            yield key, window, tag, aggregate

    def begin(self) -> None:
        """Start a trial: `roll_back` takes everything back that is added from here."""
        self._journal = []

    def roll_back(self) -> None:
        for slots, slot, before in reversed(self._journal or []):
            if before is None:
                del slots[slot]
            else:
                slots[slot] = before
        self._journal = None

    def commit(self) -> None:
        self._journal = None

    def flush(self) -> None:
        """Hand changed cells to the store."""
        for key in sorted(self._dirty):
            if key[3] == -1:
                self._store.put(*key, _ENCODER.encode(self._days[key[:3]]))
            else:
                self._store.put(*key, encode_cell(self._cells[key]))
        self._dirty.clear()
