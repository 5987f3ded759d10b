"""What has changed lately, asked once for all open pages: whoever looks at customers gets their figures when something of them has moved.

While somebody looks, the warehouse is asked every `BEAT_S` which of the customers that are looked at have new rows, and for the figures of those,
all of them together. Looks come less often when more pages are open or the warehouse is slow, so that they never take more than their share of
either; what somebody does on a page goes before.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from fastapi.concurrency import run_in_threadpool

from console.errors import UnavailableError
from console.figures import Figures, figures_of
from console.reading import Warehouse

BEAT_S: Final = 0.25
OVERLAP_MS: Final = 10_000
"""How far back each look reaches again: rows of one insert become visible together, but not in the order of their time."""
WATCHED_S: Final = 10.0
"""A customer that nobody has asked for that long is not looked at any more."""
A_SECOND: Final = 80
"""Pages that are drawn again in a second, at most: each costs this process some milliseconds."""
SHARE: Final = 4
"""A look is followed by a pause of so many times what it took."""
_WHERE: Final = " WHERE customer IN {customers:Array(String)} AND written_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')"
_TABLES: Final = ("invoice_revisions", "line_revisions", "balance_revisions", "crossing_records")
CHANGED: Final = f"""
SELECT customer, toUnixTimestamp64Milli(max(written_at)), count()
FROM ({" UNION ALL ".join(f"SELECT toString(customer) AS customer, written_at FROM {name}{_WHERE}" for name in _TABLES)}) GROUP BY customer"""


class Pulse:
    """Beats when it is asked and the last beat is old enough; all who ask share one look."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._asked: dict[str, float] = {}
        self._marks: dict[str, tuple[int, int]] = {}
        self._figures: dict[str, Figures] = {}
        self._moves: dict[str, int] = {}
        self._nudged: set[str] = set()
        self._trouble: UnavailableError | None = None
        self._next = float("-inf")
        self._since_ms: int | None = None
        self._beating = asyncio.Lock()
        self._slow = asyncio.Lock()

    async def look(self, customer: str) -> tuple[int, Figures | None]:
        """A number that grows whenever something of the customer has changed, and its figures then (none: not read yet). Raises UnavailableError."""
        self._asked[customer] = time.monotonic()
        if (time.monotonic() >= self._next or customer in self._nudged) and not self._beating.locked():
            async with self._beating:
                await self._beat()
        if self._trouble is not None:
            raise self._trouble
        return self._moves.get(customer, 0), self._figures.get(customer)

    def nudge(self, customer: str) -> None:
        """Something of the customer has changed just now, and whoever says so has seen it: the next look does not wait."""
        self._nudged.add(customer)

    @asynccontextmanager
    async def slowly(self) -> AsyncIterator[None]:
        """For what reads more than the figures, and may wait: one page after the other, with pauses between them."""
        async with self._slow:
            began = time.monotonic()
            yield
            await asyncio.sleep((time.monotonic() - began) * SHARE)

    async def _beat(self) -> None:
        began = time.monotonic()
        self._asked = {name: at for name, at in self._asked.items() if began - at < WATCHED_S}
        nudged, self._nudged = self._nudged, set()
        watched = sorted(self._asked)
        try:
            now_ms, marks, figures = await run_in_threadpool(self._read, watched, nudged)
            self._trouble = None
        except UnavailableError as error:
            self._nudged |= nudged
            self._trouble = error
            return
        finally:
            took = time.monotonic() - began
            self._next = began + max(BEAT_S, took * SHARE, len(watched) / A_SECOND)
        for name in figures:
            self._moves[name] = self._moves.get(name, 0) + 1
        self._marks = dict(marks)
        self._figures = {name: found for name, found in {**self._figures, **figures}.items() if name in self._asked}
        self._since_ms = now_ms - OVERLAP_MS

    def _read(self, watched: Sequence[str], nudged: set[str]) -> tuple[int, Mapping[str, tuple[int, int]], Mapping[str, Figures]]:
        now_ms = self._warehouse.now_ms()
        since_ms = now_ms - OVERLAP_MS if self._since_ms is None else self._since_ms
        marks = {row[0]: (row[1], row[2]) for row in self._warehouse.query(CHANGED, since_ms=since_ms, customers=watched)}
        moved = [name for name in watched if name in nudged or name not in self._figures or marks.get(name, self._marks.get(name)) != self._marks.get(name)]
        return now_ms, marks, figures_of(self._warehouse, moved) if moved else {}
