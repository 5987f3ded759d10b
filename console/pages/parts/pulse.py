"""What has changed lately, asked once for all open pages: whoever looks at a customer is told of its figures when something of it has moved.

While somebody looks, the warehouse is asked every `BEAT_S` which of the customers that are looked at have new rows, and for the figures of those,
all of them together. A page that nobody sees (another tab is in front, the connection is gone) is not looked for. Looks come less often when more
pages are open or the machine is busy, so that reading and drawing never take more than their share; what somebody does on a page goes before.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from fastapi.concurrency import run_in_threadpool

from console.errors import UnavailableError
from console.figures import Figures, figures_of
from console.gathering import Gathering
from console.reading import Still, Warehouse

LOG = logging.getLogger("taximeter.console")
BEAT_S: Final = 0.25
OVERLAP_MS: Final = 10_000
"""How far back each look reaches again at least: rows of one insert become visible together, but not in the order of their time."""
KEPT_S: Final = 60.0
"""A customer that nobody has looked at for that long is forgotten; till then whoever comes back to it need not wait."""
KEPT: Final = 300
"""Of those that nobody looks at, so many are kept."""
SHARE: Final = 8
"""A look is followed by a pause of so many times what reading and drawing took."""
FRESH_S: Final = 5.0
"""How long after a beat its figures are as good as new."""
SLOWEST_S: Final = 3.0
"""The longest pause: a machine that stood still for a while does not make pages stand still for longer."""
AT_ONCE: Final = 20
"""Pages that are drawn before others get their turn."""
_WHERE: Final = " WHERE customer IN {customers:Array(String)} AND written_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')"
_TABLES: Final = ("invoice_revisions", "line_revisions", "balance_revisions", "crossing_records")
CHANGED: Final = f"""
SELECT customer, toUnixTimestamp64Milli(max(written_at)), count(), toUnixTimestamp64Milli(now64(3))
FROM ({" UNION ALL ".join(f"SELECT toString(customer) AS customer, written_at FROM {name}{_WHERE}" for name in _TABLES)}) GROUP BY customer"""


class Watching:
    """An open page of a customer."""

    def __init__(
        self, customer: str, told: Callable[[Figures], Awaitable[None]], failed: Callable[[UnavailableError | None], None], seen: Callable[[], bool]
    ) -> None:
        """`told` hears figures that are others than it heard last, `failed` what is wrong with the warehouse (none: nothing any more)."""
        self.customer = customer
        self.told = told
        self.failed = failed
        self.seen = seen
        self.known: Figures | None = None
        self.troubled = False


class Pulse:
    """Beats while somebody looks. For one event loop."""

    def __init__(self, warehouse: Warehouse, refresh: Callable[[], object] = lambda: None) -> None:
        """`refresh` is called on a thread before pages are told: what else they show is brought up to date."""
        self._warehouse = warehouse
        self._refresh = refresh
        self._gathering = Gathering(lambda customers: figures_of(warehouse, customers))
        self._watching: dict[Watching, None] = {}
        self._marks: dict[str, tuple[int, int]] = {}
        self._figures: dict[str, Figures] = {}
        self._wanted: dict[str, float] = {}
        """When each customer was looked at last."""
        self._nudged: set[str] = set()
        self._nudge = asyncio.Event()
        self._looked = float("-inf")
        self._since_ms: int | None = None
        self._still: Still | None = None
        self._beating: asyncio.Task[None] | None = None
        self._slow = asyncio.Lock()

    async def figures(self, customer: str) -> Figures:
        """The customer's figures: those of the last beat if it was looked at lately. Raises UnavailableError."""
        known = self._figures.get(customer)
        if known is not None and self._watching and time.monotonic() - self._looked < FRESH_S:
            return known
        found = self._figures.setdefault(customer, await self._gathering.ask(customer))
        self._wanted[customer] = time.monotonic()
        return found

    def watch(self, watching: Watching) -> None:
        """Tell that page until `leave`."""
        self._watching[watching] = None
        if self._beating is None or self._beating.done():
            self._since_ms = None
            self._beating = asyncio.create_task(self._run())

    def leave(self, watching: Watching) -> None:
        self._watching.pop(watching, None)

    def nudge(self, customer: str) -> None:
        """Something of the customer has changed just now, and whoever says so has seen it: the next look does not wait."""
        self._nudged.add(customer)
        self._nudge.set()

    @asynccontextmanager
    async def slowly(self) -> AsyncIterator[None]:
        """For what reads more than the figures, and may wait: one page after the other, with pauses between them."""
        async with self._slow:
            began = time.monotonic()
            yield
            await asyncio.sleep((time.monotonic() - began) * SHARE)

    async def _run(self) -> None:
        while self._watching:
            began = time.monotonic()
            nudged, self._nudged = self._nudged, set()
            self._nudge.clear()
            try:
                await self._beat(nudged)
            except Exception:
                LOG.exception("open pages were not looked for")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._nudge.wait(), min(max(BEAT_S, (time.monotonic() - began) * SHARE), SLOWEST_S))

    async def _beat(self, nudged: set[str]) -> None:
        now = time.monotonic()
        for each in self._watching:
            if each.seen():
                self._wanted[each.customer] = now
        latest = sorted(self._wanted.items(), key=lambda each: -each[1])
        looked_at = sum(at == now for _, at in latest)
        self._wanted = {name: at for name, at in latest[: looked_at + KEPT] if now - at < KEPT_S}
        looked = [name for name in self._wanted if name in nudged] if nudged else sorted(self._wanted)
        if not looked:
            return
        try:
            await run_in_threadpool(self._look, looked, nudged)
        except UnavailableError as error:
            self._nudged |= nudged
            for each in list(self._watching):
                each.troubled = True
                each.failed(error)
            return
        if not nudged:
            self._looked = now
        self._figures = {name: found for name, found in self._figures.items() if name in self._wanted}
        await self._tell()

    async def _tell(self) -> None:
        for number, each in enumerate(list(self._watching)):
            if not each.seen() or each not in self._watching:
                continue
            if each.troubled:
                each.troubled = False
                each.failed(None)
            found = self._figures.get(each.customer)
            if found is not None and found is not each.known:
                each.known = found
                try:
                    await each.told(found)
                except Exception:
                    LOG.exception("the page of %s is left alone from now on", each.customer)
                    self.leave(each)
                if number % AT_ONCE == 0:
                    await asyncio.sleep(0)

    def _look(self, customers: Sequence[str], nudged: set[str]) -> None:
        marks = self._marks if nudged else self._changed(customers)
        moved = [name for name in customers if name in nudged or name not in self._figures or marks.get(name, self._marks.get(name)) != self._marks.get(name)]
        if (still := self._warehouse.still()) != self._still:  # a cutover shows rows that were written before
            self._still, moved = still, list(customers)
        if moved:
            self._refresh()
            found = figures_of(self._warehouse, moved)
            # Rows are written for reasons that no page shows: the same figures stay the same object.
            self._figures |= {name: each for name, each in found.items() if each != self._figures.get(name)}
        if not nudged:
            self._marks = dict(marks)

    def _changed(self, customers: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        """Of each customer with rows that are new enough: the time of the last one, and how many there are."""
        if self._since_ms is None:
            self._since_ms = _reach(self._warehouse.now_ms())
        rows = self._warehouse.query(CHANGED, since_ms=self._since_ms, customers=customers)
        if rows:
            self._since_ms = _reach(rows[0][3])
        return {row[0]: (row[1], row[2]) for row in rows}


def _reach(now_ms: int) -> int:
    """From when on rows are counted. It moves in steps: between them a count changes only when rows come."""
    return (now_ms - OVERLAP_MS) // OVERLAP_MS * OVERLAP_MS
