"""What has changed lately, asked once for all open pages: a page reads its customer again only when something of it has moved.

While somebody looks, the warehouse is asked every `BEAT_S` which customers have new rows. A hundred open pages cost what one costs.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from fastapi.concurrency import run_in_threadpool

from console.reading import Warehouse

BEAT_S: Final = 0.25
OVERLAP_MS: Final = 10_000
"""How far back each look reaches again: rows of one insert become visible together, but not in the order of their time."""
_FROM: Final = " WHERE written_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')"
_TABLES: Final = ("invoice_revisions", "line_revisions", "balance_revisions", "crossing_records")
CHANGED: Final = f"""
SELECT customer, toUnixTimestamp64Milli(max(written_at)), count()
FROM ({" UNION ALL ".join(f"SELECT toString(customer) AS customer, written_at FROM {name}{_FROM}" for name in _TABLES)}) GROUP BY customer"""


class Pulse:
    """Beats when it is asked and the last beat is old enough; several who ask at once share one look."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._since_ms: int | None = None
        self._marks: dict[str, tuple[int, int]] = {}
        self._moves: dict[str, int] = {}
        self._looked = float("-inf")
        self._lock = asyncio.Lock()

    async def moves(self, customer: str) -> int:
        """A number that grows whenever something of the customer has changed. Raises UnavailableError."""
        async with self._lock:
            if time.monotonic() - self._looked >= BEAT_S:
                await self._beat()
        return self._moves.get(customer, 0)

    def nudge(self, customer: str) -> None:
        """Something of the customer has changed just now, and whoever says so has seen it."""
        self._moves[customer] = self._moves.get(customer, 0) + 1

    async def _beat(self) -> None:
        now_ms, rows = await run_in_threadpool(self._look)
        marks: Mapping[str, tuple[int, int]] = {name: (at_ms, count) for name, at_ms, count in rows}
        for name, mark in marks.items():
            if self._marks.get(name) != mark:
                self._moves[name] = self._moves.get(name, 0) + 1
        self._marks = dict(marks)
        self._since_ms = now_ms - OVERLAP_MS
        self._looked = time.monotonic()

    def _look(self) -> tuple[int, list[tuple[str, int, int]]]:
        now_ms = self._warehouse.now_ms()
        rows = self._warehouse.query(CHANGED, since_ms=now_ms - OVERLAP_MS if self._since_ms is None else self._since_ms)
        return now_ms, [(row[0], row[1], row[2]) for row in rows]
