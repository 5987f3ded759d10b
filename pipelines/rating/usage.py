"""Metered usage and transfers: the deltas of records go to their accounts, one account after the other. Pure, used by the step.

What an account costs it costs once however much came for it, so the records that wait are applied together: the more the further the partition is behind.
Accounts of which somebody watches each event come first.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from sys import intern
from typing import Any, Final, NamedTuple

from contracts.timeline import FOREVER
from contracts.usage import Delta, Point
from contracts.windows import NOBODY
from pipelines.rating import keys
from pipelines.rating.beside import Beside
from pipelines.rating.cells import Cells
from pipelines.rating.inputs import Input
from pipelines.rating.memory import Accounts
from pipelines.rating.routes import Routes
from pipelines.rating.rows import Position

TOGETHER: Final = 20_000
"""Deltas of records that are applied together at most (unless one record has more): what is behind them waits until all are applied."""

NO_GROUP: Final[Mapping[str, str]] = {}
Send = Callable[[str, list[dict[str, Any]]], None]
"""Sends deltas to the partition of a root customer."""


class Rest(NamedTuple):
    """What is not applied of records that are applied together; `groups` are good as long as no route has changed."""

    records: list[Input]
    deltas: list[Delta]
    """Of all of them."""
    ends: list[int]
    """Places in `deltas` behind each record's."""
    changes: int
    groups: deque[tuple[str, list[int]]]
    """Root, and the places of its deltas."""


class Usage:
    """Not thread safe."""

    def __init__(self, cells: Cells, position: Position, accounts: Accounts, routes: Routes, beside: Beside, send: Send) -> None:
        self._cells = cells
        self._position = position
        self._accounts = accounts
        self._routes = routes
        self._beside = beside
        self._send = send
        self._rest: Rest | None = None

    @property
    def under_way(self) -> bool:
        """Records have been begun that are not applied as a whole."""
        return self._rest is not None

    def begin(self, waiting: Iterable[Input]) -> list[Input]:
        """Take up the first of the metered records that wait, and those that can be applied with it: these, without their deltas, which take much room."""
        found: list[Input] = []
        deltas: list[Delta] = []
        ends: list[int] = []
        for record in waiting:
            if found and not _alike(found[0], record, len(deltas)):
                break
            found.append(_head(record))
            deltas += record.value["deltas"]
            ends.append(len(deltas))
        self._rest = self._grouped(found, deltas, ends)
        return found

    def apply(self, full: Callable[[], bool]) -> list[Input]:
        """Apply what was begun, account by account: its records when they are applied as a whole; none: the write is `full` before, and the next call goes on."""
        rest = self._rest
        if rest is None:
            return []
        if rest.changes != self._routes.changes:
            self._rest = rest = self._grouped(rest.records, rest.deltas, rest.ends)
        first = rest.records[0]
        if first.transfer and self._cells.read(keys.transfer(first.transfer)) is not None:
            self._rest = None
            return rest.records
        parts = int.from_bytes(self._position.parts, "little")
        while rest.groups:
            if full():
                self._position.parts = _bits(parts)
                return []
            root, places = rest.groups.popleft()
            for portion, record in _by_event(places, rest):
                self._take(root, [rest.deltas[place] for place in portion], record.recorded_ms, FOREVER if first.transfer else first.value["documents"])
            for place in places:
                parts |= 1 << place
        self._rest = None
        # An earlier owner may have had more records together: what it has applied of those behind stays known.
        self._position.parts = _bits(parts >> len(rest.deltas))
        if first.transfer:
            self._cells.write(keys.transfer(first.transfer), b"1")
        return rest.records

    def _grouped(self, records: list[Input], deltas: list[Delta], ends: list[int]) -> Rest:
        """What is not applied of them, by account: first those of which somebody watches each event, then those that are in memory, before others take their place."""
        parts = int.from_bytes(self._position.parts, "little")
        groups: dict[str, list[int]] = {}
        watched: set[str] = set()
        for place, each in enumerate(deltas):
            if not parts >> place & 1:
                root = self._routes.root(each.customer)
                groups.setdefault(root, []).append(place)
                if each.sequence is not None:
                    watched.add(root)
        order = sorted(groups, key=lambda root: (root not in watched, not self._accounts.holds(root)))
        return Rest(records, deltas, ends, self._routes.changes, deque((root, groups[root]) for root in order))

    def _take(self, root: str, deltas: list[Delta], recorded_ms: int, documents: int) -> None:
        """`documents`: how far METER knew contract-changes; `FOREVER`: an id brings along what was applied once already, which has the names of now."""
        gone = {customer: self._routes.gone(customer) for customer in dict.fromkeys(each.customer for each in deltas)}
        away = {customer: to for customer, to in gone.items() if to is not None}
        here = [each for each in deltas if each.customer not in away] if away else deltas
        if here:
            own, beside = self._beside.apart(here)
            known = own or self._cells.read(keys.account(root)) is not None
            if beside and known and not self._beside.exchanged:
                self._beside.keep(beside)
                beside = []
            if own or beside:
                account = self._accounts.touch(root, recorded_ms, *{each.catalogue for each in here})
                own, beside = self._beside.renamed(account, own, beside, documents)
                if own:
                    account.usage(own, moved=documents == FOREVER)
                self._beside.keep(beside)
        for customer, to in away.items():
            self._send(to, [_wire(each) for each in deltas if each.customer == customer])


def compact(record: Input) -> Input:
    """A record with its deltas as the pricing core takes them, a fifth of the room: many stand in line when the partition is behind."""
    return record._replace(value={**record.value, "deltas": [_delta(each) for each in record.value["deltas"]]})


def _alike(first: Input, record: Input, size: int) -> bool:
    """Whether a record may be applied with those from `first` on, which have `size` deltas: METER knew the same documents when it made them."""
    whole = size + len(record.value["deltas"])
    return whole <= TOGETHER and not first.transfer and not record.transfer and record.value["documents"] == first.value["documents"]


def _head(record: Input) -> Input:
    """A record without its deltas."""
    return record._replace(value={name: field for name, field in record.value.items() if name != "deltas"})


def _by_event(places: Sequence[int], rest: Rest) -> Iterator[tuple[Sequence[int], Input]]:
    """An account's places with the record that they are of, the last one if of several: events are told apart within a record only, so where each counts record by record."""
    last = bisect_right(rest.ends, places[-1])
    if len(rest.records) == 1 or all(rest.deltas[place].sequence is None for place in places):
        yield places, rest.records[last]
        return
    by_record: dict[int, list[int]] = {}
    for place in places:
        by_record.setdefault(bisect_right(rest.ends, place), []).append(place)
    for number, portion in by_record.items():
        yield portion, rest.records[number]


def _bits(parts: int) -> bytes:
    return parts.to_bytes((parts.bit_length() + 7) // 8, "little")


def _delta(each: Mapping[str, Any]) -> Delta:
    """A UsageDelta of the wire as the pricing core takes it; many wait at one time, so the names that they share are kept once."""
    value = each["value"]
    return Delta(
        intern(each["catalogue"]),
        intern(each["product"]),
        intern(each["customer"]),
        each["group"] or NO_GROUP,
        each["window_ms"],
        each["recorded_ms"],
        each["first_ms"],
        each["events"],
        None if value is None else Decimal(value),
        tuple(Point(point["timestamp_ms"], point["transaction_id"], Decimal(point["value"])) for point in each["points"]),
        frozenset(each["members"]) if each["members"] else NOBODY,
        each["sequence"],
    )


def _wire(each: Delta) -> dict[str, Any]:
    """And back."""
    return {
        **each._asdict(),
        "group": dict(each.group),
        "value": None if each.value is None else str(each.value),
        "points": [point._asdict() | {"value": str(point.value)} for point in each.points],
        "members": sorted(each.members),
    }
