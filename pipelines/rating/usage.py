"""Metered usage and transfers: the deltas of records go to their accounts, one account after the other. Pure, used by the step.

What an account costs it costs once however much came for it, so the records that wait are applied together: the more the further the partition is behind.
Accounts of which somebody watches each event come first. Those of which nobody does may be left until later: what they have so far stays open, and takes
in the records that come meanwhile.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from sys import intern
from typing import Any, Final

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


@dataclass
class Rest:
    """What is not applied of records that are applied together."""

    records: list[Input]
    """Without their deltas."""
    deltas: list[Delta]
    """Of all of them."""
    ends: list[int]
    """Places in `deltas` behind each record's."""
    open: bool = True
    """More records may be taken in."""
    changes: int = -1
    """`groups`, `watched` and `order` are good as long as no route has changed since."""
    groups: dict[str, list[int]] = field(default_factory=dict)
    """Places of deltas by root."""
    watched: set[str] = field(default_factory=set)
    """Roots of which somebody watches each event."""
    order: deque[str] = field(default_factory=deque)
    """Roots in the order of their turns."""


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

    @property
    def closed(self) -> bool:
        """And no more are taken in beside them: some accounts that nobody watches have theirs."""
        return self._rest is not None and not self._rest.open

    @property
    def records(self) -> int:
        """That were begun."""
        return 0 if self._rest is None else len(self._rest.records)

    @property
    def deltas(self) -> int:
        """Of the records that were begun."""
        return 0 if self._rest is None else len(self._rest.deltas)

    def take_in(self, waiting: Iterable[Input]) -> list[Input]:
        """Begin with the first of the metered records that wait, if none are begun, and take in those that can be applied with it: these, without their
        deltas, which take much room."""
        rest = self._rest = self._rest or Rest([], [], [])
        found: list[Input] = []
        for record in waiting:
            if rest.records and not _alike(rest.records[0], record, len(rest.deltas)):
                break
            found.append(_head(record))
            rest.records.append(found[-1])
            rest.deltas += record.value["deltas"]
            rest.ends.append(len(rest.deltas))
        if found:
            rest.changes = -1
        return found

    def apply(self, full: Callable[[], bool], *, watched: bool = False) -> list[Input]:
        """Apply what was begun, account by account: its records when they are applied as a whole. None: the write is `full` before, and the next call goes
        on; or others are left than the `watched` ones, which alone were to be applied."""
        rest = self._rest
        if rest is None:
            return []
        first = rest.records[0]
        if first.transfer and self._cells.read(keys.transfer(first.transfer)) is not None:
            self._rest = None
            return rest.records
        rest.open = rest.open and watched and not first.transfer
        parts = int.from_bytes(self._position.parts, "little")
        if rest.changes != self._routes.changes:
            self._group(rest, parts)
        while rest.order:
            if full() or (rest.open and rest.order[0] not in rest.watched):
                self._position.parts = _bits(parts)
                return []
            root = rest.order.popleft()
            places = rest.groups[root]
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

    def _group(self, rest: Rest, parts: int) -> None:
        """By account what is not applied: first those of which somebody watches each event, then those that are in memory, before others take their place."""
        rest.groups, rest.watched, rest.changes = {}, set(), self._routes.changes
        for place, each in enumerate(rest.deltas):
            if not parts >> place & 1:
                root = self._routes.root(each.customer)
                rest.groups.setdefault(root, []).append(place)
                if each.sequence is not None:
                    rest.watched.add(root)
        rest.order = deque(sorted(rest.groups, key=lambda root: (root not in rest.watched, not self._accounts.holds(root))))

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
