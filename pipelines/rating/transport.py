"""Faust's Kafka consumer as RATE needs it: read_committed, a short wait in fetches, no record passed over, and offsets that RATE declares done.

Faust commits what it counts as acknowledged, and counts so too what it skips around a rebalance; and where aborted transactions leave gaps its
commits can stand still for ever. Here an offset is committed when `settle` says so, and never else.

After a recovery Faust reads on before it has sought back to the committed offsets, and then empties its queues: records can vanish between the two,
and be dropped as old when they come again. Here the sources are read on only after both, fetches and seeks exclude each other, and
each record names the one before it (`before`), so that whoever takes them sees when one is missing.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

log = logging.getLogger("taximeter.rate")

FETCH_WAIT_MS: Final = 20
"""A fetch waits for the partitions that it asks for, and until it returns no other are asked for: so this is a delay that events can meet."""
IDLE_WAIT_MS: Final = 100
"""As long as nothing has come for `IDLE_S` all partitions are asked for, so what comes first meets no delay, and the broker is left in peace."""
IDLE_S: Final = 0.2
FETCH_TURN_S: Final = 0.05
"""A seek waits for a fetch, so a fetch without records ends after this."""
TURN: Final = 50
"""Messages that are handed on before others get their turn."""
FIRST: Final = -1
"""`before` of the first record behind a seek."""


Applied = Callable[[], Mapping[TP, int]]


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The client, in a thread of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._position = asyncio.Lock()
        self._last: dict[TP, int] = {}
        self._came = time.monotonic()

    def _create_worker_consumer(self, transport: Any) -> Any:
        client = super()._create_worker_consumer(transport)
        client._isolation_level = "read_committed"  # noqa: SLF001 - Faust has no setting for it
        return client

    async def _fetch_records(self, consumer: Any, active_partitions: Any, timeout: float | None = None, max_records: int | None = None) -> Any:  # noqa: ASYNC109
        async with self._position:
            quiet = time.monotonic() - self._came > IDLE_S
            consumer._fetcher._fetch_max_wait_ms = IDLE_WAIT_MS if quiet else FETCH_WAIT_MS  # noqa: SLF001
            found = await super()._fetch_records(consumer, active_partitions, min(timeout or FETCH_TURN_S, FETCH_TURN_S), max_records)
            if found:
                self._came = time.monotonic()
            for place, records in found.items():
                last = self._last.get(place, FIRST)
                for record in records:
                    # A field of the record that nobody uses: Kafka has no checksum of a single record any more.
                    object.__setattr__(record, "checksum", last)
                    last = record.offset
                self._last[place] = last
            return found

    def position_of(self, place: TP) -> int | None:
        """The offset that is read next, as far as it is known."""
        assignment = self._ensure_consumer()._subscription.subscription.assignment  # noqa: SLF001
        state = assignment and assignment.state_value(place)
        return state.position if state is not None and state.has_valid_position else None

    async def reading(self, places: Iterable[TP]) -> dict[TP, tuple[int, int]]:
        """Where reading stands: the next offset, and the last record that was handed over (`FIRST`: none since the last seek)."""
        found: dict[TP, tuple[int, int]] = await self.call_thread(self._reading, list(places))
        return found

    async def _reading(self, places: list[TP]) -> dict[TP, tuple[int, int]]:
        async with self._position:
            return {place: (self.position_of(place) or 0, self._last.get(place, FIRST)) for place in places}

    async def seek_to_committed(self) -> Mapping[TP, int]:
        found: Mapping[TP, int] = await self.call_thread(self._back_to_committed)
        return found

    async def _back_to_committed(self) -> Any:
        async with self._position:
            self._last.clear()
            return await self._ensure_consumer().seek_to_committed()

    async def _seek_wait(self, consumer: Any, partitions: Mapping[TP, int]) -> None:
        async with self._position:
            for place in partitions:
                self._last.pop(place, None)
            await super()._seek_wait(consumer, partitions)


class Consumer(driver.Consumer):
    """Commits what is settled."""

    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._done: dict[TP, int] = {}
        self._held_back: set[TP] = set()
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def settle(self, topic: str, partition: int, offset: int) -> None:
        """Everything before `offset` is done: its rows and results are acknowledged."""
        place = TP(topic, partition)
        self._done[place] = max(offset, self._done.get(place, 0))

    def settled(self, topic: str, partition: int) -> int | None:
        """What `settle` said last, or what was committed when reading began."""
        place = TP(topic, partition)
        return self._done.get(place, self._committed_offset.get(place))

    async def reading(self, topic: str, partitions: Iterable[int]) -> dict[int, tuple[int, int]]:
        """By partition: the next offset that is read, and the last record that was read since the partition became ours."""
        found = await self._thread.reading(TP(topic, number) for number in partitions)
        return {place.partition: standing for place, standing in found.items()}

    def unread(self, topic: str, partition: int) -> int:
        """Offsets between what has been read and the end of the partition; control records count as read."""
        place = TP(topic, partition)
        if place not in self.assignment():
            return 0
        position, end = self._thread.position_of(place), self.highwater(place)
        return 0 if position is None or end is None else max(0, end - position)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """Of the changelog none: Faust recovers nothing then, `recovery.py` does."""
        sources = [place for place in partitions if not self._is_changelog_tp(place)]
        return await super().highwaters(*sources) if sources else {}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Of the changelog none."""
        sources = [place for place in partitions if not self._is_changelog_tp(place)]
        return await super().earliest_offsets(*sources) if sources else {}

    def committed(self) -> dict[TP, int]:
        """The last commit of each partition."""
        return {place: offset for place, offset in self._committed_offset.items() if offset is not None}

    def forget(self) -> None:
        """Partitions are assigned anew: what was settled before and not committed is read again."""
        self._done.clear()

    async def perform_seek(self) -> None:
        """To the committed offsets, but never behind what the state has: what it lacks is read again, whoever has committed it."""
        await super().perform_seek()
        app: Any = self.app
        for place, applied in app.applied().items():
            committed = self._committed_offset.get(place)
            if committed is not None and applied < committed and place in self.assignment():
                log.error("%s[%d]: committed up to %d, but the state has it up to %d only: reading on from there", place.topic, place.partition, committed, applied)
                await self.seek(place, applied)

    def hold(self, topic: str, partition: int) -> None:
        """Fetch no more of it until `let_in`; what is fetched is handed on. Say it again as long as more comes: Faust lets in by itself what it kept out itself."""
        self.on_buffer_full(TP(topic, partition))

    def let_in(self, topic: str, partition: int) -> None:
        """Whoever has it in hand has room again."""
        self.on_buffer_drop(TP(topic, partition))

    def on_buffer_drop(self, tp: TP) -> None:
        """What is paused is read on with everything else (`resume_flow`): read before its offset is sought back it would pass over records."""
        if tp not in self._paused_partitions:
            super().on_buffer_drop(tp)

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """The sources wait for `resume_flow`, which comes when the offsets are sought and the queues are empty."""
        given = set(tps)
        changelogs = {place for place in given if self._is_changelog_tp(place)}
        super().resume_partitions(changelogs)
        self._held_back = given - changelogs

    def pause_partitions(self, tps: Iterable[TP]) -> None:
        given = set(tps)
        super().pause_partitions(given)
        self._held_back -= given

    def resume_flow(self) -> None:
        held_back, self._held_back = self._held_back, set()
        super().resume_partitions(held_back)
        super().resume_flow()

    async def _drain_messages(self, fetcher: Any) -> None:
        """Faust's loop, without the two tasks that it makes for each message, and without its count of acknowledgements."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                await asyncio.sleep(0)
                count = 0
                async for place, message in self.getmany(timeout=1.0):
                    read = self._read_offset[place]
                    if read is None or message.offset >= read:
                        await self._deliver(place, message)
                        self._read_offset[place] = message.offset
                    count += 1
                    if count % TURN == 0:
                        await asyncio.sleep(0)
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise

    async def _deliver(self, place: TP, message: Any) -> None:
        conductor: Any = self.app.topics
        if any(channel.queue.full() for channel in conductor._tp_index[place]):  # noqa: SLF001
            await self.wait_first(self.callback(message), self.suspend_flow.wait())
        else:
            await self.callback(message)

    def ack(self, message: Any) -> bool:
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    def _filter_tps_with_pending_acks(self, topics: Iterable[Any] | None = None) -> Iterator[TP]:  # noqa: ARG002
        return iter(list(self._done))

    def _new_offset(self, tp: TP) -> int | None:
        return self._done.get(tp)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Gaps do not matter here."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Progress is watched by the health file."""


class Transport(driver.Transport):
    """Makes that consumer."""

    Consumer = Consumer
