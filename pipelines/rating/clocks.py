"""The clocks of a partition: ticks that wait for the usage before them, and the accounts that something is due for. Pure, used by the step."""

import heapq
from collections import deque
from collections.abc import Callable
from typing import Final

from pipelines.rating import keys, rows
from pipelines.rating.accounts import WALL
from pipelines.rating.cells import Rows
from pipelines.rating.inputs import Input
from pipelines.rating.memory import Accounts
from pipelines.rating.rows import AccountRow
from pipelines.rating.sweeps import Sweeps

AGAIN: Final = -1
"""In place of a tick's offset: the clock stood there before."""


class Clocks:
    """Not thread safe."""

    def __init__(self, table: Rows, accounts: Accounts, sweeps: Sweeps) -> None:
        self._accounts = accounts
        self._sweeps = sweeps
        self._coming: deque[tuple[int, str, int]] = deque()
        """Ticks that wait for the usage before them: offset, clock, time."""
        self._ticks: dict[str, tuple[int, int]] = {}
        """Clock to (time, offset of the tick) that can be applied: of several the last counts."""
        self._standing: dict[str, int] = {}
        self._due: dict[str, list[tuple[int, str]]] = {}
        self._scheduled: dict[str, int] = {}
        for key, value in table.scan(keys.ACCOUNTS):
            self.schedule(keys.root_of(key), rows.decode_account(value))

    def now_ms(self, clock: str) -> int:
        """Where a clock stands; 0 before its first tick."""
        return self._standing.get(clock, 0)

    def put(self, tick: Input) -> None:
        """A tick has come."""
        self._coming.append((tick.offset, tick.value["clock"], tick.value["now"]))

    def mark(self) -> int | None:
        """The last tick that waits; none: no tick does."""
        return self._coming[-1][0] if self._coming else None

    def release(self, mark: int) -> None:
        """All usage that arrived before the tick `mark` is applied: the ticks up to it can be."""
        while self._coming and self._coming[0][0] <= mark:
            offset, clock, now_ms = self._coming.popleft()
            self._ticks[clock] = (max(self._ticks.get(clock, (0, 0))[0], now_ms), offset)

    @property
    def running(self) -> bool:
        """Some tick can be applied."""
        return bool(self._ticks)

    @property
    def moved(self) -> bool:
        """And it is of a test clock: who moved it waits for what comes of it."""
        return any(clock != WALL for clock in self._ticks)

    @property
    def offsets(self) -> list[int]:
        """Ticks that can be applied and are not done."""
        return [offset for _, offset in self._ticks.values() if offset >= 0]

    def run(self, full: Callable[[], bool]) -> list[int]:
        """Advance the accounts for which something is due, until the write is `full`. The offsets of ticks that are done come back."""
        done: list[int] = []
        for clock, (now_ms, offset) in list(self._ticks.items()):
            self._standing[clock] = max(self.now_ms(clock), now_ms)
            if clock == WALL:
                self._sweeps.open(now_ms)
            heap = self._due.get(clock, [])
            while heap and heap[0][0] <= now_ms:
                if full():
                    return done
                due_ms, root = heapq.heappop(heap)
                if self._scheduled.get(root) == due_ms:
                    del self._scheduled[root]
                    self._accounts.touch(root, due_ms).advance(now_ms)
            del self._ticks[clock]
            done.append(offset)
        return done

    def schedule(self, root: str, row: AccountRow) -> None:
        """Something is due for an account; at once, when its clock has passed that time already."""
        clock, due_ms = row.clock, row.due_ms
        if due_ms is None:
            return
        if self._scheduled.get(root) != due_ms:
            self._scheduled[root] = due_ms
            heapq.heappush(self._due.setdefault(clock, []), (due_ms, root))
        standing = self.now_ms(clock)
        if due_ms <= standing and row.now_ms < standing:
            self._ticks.setdefault(clock, (standing, AGAIN))
