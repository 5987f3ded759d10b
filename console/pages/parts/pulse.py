"""What has changed lately, asked once for all open pages: whoever looks at a customer is told of its figures when something of it has moved.

While somebody looks, the warehouse is asked every `BEAT_S` which of the customers that are looked at have new rows, and for the figures of those,
all of them together. A page that nobody sees (another tab is in front, the connection is gone) is not looked for. Looks come less often when more
pages are open or the machine is busy, so that reading and drawing never take more than their share; what somebody does on a page goes before: pages
are drawn one at a time, with a pause behind each in which whoever waits gets his turn. Looks go on meanwhile: what they know is what somebody sees who
opens a page.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
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
"""Of those that nobody looks at, so many are kept. Where there are no more customers than that, all are: nobody waits for the page of one that was not
looked at yet, and one question about all costs the warehouse what one about each of a few does."""
KEPT_BEAT_S: Final = 2.0
"""Those that nobody looks at are looked for so much less often."""
SHARE: Final = 8
"""A look is followed by a pause of so many times what reading and drawing took."""
FRESH_S: Final = 5.0
"""How long after a beat its figures are as good as new."""
SLOWEST_S: Final = 3.0
"""The longest pause: a machine that stood still for a while does not make pages stand still for longer. Shorter than what is as good as new."""
BREATH: Final = 2
"""A page that was drawn is followed by a pause of so many times what that took."""
SLOW_S: Final = 5.0
"""What reads more than the figures follows at this pace."""
TOGETHER_S: Final = 0.2
"""So long slow parts of a page that was just opened wait for those of others."""
AT_ONCE: Final = 20
"""Pages whose slow parts are asked for together."""
_WHERE: Final = " WHERE customer IN {customers:Array(String)} AND written_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')"
_TABLES: Final = ("invoice_revisions", "line_revisions", "balance_revisions", "crossing_records")
CHANGED: Final = f"""
SELECT customer, toUnixTimestamp64Milli(max(written_at)), count(), toUnixTimestamp64Milli(now64(3))
FROM ({" UNION ALL ".join(f"SELECT toString(customer) AS customer, written_at FROM {name}{_WHERE}" for name in _TABLES)}) GROUP BY customer"""


class Watching:
    """An open page of a customer."""

    def __init__(
        self,
        customer: str,
        told: Callable[[Figures], Awaitable[None]],
        failed: Callable[[UnavailableError | None], None],
        seen: Callable[[], bool],
        slowly: Callable[[], Awaitable[None]],
    ) -> None:
        """`told` hears figures that are others than it heard last, `failed` what is wrong with the warehouse (none: nothing any more); `slowly` brings
        what reads more than the figures up to date: once at the beginning, and then every now and then."""
        self.customer = customer
        self.told = told
        self.failed = failed
        self.seen = seen
        self.slowly = slowly
        self.known: Figures | None = None
        self.troubled = False
        self.drawing = asyncio.Lock()
        """What is told first is drawn first."""


class Pulse:
    """Beats while somebody looks. For one event loop."""

    def __init__(self, warehouse: Warehouse, refresh: Callable[[], Collection[str]] = lambda: ()) -> None:
        """`refresh` is called on a thread before pages are told: what else they show is brought up to date, and it says who there is."""
        self._warehouse = warehouse
        self._refresh = refresh
        self._few: AbstractSet[str] | None = None
        """All customers, if they are few; none: nobody has asked yet."""
        self._gathering: Gathering[str, Figures] = Gathering(lambda customers: figures_of(warehouse, customers))
        self._watching: dict[Watching, None] = {}
        self._marks: dict[str, tuple[int, int]] = {}
        self._figures: dict[str, Figures] = {}
        self._wanted: dict[str, float] = {}
        """When each customer was looked at last."""
        self._nudged: set[str] = set()
        self._nudge = asyncio.Event()
        self._looked: dict[str, float] = {}
        """When the figures of each customer were read last, or found to be as they were."""
        self._since_ms: int | None = None
        self._under: dict[str, Still] = {}
        """What readers saw when the figures of each customer were read."""
        self._beating: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        """There was a look."""
        self._failing = False
        """The last look has failed: what is known is not what is."""
        self._trailing: asyncio.Task[None] | None = None
        self._begun: list[Watching] = []
        """Pages that have no slow parts yet."""
        self._opened = asyncio.Event()

    async def figures(self, customer: str) -> Figures:
        """The customer's figures: those of the last beat if it was looked at lately. Raises UnavailableError."""
        before, now = self._figures.get(customer), time.monotonic()
        if before is not None and self._watching and now - self._looked.get(customer, -FRESH_S) < FRESH_S:
            return before
        found = await self._gathering.ask(customer)
        self._wanted[customer] = self._looked[customer] = now
        known = self._figures.get(customer)
        if known is None or (known is before and known != found):  # else a look was quicker
            self._figures[customer] = known = found
        return known

    def watch(self, watching: Watching) -> None:
        """Tell that page until `leave`."""
        self._watching[watching] = None
        if self._beating is None or self._beating.done():
            self._begin_anew(watching.customer)
            self._beating = asyncio.create_task(self._run())
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell_all())
        if self._trailing is None or self._trailing.done():
            self._trailing = asyncio.create_task(self._trail())
        self._begun.append(watching)
        self._opened.set()

    def _begin_anew(self, customer: str) -> None:
        """Nobody has looked for a while, so what is known may have changed longer ago than looks reach back: only what this page has just read holds."""
        self._since_ms = None
        self._figures = {name: each for name, each in self._figures.items() if name == customer}
        self._looked, self._marks, self._under = {}, {}, {}

    def leave(self, watching: Watching) -> None:
        self._watching.pop(watching, None)

    def nudge(self, customer: str) -> None:
        """Something of the customer has changed just now, and whoever says so has seen it: the next look does not wait."""
        self._nudged.add(customer)
        self._nudge.set()

    async def _run(self) -> None:
        while self._watching:
            nudged, self._nudged = self._nudged, set()
            self._nudge.clear()
            took_s = 0.0
            try:
                took_s = await self._beat(nudged)
            except Exception:
                LOG.exception("open pages were not looked for")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._nudge.wait(), min(max(BEAT_S, took_s * SHARE), SLOWEST_S))

    async def _trail(self) -> None:
        """Slow parts: those of pages that were just opened at once, all others every now and then."""
        due = time.monotonic() + SLOW_S
        while self._watching:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._opened.wait(), max(0.0, due - time.monotonic()))
            if self._opened.is_set():
                await asyncio.sleep(TOGETHER_S)
            self._opened.clear()
            begun, self._begun = self._begun, []
            await _slowly(begun)
            if time.monotonic() < due:
                continue
            for first in range(0, len(self._watching), AT_ONCE):
                began = time.monotonic()
                await _slowly([each for each in list(self._watching)[first : first + AT_ONCE] if each.seen()])
                await asyncio.sleep((time.monotonic() - began) * SHARE)
            due = time.monotonic() + SLOW_S

    async def _beat(self, nudged: set[str]) -> float:
        """How many seconds of work it was."""
        now = time.monotonic()
        for each in self._watching:
            if each.seen():
                self._wanted[each.customer] = now
        latest = sorted(self._wanted.items(), key=lambda each: -each[1])
        open_now = {name for name, at in latest if at == now}
        self._wanted = {name: at for name, at in latest[: len(open_now) + KEPT] if now - at < KEPT_S}
        due = {name for name in self._kept() if now - self._looked.get(name, -KEPT_BEAT_S) >= KEPT_BEAT_S}
        looked = sorted(nudged & self._wanted.keys() if nudged else open_now | due)
        if not looked:
            return 0.0
        try:
            found = await run_in_threadpool(self._look, looked, nudged)
        except UnavailableError as error:
            self._nudged |= nudged
            self._failing = True
            for each in list(self._watching):
                each.troubled = True
                each.failed(error)
            return time.monotonic() - now
        self._failing = False
        kept = self._kept()  # others may have come meanwhile
        self._figures = {name: each for name, each in (self._figures | found).items() if name in kept}
        self._looked = {name: at for name, at in (self._looked | dict.fromkeys(looked, now)).items() if name in kept}
        for each in [page for page in self._watching if page.customer in nudged]:
            await self._tell(each)
        self._news.set()
        return time.monotonic() - now

    def _kept(self) -> AbstractSet[str]:
        """Customers whose figures are kept up to date."""
        return self._wanted.keys() | (self._few or frozenset())

    async def _tell_all(self) -> None:
        """Every page what it does not know yet, one after the other."""
        while self._watching:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), SLOWEST_S)
            self._news.clear()
            took_s = 0.0
            for each in list(self._watching):
                drawn_s = await self._tell(each)
                took_s += drawn_s
                await asyncio.sleep(drawn_s * BREATH)
            await asyncio.sleep(min(took_s * SHARE, SLOWEST_S))

    async def _tell(self, page: Watching) -> float:
        """How many seconds of work it was."""
        async with page.drawing:
            if self._failing or page not in self._watching:
                return 0.0
            began = time.monotonic()
            try:
                if not page.seen():
                    return 0.0
                if page.troubled:
                    page.troubled = False
                    page.failed(None)
                found = self._figures.get(page.customer)
                if found is None or found is page.known:
                    return 0.0
                page.known = found
                await page.told(found)
            except Exception:
                LOG.exception("the page of %s is left alone from now on", page.customer)
                self.leave(page)
            return time.monotonic() - began

    def _look(self, customers: Sequence[str], nudged: set[str]) -> dict[str, Figures]:
        """Figures that are others than those that are known."""
        marks = self._marks if nudged else self._changed(customers)
        still = self._warehouse.still()
        moved = [
            name
            for name in customers
            if name in nudged
            or name not in self._figures
            or marks.get(name, self._marks.get(name)) != self._marks.get(name)
            or self._under.get(name) != still  # a cutover shows rows that were written before
        ]
        if moved or self._few is None:
            everybody = self._refresh()
            self._few = frozenset(everybody) if len(everybody) <= KEPT else frozenset()
        found = figures_of(self._warehouse, moved, waited_for=bool(nudged)) if moved else {}
        self._under = {name: each for name, each in (self._under | dict.fromkeys(moved, still)).items() if name in self._figures or name in found}
        self._marks = {name: mark for name, mark in (self._marks | dict(marks)).items() if name in self._figures or name in found}
        # Rows are written for reasons that no page shows: the same figures stay the same object.
        return {name: each for name, each in found.items() if each != self._figures.get(name)}

    def _changed(self, customers: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        """Of each customer with rows that are new enough: the time of the last one, and how many there are."""
        if self._since_ms is None:
            self._since_ms = _reach(self._warehouse.now_ms())
        rows = self._warehouse.look(CHANGED, since_ms=self._since_ms, customers=customers)
        if rows:
            self._since_ms = _reach(rows[0][3])
        return {row[0]: (row[1], row[2]) for row in rows}


async def _slowly(pages: Sequence[Watching]) -> None:
    for page, error in zip(pages, await asyncio.gather(*(each.slowly() for each in pages), return_exceptions=True), strict=True):
        if error is not None:
            LOG.error("what reads more on the page of %s was not brought up to date", page.customer, exc_info=error)


def _reach(now_ms: int) -> int:
    """From when on rows are counted. It moves in steps: between them a count changes only when rows come."""
    return (now_ms - OVERLAP_MS) // OVERLAP_MS * OVERLAP_MS
