"""The shell of RATE: a Faust agent over the three topics. It only hands records to the task of their partition (`runner.py`)."""

import asyncio
import logging
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple

import faust
from faust.types import TP
from mode import CrashingSupervisor

from pipelines.monitoring import metrics
from pipelines.rating.output import ForeignWriteError, Output
from pipelines.rating.recovery import Recovery
from pipelines.rating.runner import Runner
from pipelines.rating.step import Input
from pipelines.rating.tables import TABLE, StateTable
from pipelines.rating.transport import Applied, Consumer, Transport
from pipelines.rating.watermark import Watermark
from pipelines.reach import credentials
from pipelines.settings import Settings
from pipelines.topology import ARRIVED, CLOCK, CONTRACT_CHANGES, METERED_USAGE, RATE_GROUP
from schemas.codec import Codec, CodecError

log = logging.getLogger("taximeter.rate")

SOURCES: Final = {topic.name: topic for topic in (CONTRACT_CHANGES, METERED_USAGE, CLOCK)}
APPLIED: Final = {name: metrics.APPLIED.labels(name) for name in SOURCES}
LOOK_S: Final = 0.02
WATERMARK_S: Final = 10.0


class RateApp(faust.App):
    """A Faust app with RATE's transport."""

    applied: Applied
    """What the state has of the topics, by partition."""

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker_consumer, self)


class Awaited(NamedTuple):
    """A tick that waits until its partition has applied the usage before `end`."""

    runner: Runner
    mark: int
    end: int


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
            # A record of metered usage may have a megabyte, so few of them stand between the client and the line.
            stream_buffer_maxsize=32,
            broker_max_poll_records=64,
            stream_recovery_delay=0.0,
            agent_supervisor=CrashingSupervisor,
            worker_redirect_stdouts=False,
            logging_config=None,
        )
        self.table = StateTable(
            app, name=TABLE, key_type=bytes, value_type=bytes, partitions=settings.partitions, on_recover=self._recovered
        )
        app.tables.add(self.table)
        app.applied = self._applied
        self.output = Output(settings.kafka or "", self.codec, settings.partitions, self.table.changelog_topic_name)
        self._recovery = Recovery(settings.kafka or "", self.table.changelog_topic_name)
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
    def recovered_rows(self) -> int:
        """Rows of the changelog that were read since the start."""
        return self._recovery.rows

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
        waiting: dict[int, Awaited] = {}
        while True:
            # A partition that is behind keeps no tick of the others waiting.
            asked = {number: (runner, mark) for number, runner in self._runners.items() if number not in waiting and (mark := runner.partition.mark()) is not None}
            ends = await asyncio.to_thread(watermark.pass_by, list(asked), WATERMARK_S) if asked else None
            waiting |= {number: Awaited(*asked[number], end) for number, end in (ends or {}).items()}
            waiting = {number: each for number, each in waiting.items() if each.runner is self._runners.get(number)}
            standing = await self.consumer.reading(METERED_USAGE.name, waiting) if waiting and not self._app.rebalancing else {}
            for number, (position, last) in standing.items():
                runner, mark, end = waiting[number]
                if position >= end and runner.partition.applied(METERED_USAGE.name) > last:
                    runner.release(mark)
                    del waiting[number]
            await asyncio.sleep(LOOK_S)

    async def leave(self) -> None:
        """`release`, for good: a recovery that is under way ends."""
        self._recoveries += 1
        await self.release()

    async def release(self) -> None:
        """Finish the writes under way and let go of all partitions."""
        runners, self._runners = self._runners, {}
        await asyncio.gather(*(runner.stop() for runner in runners.values()))

    async def _recovered(self) -> None:
        """Faust knows which partitions are ours now.

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
            whole = await asyncio.to_thread(self._recovery.complete, self.table.store, owned, wanted)
            if not whole or not wanted():
                return
            for number in owned:
                self._runners[number] = Runner(self, number, len(owned))
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
        await runner.take(message)

    def decoded(self, message: Any) -> Input | None:
        """The record; none: it cannot be read and is passed over."""
        topic = SOURCES[message.topic]
        try:
            value = self.codec.decode(topic.schema or "", message.value or b"")
        except CodecError as error:
            self.counts["unreadable"] += 1
            metrics.UNREADABLE.inc()
            log.warning("%s[%d] offset %d is passed over: %s", message.topic, message.partition, message.offset, error)
            return None
        self.counts[message.topic] += 1
        APPLIED[message.topic].inc()
        return Input(message.topic, message.offset, _arrived_ms(message), value)


def _arrived_ms(message: Any) -> int:
    """When what the record tells of arrived: of usage its oldest event, as METER says."""
    told = dict(message.headers or ()).get(ARRIVED)
    return int(told) if told is not None else round(message.timestamp * 1000)
