"""One partition of RATE as it runs: what stands in line is applied, written to the changelog, then to the local store, and published.

Meanwhile records gather, so a write carries more the longer the last one took. Offsets are settled when everything of a write is acknowledged.

MissedRecordError     a record did not arrive that should have
"""

import asyncio
import contextlib
import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from contracts.errors import TaximeterError
from pipelines.monitoring import metrics
from pipelines.rating.inputs import Input
from pipelines.rating.output import ForeignWriteError, portions
from pipelines.rating.step import Partition, Write
from pipelines.rating.tables import Claim, PartitionRows
from pipelines.rating.transport import FIRST
from pipelines.topology import CONTRACT_CHANGES, METERED_USAGE

if TYPE_CHECKING:
    from pipelines.rating.agents import Shell

LINE: Final = 200
"""Documents of a partition that may stand in line before more have to wait; records of usage that are not read yet, before no more are fetched."""
LINE_BYTES: Final = 1_500_000
"""And so much usage that is not read yet."""
RESTS_S: Final = 30.0
"""So long after a partition was assigned there may be records that were read before."""
PORTION_BYTES: Final = 1_000_000
"""Of disputed rows that are written again in one batch."""
TIDY_S: Final = 0.2
LINGER_S: Final = 0.05
"""A partition that is behind gathers records for so long at most between two turns."""
REST_S: Final = 1.0
"""And one of which little waits for so long, unless something comes that somebody waits for."""
LEAST_REST_S: Final = 0.25
"""And so long at least, when all partitions have something to do: written more often, broker and warehouse would do more than this process, for what people
look at by the second. The fewer have, the less."""
REST: Final = 12
"""A partition rests so many times as long as all active ones together work: so the worker has twelve thirteenths of the time for what somebody waits for, as long as it can
afford to."""


class MissedRecordError(TaximeterError):
    """A record did not arrive that should have."""


class Runner:
    """Applies, writes and publishes one partition."""

    def __init__(self, shell: "Shell", number: int, owned: int) -> None:
        """`owned`: partitions of the worker, which share the memory for accounts."""
        self._shell = shell
        self._number = number
        store = shell.table.store
        self._claim = Claim(store.claim(number).number + 1, os.urandom(8))
        self._disputed = store.disputed(number)
        room = shell.settings.rate_memory_mb * 1_000_000 // owned
        self.partition = Partition(number, shell.settings.partitions, PartitionRows(store, number), self._claim.number, room)
        self._last: dict[str, int] = {}
        self._began = time.monotonic()
        self._unread: deque[Any] = deque()
        """Messages of metered usage that are not read yet, behind what stands in the partition's line."""
        self._unread_bytes = 0
        self._held = False
        """No more usage is fetched until there is room."""
        self._wake = asyncio.Event()
        self._wake.set()
        self._room = asyncio.Event()
        self._room.set()
        self._stopping = False
        self._publishing: asyncio.Task[None] | None = None
        self._urgent = asyncio.Event()
        """Something stands in line that somebody waits for."""
        self._rest_until = 0.0
        """Records gather until then (monotonic seconds): what an account costs, it costs once a turn, whatever came for it."""
        held = store.held_offset(number)
        self._behind = 0 if held is None else held + 1
        """Offset behind the last write in the changelog: ours must be the next."""
        self._task = asyncio.create_task(self._run(), name=f"partition {number}")
        self._task.add_done_callback(shell.ended)

    def follows(self, message: Any) -> bool:
        """True when the record is the next of its topic; false when it was there already. Raises MissedRecordError."""
        last, before = self._last.get(message.topic), message.checksum
        if last is None:
            if before != FIRST:
                if time.monotonic() - self._began > RESTS_S:
                    raise MissedRecordError(f"{message.topic}[{self._number}]: the first record was passed over (offset {message.offset} came); starting again")
                return False  # a rest of what was read before the partition was assigned anew
        elif message.offset <= last:
            return False
        elif before > last:
            raise MissedRecordError(f"{message.topic}[{self._number}]: a record between offsets {last} and {message.offset} was passed over; starting again")
        self._last[message.topic] = message.offset
        return True

    def unsettled(self, topic: str) -> int:
        """Records of a topic that arrived and are not done (by offset)."""
        last = self._last.get(topic)
        return 0 if last is None else max(0, last + 1 - (self._shell.consumer.settled(topic, self._number) or 0))

    async def take(self, message: Any) -> None:
        """Stand in line; a document waits while the line is full. Where much usage waits, more is read when its turn comes: the messages are a tenth of its size."""
        if message.topic == METERED_USAGE.name and (self._unread or not self.partition.light):
            self._unread.append(message)
            self._unread_bytes += len(message.value or b"")
            self._urgent.set()  # what nobody has read may be awaited; and a turn that has so much to do need not be put off
        elif (record := self._shell.decoded(message)) is not None:
            self._put(record)
        if self._full:
            self._urgent.set()
        if self._unread_is(LINE, LINE_BYTES):
            # It may wait for documents, which come on their own topic: they must not wait for it, nor other partitions' usage.
            self._held = True
            self._shell.consumer.hold(METERED_USAGE.name, self._number)
        self._wake.set()
        if message.topic != METERED_USAGE.name and self.partition.documents >= LINE and self.partition.busy:
            self._room.clear()
            await self._room.wait()

    @property
    def _full(self) -> bool:
        return self.partition.waiting >= LINE or self._unread_is(LINE, LINE_BYTES)

    @property
    def _behind_by_half(self) -> bool:
        return self.partition.waiting >= LINE // 2 or self._unread_is(LINE // 2, LINE_BYTES // 2)

    def _unread_is(self, records: int, size: int) -> bool:
        """So many records at least, or so many bytes."""
        return len(self._unread) >= records or self._unread_bytes >= size

    def _let_in(self) -> None:
        """What was kept out, if there is room."""
        if self.partition.documents < LINE:
            self._room.set()
        if self._held and not self._stopping and not self._unread_is(LINE // 2, LINE_BYTES // 2):
            self._held = False
            self._shell.consumer.let_in(METERED_USAGE.name, self._number)

    def _busy(self) -> bool:
        """Whether there is something to do; what can be applied together stands in the partition's line then."""
        while self._unread and self.partition.hungry:
            message = self._unread.popleft()
            self._unread_bytes -= len(message.value or b"")
            record = self._shell.decoded(message)
            if record is not None:
                self._put(record)
        return self.partition.busy

    def _put(self, record: Input) -> None:
        self.partition.put(record)
        if _awaited(record):
            self._urgent.set()

    def release(self, mark: int) -> None:
        """Ticks up to `mark` may be applied."""
        self.partition.release(mark)
        self._wake.set()

    async def stop(self) -> None:
        """End between two writes; what was not written is applied again by the next owner."""
        self._room.set()
        self._stopping = True
        self._urgent.set()
        self._wake.set()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while not self._stopping:
            if not self._busy():
                await self._idle()
                continue
            rest_s = self._rest_until - time.monotonic()
            if rest_s > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._urgent.wait(), rest_s)
            started = time.perf_counter()
            self._busy()
            self._urgent.clear()
            self._wake.clear()
            # Somebody waits for something: what nobody waits for rests on meanwhile.
            early = self.partition.work(watched=time.monotonic() < self._rest_until and not self._full and not self._unread)
            write = self.partition.take()
            worked_s = time.perf_counter() - started
            self._shell.counts["work_us"] += round(worked_s * 1e6)
            self._let_in()
            if write is not None:
                await self._commit(write)
            if not early:
                self._rest_until = time.monotonic() + self._rest_s(worked_s, time.perf_counter() - started)
        if self._publishing is not None:
            await self._publishing

    def _rest_s(self, worked_s: float, turn_s: float) -> float:
        if self._full:
            return 0.0
        self._busy()
        self._let_in()
        if self.partition.begun or self._behind_by_half or self._held:
            return min(LINGER_S, turn_s)
        together = self._shell.partitions.values()
        if not together:
            return 0.0  # all are being let go
        active = sum(each.active for each in together)
        return max(LEAST_REST_S * active / len(together), min(REST_S, REST * active * worked_s))

    @property
    def active(self) -> bool:
        """It has done something a moment ago."""
        return time.monotonic() < self._rest_until + REST_S

    async def _idle(self) -> None:
        """Until there is something to do; meanwhile the outbox is emptied."""
        self._let_in()
        self._room.set()
        self._wake.clear()
        try:
            await asyncio.wait_for(self._wake.wait(), TIDY_S if self.partition.leftovers or self._publishing else None)
        except TimeoutError:
            if self._publishing is not None and self._publishing.done():
                self._publishing = None
            elif self.partition.leftovers:
                await self._store(self.partition.tidy())

    async def _commit(self, write: Write) -> None:
        if write.rows:
            await self._store(write.rows)
        before, self._publishing = self._publishing, None
        if before is not None:
            await before
        self._publishing = asyncio.create_task(self._publish(write))
        self._publishing.add_done_callback(self._shell.ended)

    async def _store(self, rows: dict[bytes, bytes | None]) -> None:
        # Before anything else our claim: the step begins with a write. What is disputed may be all of a state, more than one batch can carry; as these are
        # the rows that are held, any part of them is as good as all.
        for portion in portions(self._disputed.items(), PORTION_BYTES):
            await self._append(dict(portion))
        if self._disputed:
            self._shell.table.store.settle_disputes(self._number)
            self._disputed = {}
        await self._append(rows)

    async def _append(self, rows: dict[bytes, bytes | None]) -> None:
        """As one batch of the changelog, then to the local store."""
        with metrics.WRITE.time():
            first, last = await self._shell.output.write(self._number, rows, self._claim, self._behind)
        if first != self._behind:
            raise ForeignWriteError(
                f"partition {self._number}: the changelog goes on at {first}, not at {self._behind}: another worker has written to it; starting again"
            )
        self._behind = last + 1
        self._shell.table.store.write(self._number, rows, last, self._claim)
        metrics.ROWS.inc(len(rows))
        self._shell.counts["rows"] += len(rows)
        self._shell.counts["writes"] += 1

    async def _publish(self, write: Write) -> None:
        await self._shell.output.publish(self._number, write)
        self._shell.counts["crossings"] += len(write.crossings)
        if write.crossings:
            metrics.CROSSINGS.inc(len(write.crossings))
            metrics.EVENT_TO_THRESHOLD.since([each["at"] for each in write.crossings], time.time_ns() // 1_000_000)
        if write.outbox is not None:
            self.partition.published(write.outbox)
        for topic, offset in write.settled.items():
            self._shell.settle(topic, self._number, offset)


def _awaited(record: Input) -> bool:
    """An edit, or usage of which thresholds are looked at event by event."""
    if record.topic == METERED_USAGE.name:
        return any(each["sequence"] is not None for each in record.value["deltas"])
    return record.topic == CONTRACT_CHANGES.name
