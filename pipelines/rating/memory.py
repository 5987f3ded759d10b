"""The accounts of a partition that are in memory, and which of them were touched since the last write. Pure, used by the step."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

from pipelines.rating import keys, rows
from pipelines.rating.accounts import HeldAccount
from pipelines.rating.beside import Beside
from pipelines.rating.catalogues import Catalogues
from pipelines.rating.cells import Cells

ROOM: Final = 100_000_000
"""Bytes that the accounts of a partition may take, where nobody says it."""


class Accounts:
    """Not thread safe."""

    def __init__(self, cells: Cells, catalogues: Catalogues, beside: Beside, room: int) -> None:
        """`room`: bytes that accounts may take, about."""
        self._room = room
        self._taken = 0
        self._cells = cells
        self._catalogues = catalogues
        self._beside = beside
        self._held: OrderedDict[str, HeldAccount] = OrderedDict()
        self._touched: dict[str, HeldAccount] = {}
        self.outdated = False
        """What accounts know by heart may be wrong: nothing more is done with them before the next write, and all are read anew after it."""

    @property
    def touched(self) -> Mapping[str, HeldAccount]:
        """By root: those whose results must be looked at."""
        return self._touched

    def get(self, root: str) -> HeldAccount:
        """The account, without touching it."""
        account = self._held.get(root)
        if account is None:
            account = self._held[root] = HeldAccount(root, self._cells.read(keys.account(root)), self._cells, self._catalogues.versions)
            self._weigh(account)
        self._held.move_to_end(root)
        return account

    def touch(self, root: str, recorded_ms: int, *names: str) -> HeldAccount:
        """The account, ready for input: it knows the present catalogues, those of its contracts and the named ones."""
        account = self.get(root)
        account.recorded_ms = max(account.recorded_ms, recorded_ms)
        self._touched[root] = account
        self._beside.turn(account)
        self._catalogues.tell(account, names)
        return account

    def look_at(self, account: HeldAccount) -> None:
        """Count an account as touched without telling it anything."""
        self._touched[account.root] = account

    def forget(self, root: str) -> None:
        """Forget the account if it only kept the usage of an id: its windows stay, and have had their turn in a generation, as those of their next owner."""
        stored = self._cells.read(keys.account(root))
        held = self._held.get(root)
        if held.empty if held else stored is not None and not rows.decode_account(stored).contracts:
            self._beside.turn(self.get(root))
            self._drop(root)
            self._touched.pop(root, None)
            self._cells.write(keys.account(root), None)

    def holds(self, root: str) -> bool:
        """It is in memory."""
        return root in self._held

    def take(self) -> dict[str, HeldAccount]:
        """Those touched since the last call."""
        touched, self._touched = self._touched, {}
        return touched

    def written(self, touched: Iterable[HeldAccount]) -> None:
        """All that were touched are stored: let go of what is outdated, or not needed for longest."""
        if self.outdated:
            self._held.clear()
            self._taken = 0
            self.outdated = False
        for account in touched:
            if account.root in self._held:
                self._weigh(account)
        while self._taken > self._room and len(self._held) > 1:
            self._drop(next(iter(self._held)))

    def _weigh(self, account: HeldAccount) -> None:
        before, account.weight = account.weight, account.size()
        self._taken += account.weight - before

    def _drop(self, root: str) -> None:
        account = self._held.pop(root, None)
        if account is not None:
            self._taken -= account.weight
