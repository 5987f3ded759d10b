"""The shell of RATE: a Faust agent over the three topics, and for each partition a task that writes and publishes what the step decides.

The agent only hands records to their partition's task. The task applies what waits, writes it to the changelog, then to the local store, and
publishes; meanwhile records gather, so a write carries more the longer the last one took. Offsets are settled when everything of a write is acknowledged.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import faust
from faust.types import TP
from mode import CrashingSupervisor

from contracts.errors import TaximeterError
from pipelines.monitoring import metrics
from pipelines.rating.completion import Completion
from pipelines.rating.output import ForeignWriteError, Output
from pipelines.rating.step import Input, Partition, Write
from pipelines.rating.tables import TABLE, Claim, PartitionRows, StateTable
from pipelines.rating.transport import FIRST, Applied, Consumer, Transport
from pipelines.rating.watermark import Watermark
from pipelines.reach import credentials
from pipelines.settings import Settings
from pipelines.topology import ARRIVED, CLOCK, CONTRACT_CHANGES, METERED_USAGE, RATE_GROUP
from schemas.codec import Codec, CodecError

log = logging.getLogger("taximeter.rate")

SOURCES: Final = {topic.name: topic for topic in (CONTRACT_CHANGES, METERED_USAGE, CLOCK)}
APPLIED: Final = {name: metrics.APPLIED.labels(name) for name in SOURCES}
LINE: Final = 200
"""Records of a partition that may stand in line before the agent waits."""
TIDY_S: Final = 0.2
LOOK_S: Final = 0.02
LINGER_S: Final = 0.05
"""A partition that is behind gathers records for so long at most between two turns."""
REST_S: Final = 0.4
"""And one that has applied everything for so long, unless something comes that somebody waits for."""
REST: Final = 6
"""A partition rests so many times as long as all partitions together work: so the worker has six sevenths of the time for what somebody waits for, as long as it can afford to."""
WATERMARK_S: Final = 10.0


class MissedRecordError(TaximeterError):
    """A record did not arrive that should have."""


class RateApp(faust.App):
    """A Faust app with RATE's transport."""

    applied: Applied
    """What the state has of the topics, by partition."""

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker_consumer, self)


class Runner:
    """Applies, writes and publishes one partition."""

    def __init__(self, shell: "Shell", number: int) -> None:
        self._shell = shell
        self._number = number
        store = shell.table.store
        self._claim = Claim(store.claim(number).number + 1, os.urandom(8))
        self._disputed = store.disputed(number)
        self.partition = Partition(number, shell.settings.partitions, PartitionRows(store, number), self._claim.number)
        self._last: dict[str, int] = {}
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

    async def put(self, record: Input) -> None:
        """Stand in line; waits while the line is full."""
        self.partition.put(record)
        if self.partition.waiting >= LINE or _awaited(record):
            self._urgent.set()
        self._wake.set()
        # A line in which all wait for a document must not keep the document out.
        if self.partition.waiting >= LINE and self.partition.busy:
            self._room.clear()
            await self._room.wait()

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
            if not self.partition.busy:
                await self._idle()
                continue
            rest_s = self._rest_until - time.monotonic()
            if rest_s > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._urgent.wait(), rest_s)
            self._urgent.clear()
            self._wake.clear()
            started = time.perf_counter()
            self.partition.work()
            write = self.partition.take()
            worked_s = time.perf_counter() - started
            self._shell.counts["work_us"] += round(worked_s * 1e6)
            if self.partition.waiting < LINE:
                self._room.set()
            if write is not None:
                await self._commit(write)
            self._rest_until = time.monotonic() + self._rest_s(worked_s, time.perf_counter() - started)
        if self._publishing is not None:
            await self._publishing

    def _rest_s(self, worked_s: float, turn_s: float) -> float:
        if self.partition.waiting >= LINE:
            return 0.0
        return min(LINGER_S, turn_s) if self.partition.busy else min(REST_S, REST * len(self._shell.partitions) * worked_s)

    async def _idle(self) -> None:
        """Until there is something to do; meanwhile the outbox is emptied."""
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
        # Before anything else our claim: the step begins with a write.
        rows = self._disputed | rows
        with metrics.WRITE.time():
            first, last = await self._shell.output.write(self._number, rows, self._claim, self._behind)
        if first != self._behind:
            raise ForeignWriteError(
                f"partition {self._number}: the changelog goes on at {first}, not at {self._behind}: another worker has written to it; starting again"
            )
        self._behind = last + 1
        store = self._shell.table.store
        store.write(self._number, rows, last, self._claim)
        if self._disputed:
            store.settle_disputes(self._number)
            self._disputed = {}
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


class Shell:
    """One RATE worker: the Faust app, its table, its agent, and the partitions that it owns."""

    def __init__(self, settings: Settings, number: int, folder: Path) -> None:
        self.settings = settings
        self.codec = Codec.at(settings.schema_registry)
        self.counts: Counter[str] = Counter()
        """Since the start: records by topic, rows and writes, crossings, unreadable, microseconds of work."""
        self.failed: BaseException | None = None
        self.last_settled = time.time()
        self._runners: dict[int, Runner] = {}
        self._dirty = asyncio.Event()
        self._recoveries = 0
        self._app = app = RateApp(
            RATE_GROUP,
            broker=[f"kafka://{server}" for server in (settings.kafka or "").split(",")],
            broker_credentials=credentials(settings),
            datadir=str(folder),
            store="rocksdb://",
            version=1,
            origin=None,
            autodiscover=False,
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            topic_partitions=settings.partitions,
            table_standby_replicas=0,
            consumer_group_instance_id=f"{RATE_GROUP}-{number}",
            consumer_auto_offset_reset="earliest",
            broker_session_timeout=6.0,
            broker_heartbeat_interval=1.0,
            broker_request_timeout=60.0,
            broker_commit_interval=3600.0,
            broker_commit_livelock_soft_timeout=1e9,
            stream_wait_empty=False,
            stream_buffer_maxsize=256,
            stream_recovery_delay=0.0,
            agent_supervisor=CrashingSupervisor,
            worker_redirect_stdouts=False,
            logging_config=None,
        )
        self.table = StateTable(
            app, name=TABLE, key_type=bytes, value_type=bytes, partitions=settings.partitions, on_recover=self._recovered, recovery_buffer_size=2000
        )
        app.tables.add(self.table)
        app.applied = self._applied
        self.output = Output(settings.kafka or "", self.codec, settings.partitions, self.table.changelog_topic_name)
        self._completion = Completion(settings.kafka or "", self.table.changelog_topic_name)
        topic = app.topic(*SOURCES, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", allow_empty=True)
        app.agent(topic, name="rate")(self._agent)

    @property
    def app(self) -> RateApp:
        return self._app

    @property
    def consumer(self) -> Consumer:
        found: Any = self._app.consumer
        return found  # type: ignore[no-any-return]

    @property
    def partitions(self) -> dict[int, Runner]:
        """Partitions that are ours and ready."""
        return self._runners

    def settle(self, topic: str, partition: int, offset: int) -> None:
        self.consumer.settle(topic, partition, offset)
        self.last_settled = time.time()
        self._dirty.set()

    def ended(self, task: "asyncio.Task[None]") -> None:
        """A partition's task is over: when it failed, so does the worker; the next one goes on from what was written."""
        if not task.cancelled() and (error := task.exception()) is not None and self.failed is None:
            self.failed = error
            log.error("%s: %s", task.get_name(), error, exc_info=None if isinstance(error, ForeignWriteError) else error)

    async def keep_committing(self) -> None:
        """Commit what is settled, soon after it is."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            if not self._app.rebalancing:
                await self.consumer.commit()
            await asyncio.sleep(0.05)

    async def keep_time(self) -> None:
        """Let ticks through when the usage that arrived before them is applied."""
        watermark = Watermark(self.settings.kafka or "", self.codec)
        while True:
            marks = {number: mark for number, runner in self._runners.items() if (mark := runner.partition.mark()) is not None}
            ends = await asyncio.to_thread(watermark.pass_by, list(marks), WATERMARK_S) if marks else None
            while ends and not self._app.rebalancing:
                standing = await self.consumer.reading(METERED_USAGE.name, ends)
                for number, (position, last) in standing.items():
                    runner = self._runners.get(number)
                    if runner is None:
                        del ends[number]
                    elif position >= ends[number] and runner.partition.applied(METERED_USAGE.name) > last:
                        runner.release(marks[number])
                        del ends[number]
                if ends:
                    await asyncio.sleep(LOOK_S)
            await asyncio.sleep(LOOK_S)

    async def release(self) -> None:
        """Finish the writes under way and let go of all partitions."""
        runners, self._runners = self._runners, {}
        await asyncio.gather(*(runner.stop() for runner in runners.values()))

    async def _recovered(self) -> None:
        """Faust has the rows of all partitions that are ours now.

        It says so again after the next rebalance, also while we are at work here: then the later call does everything, and this one nothing more.
        """
        self._recoveries += 1
        mine = self._recoveries

        def wanted() -> bool:
            return mine == self._recoveries

        await self.release()
        self.consumer.forget()
        owned = sorted({place.partition for place in self.consumer.assignment() if place.topic == METERED_USAGE.name})
        try:
            whole = await asyncio.to_thread(self._completion.complete, self.table.store, owned, wanted)
            if not whole or not wanted():
                return
            for number in owned:
                self._runners[number] = Runner(self, number)
        except Exception as error:
            if not wanted():
                log.info("a recovery that another one has overtaken ended with %r", error)
                return
            self.failed = self.failed or error  # Faust would go on without us
            raise
        log.info("rating partitions %s", ", ".join(map(str, owned)) or "none")

    def _applied(self) -> dict[TP, int]:
        """What the state of our partitions has of the topics."""
        return {
            TP(topic, number): runner.partition.applied(topic) for number, runner in self._runners.items() for topic in (CONTRACT_CHANGES.name, METERED_USAGE.name)
        }

    async def _agent(self, stream: Any) -> None:
        source = stream.noack()
        async for event in source.events():
            await self._take(event.message)
            # Faust gives one event a turn of the loop; what stands behind it in the queue is taken at once.
            queue = source.channel.queue
            while not queue.empty() and self._app.flow_control.is_active():
                message = queue.get_nowait().message
                if message.generation_id == self._app.consumer_generation_id:
                    await self._take(message)

    async def _take(self, message: Any) -> None:
        runner = self._runners.get(message.partition)
        if runner is None or not runner.follows(message):
            return
        record = self._decoded(message)
        if record is not None:
            self.counts[message.topic] += 1
            APPLIED[message.topic].inc()
            await runner.put(record)

    def _decoded(self, message: Any) -> Input | None:
        topic = SOURCES[message.topic]
        try:
            value = self.codec.decode(topic.schema or "", message.value or b"")
        except CodecError as error:
            self.counts["unreadable"] += 1
            metrics.UNREADABLE.inc()
            log.warning("%s[%d] offset %d is passed over: %s", message.topic, message.partition, message.offset, error)
            return None
        return Input(message.topic, message.offset, _arrived_ms(message), value)


def _arrived_ms(message: Any) -> int:
    """When what the record tells of arrived: of usage its oldest event, as METER says."""
    told = dict(message.headers or ()).get(ARRIVED)
    return int(told) if told is not None else round(message.timestamp * 1000)


def _awaited(record: Input) -> bool:
    """An edit, or usage of which thresholds are looked at event by event."""
    if record.topic == METERED_USAGE.name:
        return any(each["sequence"] is not None for each in record.value["deltas"])
    return record.topic == CONTRACT_CHANGES.name
