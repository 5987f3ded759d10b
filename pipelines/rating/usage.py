"""Metered usage and transfers: the deltas of a record go to their accounts, one account after the other. Pure, used by the step."""

from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from contracts.timeline import FOREVER
from contracts.usage import Delta, Point
from pipelines.rating import keys
from pipelines.rating.beside import Beside
from pipelines.rating.cells import Cells
from pipelines.rating.inputs import Input
from pipelines.rating.memory import Accounts
from pipelines.rating.routes import Routes
from pipelines.rating.rows import Position

Send = Callable[[str, list[dict[str, Any]]], None]
"""Sends deltas to the partition of a root customer."""


class Rest(NamedTuple):
    """What is not applied of a record, by account; good as long as no route has changed."""

    record: Input
    changes: int
    groups: deque[tuple[str, list[int]]]
    """Root, and places of its deltas in the record, in order of the first."""


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

    def apply(self, record: Input, full: Callable[[], bool]) -> bool:
        """Apply a metered record, account by account; false when the write is `full` before its end: the next call goes on there."""
        value = record.value
        transfer = record.transfer
        if transfer and self._cells.read(keys.transfer(transfer)) is not None:
            return True
        parts = int.from_bytes(self._position.parts, "little")
        groups = self._groups(record, parts)
        while groups:
            if full():
                self._position.parts = parts.to_bytes((parts.bit_length() + 7) // 8, "little")
                return False
            root, places = groups.popleft()
            self._take(root, [value["deltas"][place] for place in places], record.recorded_ms, FOREVER if transfer else value["documents"])
            for place in places:
                parts |= 1 << place
        self._rest = None
        self._position.parts = b""
        if transfer:
            self._cells.write(keys.transfer(transfer), b"1")
        return True

    def _groups(self, record: Input, parts: int) -> deque[tuple[str, list[int]]]:
        rest = self._rest
        if rest is None or rest.record is not record or rest.changes != self._routes.changes:
            groups: dict[str, list[int]] = {}
            for place, each in enumerate(record.value["deltas"]):
                if not parts >> place & 1:
                    groups.setdefault(self._routes.root(each["customer"]), []).append(place)
            rest = self._rest = Rest(record, self._routes.changes, deque(groups.items()))
        return rest.groups

    def _take(self, root: str, deltas: list[dict[str, Any]], recorded_ms: int, documents: int) -> None:
        """`documents`: how far METER knew contract-changes; usage that was applied once already has the names of now."""
        gone = {customer: self._routes.gone(customer) for customer in dict.fromkeys(each["customer"] for each in deltas)}
        away = {customer: to for customer, to in gone.items() if to is not None}
        here = [each for each in deltas if each["customer"] not in away] if away else deltas
        if here:
            own, beside = self._beside.apart(map(_delta, here))
            known = own or self._cells.read(keys.account(root)) is not None
            if beside and known and not self._beside.exchanged:
                self._beside.keep(beside)
                beside = []
            if own or beside:
                account = self._accounts.touch(root, recorded_ms, *{each["catalogue"] for each in here})
                own, beside = self._beside.renamed(account, own, beside, documents)
                if own:
                    account.usage(own)
                self._beside.keep(beside)
        for customer, to in away.items():
            self._send(to, [each for each in deltas if each["customer"] == customer])


def _delta(each: Mapping[str, Any]) -> Delta:
    """A UsageDelta of the wire as the pricing core takes it."""
    value = each["value"]
    return Delta(
        each["catalogue"],
        each["product"],
        each["customer"],
        each["group"],
        each["window_ms"],
        each["recorded_ms"],
        each["first_ms"],
        each["events"],
        None if value is None else Decimal(value),
        tuple(Point(point["timestamp_ms"], point["transaction_id"], Decimal(point["value"])) for point in each["points"]),
        frozenset(each["members"]),
        each["sequence"],
    )
