"""The windows of an account: decoded cells over a `UsageStore`, merged in any order to the same aggregate."""

from collections.abc import Container, Iterator, Mapping
from decimal import Decimal
from typing import Protocol

import msgspec

from contracts.scales import RAW, raw_atoms
from contracts.usage import Delta, Point

__all__ = ["DAY", "DROPPED", "IN_TIME", "Aggregate", "GroupKey", "Products", "Slot", "UsageStore", "Windows", "group_key", "merge"]

DAY = 86_400_000
GroupKey = tuple[tuple[str, str], ...]
MANY = 12
"""Decoded cells; of more, only those of the newest day stay: usage mostly comes for it, and what is folded has the others."""
CELL_BYTES = 1_200
DAY_BYTES = 16
"""Of a decoded cell and of a day in the list of days, as measured."""
IN_TIME = 0
"""Tag of usage that its own period bills."""
DROPPED = -1
"""Tag of usage that came too late and was dropped. Any other tag is the start of the later period that bills it."""


NOBODY: frozenset[str] = frozenset()
"""One for all: an empty set of its own would be most of what a window takes."""


class UsageStore(Protocol):
    """Where an account keeps its windows: a dict offline, Faust tables in the stream.

    A cell holds the windows of one (customer id, catalogue, product, UTC day): small, and found by a computed key; day −1 holds the list of
    days. Cells are immutable values: a change is a `put` of a new one. `bytes` because the store decides nothing: the encoding is the account's.
    """

    def get(self, customer: str, catalogue: str, product: str, day: int) -> bytes | None: ...

    def put(self, customer: str, catalogue: str, product: str, day: int, cell: bytes) -> None: ...


class Aggregate(msgspec.Struct, frozen=True, gc=False):
    """Partial aggregate of one window or more: `value` (raw atoms) for sum, max and min, `points` for gauges, `members` for unique."""

    events: int
    first_ms: int
    value: int | None = None
    points: tuple[Point, ...] = ()
    members: frozenset[str] = NOBODY


def of_delta(delta: Delta) -> Aggregate:
    value = None if delta.value is None else raw_atoms(delta.value)
    return Aggregate(delta.events, delta.first_ms, value, delta.points, delta.members)


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
        # Windows of a time when the metric was another one have no points.
        points = a.points + b.points
        return Aggregate(events, first, None, (max(points),) if points else ())
    if kind == "time_weighted":
        return Aggregate(events, first, None, tuple(sorted({*a.points, *b.points})))
    if a.value is None or b.value is None:
        return Aggregate(events, first, b.value if a.value is None else a.value)
    if kind == "sum":
        return Aggregate(events, first, a.value + b.value)
    return Aggregate(events, first, max(a.value, b.value) if kind == "max" else min(a.value, b.value))


def group_key(group: Mapping[str, str]) -> GroupKey:
    return tuple(sorted(group.items())) if group else ()


Slot = tuple[int, int]
"""Window start, tag."""
Cell = dict[GroupKey, dict[Slot, Aggregate]]
Address = tuple[str, str, str]
"""Customer id, catalogue, product."""
Products = Mapping[str, Container[str]]
"""By catalogue."""
_Row = tuple[int, int, int, int, int | str | None, list[tuple[int, str, Decimal]], list[str]]
_ENCODER = msgspec.msgpack.Encoder()
_CELL = msgspec.msgpack.Decoder(list[tuple[list[tuple[str, str]], list[_Row]]])
_DAYS = msgspec.msgpack.Decoder(list[int])
_BIG = 2**63


def encode_cell(cell: Cell) -> bytes:
    return _ENCODER.encode(
        [
            (key, [(w, tag, a.events, a.first_ms, _packed(a.value), a.points, sorted(a.members)) for (w, tag), a in sorted(slots.items())])
            for key, slots in sorted(cell.items())
        ]
    )


def decode_cell(body: bytes) -> Cell:
    return {
        tuple(key): {
            (w, tag): Aggregate(events, first, _unpacked(value), tuple(Point(*point) for point in points), frozenset(members) if members else NOBODY)
            for w, tag, events, first, value, points, members in rows
        }
        for key, rows in _CELL.decode(body)
    }


def _packed(value: int | None) -> int | str | None:
    """Whole values as they are, others as text of their atoms."""
    if value is None:
        return None
    whole, rest = divmod(value, RAW)
    return str(value) if rest or not -_BIG < whole < _BIG else whole


def _unpacked(value: int | str | None) -> int | None:
    return int(value) if isinstance(value, str) else None if value is None else value * RAW


class Windows:
    """Cells of one account, decoded once; changed cells reach the store with `flush`."""

    def __init__(self, store: UsageStore) -> None:
        self.store = store
        self._cells: dict[tuple[str, str, str, int], Cell] = {}
        self._days: dict[Address, list[int]] = {}
        self._dirty: set[tuple[str, str, str, int]] = set()

    def days(self, address: Address) -> list[int]:
        """Days with usage, ascending."""
        found = self._days.get(address)
        if found is None:
            body = self.store.get(*address, -1)
            found = self._days[address] = _DAYS.decode(body) if body else []
        return found

    def cell(self, address: Address, day: int) -> Cell:
        key = (*address, day)
        found = self._cells.get(key)
        if found is None:
            body = self.store.get(*key)
            found = self._cells[key] = decode_cell(body) if body else {}
        return found

    def add(self, kind: str, delta: Delta, tag: int) -> Aggregate:
        """Merge a delta into its window; the delta's own aggregate comes back."""
        aggregate = of_delta(delta)
        self.put(kind, (delta.customer, delta.catalogue, delta.product), group_key(delta.group), (delta.window_ms, tag), aggregate)
        return aggregate

    def put(self, kind: str, address: Address, key: GroupKey, slot: Slot, aggregate: Aggregate) -> None:
        day = slot[0] // DAY
        days = self.days(address)
        if day not in days:
            days.append(day)
            days.sort()
            self._dirty.add((*address, -1))
        slots = self.cell(address, day).setdefault(key, {})
        slots[slot] = merge(kind, slots.get(slot), aggregate)
        self._dirty.add((*address, day))

    def retag(self, kind: str, address: Address, key: GroupKey, slot: Slot, tag: int) -> None:
        """Move the usage of a window to another tag."""
        moved = self.cell(address, slot[0] // DAY)[key].pop(slot)
        self.put(kind, address, key, (slot[0], tag), moved)

    def replace(self, address: Address, day: int, cell: Cell) -> None:
        """Let a day be this instead. Without windows it is no day any more."""
        days = self.days(address)
        if cell and day not in days:
            days.append(day)
            days.sort()
            self._dirty.add((*address, -1))
        elif not cell and day in days:
            days.remove(day)
            self._dirty.add((*address, -1))
        self._cells[*address, day] = cell
        self._dirty.add((*address, day))

    def each(self, address: Address, start: int, end: int) -> Iterator[tuple[GroupKey, int, int, Aggregate]]:
        """(group, window start, tag, aggregate) of the windows that start in [start, end), by day."""
        first, last = start // DAY, (end - 1) // DAY
        for day in self.days(address):
            if first <= day <= last:
                for key, slots in self.cell(address, day).items():
                    for (window, tag), aggregate in slots.items():
                        if start <= window < end:
                            yield key, window, tag, aggregate

    def back(self, address: Address, before: int) -> Iterator[list[tuple[GroupKey, int, int, Aggregate]]]:
        """The windows that start before an instant, a day at a time, the latest day first."""
        for day in reversed(self.days(address)):
            if day * DAY < before:
                yield list(self.each(address, day * DAY, min(before, (day + 1) * DAY)))

    def flush(self) -> None:
        """Hand changed cells to the store."""
        for key in sorted(self._dirty):
            address = key[:3]
            self.store.put(*key, _ENCODER.encode(self._days[address]) if key[3] == -1 else encode_cell(self._cells[key]))
        self._dirty.clear()
        self.trim()

    def trim(self) -> None:
        """Free the memory of decoded cells, unless they are few; those of the newest day stay."""
        if len(self._cells) > MANY:
            newest = max(day for _, _, _, day in self._cells)
            self._cells = {key: cell for key, cell in self._cells.items() if key[3] == newest or key in self._dirty}

    def size(self) -> int:
        """About how many bytes they take in memory."""
        return CELL_BYTES * len(self._cells) + DAY_BYTES * sum(map(len, self._days.values()))

    def reread(self, products: Products) -> None:
        """The store's windows of these products are other ones: what was decoded of them counts no more. Nothing of them may wait for `flush`."""
        self._days = {address: days for address, days in self._days.items() if address[2] not in products.get(address[1], ())}
        self._cells = {key: cell for key, cell in self._cells.items() if key[2] not in products.get(key[1], ())}

    def forget(self) -> None:
        """Free the memory of decoded cells; they are read again when they are needed."""
        self._cells = {key: cell for key, cell in self._cells.items() if key in self._dirty}
