"""How accounts get to know a new version of a catalogue: the touched ones at once, idle ones by and by. Pure, used by the step."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pipelines.rating import keys, rows
from pipelines.rating.catalogues import Catalogues
from pipelines.rating.cells import Cells, Rows
from pipelines.rating.memory import Accounts
from pipelines.rating.rows import SweepRow

SWEPT_ACCOUNTS: Final = 8
"""Of the accounts of a write, so many may be idle ones that a catalogue is told to."""
BY_TIME: Final = -1
"""In place of an offset: no record started it."""


class Sweeps:
    """Not thread safe."""

    def __init__(self, cells: Cells, table: Rows, catalogues: Catalogues, accounts: Accounts) -> None:
        self._cells = cells
        self._catalogues = catalogues
        self._accounts = accounts
        self._running = {key[1:].decode(): rows.decode_sweep(value) for key, value in table.scan(keys.SWEEPS)}

    def __bool__(self) -> bool:
        """Some accounts do not know yet."""
        return bool(self._running)

    @property
    def offsets(self) -> list[int]:
        """Records of contract-changes that are not done, because some accounts do not know of them."""
        return [sweep.offset for sweep in self._running.values() if sweep.offset >= 0]

    def take(self, change: Mapping[str, Any], offset: int, now_ms: int) -> None:
        """A version of a catalogue was recorded; `now_ms`: wall time so far."""
        if not self._catalogues.postponed(change, now_ms):
            self._begin(change["id"], change["version"], change["recorded_at"], change["body"], offset)

    def open(self, now_ms: int) -> None:
        """Versions whose time has come."""
        for name, each in self._catalogues.due(now_ms):
            self._begin(name, each.version, each.effective_ms, each.body, BY_TIME)

    def run(self, full: Callable[[], bool]) -> None:
        """Tell a few more accounts, until the write is `full`."""
        for name, sweep in list(self._running.items()):
            holds, began = self._catalogues.row(name), sweep.after
            for count, (key, value) in enumerate(self._cells.scan(keys.ACCOUNTS, sweep.after)):
                if count >= SWEPT_ACCOUNTS or full():
                    if sweep.after != began:
                        self._cells.write(keys.sweep(name), rows.encode(sweep))
                    break
                row = rows.decode_account(value)
                if row.catalogues.get(name, holds.version) < holds.version:
                    self._accounts.touch(keys.root_of(key), holds.recorded_ms)
                sweep.after = key
            else:
                del self._running[name]
                self._cells.write(keys.sweep(name), None)
                self._catalogues.known_by_all(name)

    def _begin(self, name: str, version: int, recorded_ms: int, body: str, offset: int) -> None:
        self._catalogues.hold(name, version, recorded_ms, body)
        earlier = self._running.get(name)
        self._running[name] = SweepRow(keys.ACCOUNTS, earlier.offset if earlier and earlier.offset >= 0 else offset)
        self._cells.write(keys.sweep(name), rows.encode(self._running[name]))
        for root, account in list(self._accounts.touched.items()):
            # The sweep goes over the rows as they are written, and these are yet to be.
            if name in account.row.catalogues:
                self._accounts.touch(root, recorded_ms)
