"""Faust's Kafka consumer as RATE needs it: read_committed, a short wait in fetches, and offsets that RATE itself declares done.

Faust commits what it counts as acknowledged, and counts so too what it skips around a rebalance; and where aborted transactions leave gaps its
commits can stand still for ever. Here an offset is committed when `settle` says so, and never else.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

FETCH_WAIT_MS: Final = 20
"""A fetch waits for the partitions that it asks for, and until it returns no other are asked for: so this is a delay that events can meet."""


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Creates the client."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        client = super()._create_worker_consumer(transport)
        client._isolation_level = "read_committed"  # noqa: SLF001 - Faust has no setting for it
        client._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001
        return client


class Consumer(driver.Consumer):
    """Commits what is settled."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._done: dict[TP, int] = {}
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

    def committed(self) -> dict[TP, int]:
        """The last commit of each partition."""
        return {place: offset for place, offset in self._committed_offset.items() if offset is not None}

    def forget(self) -> None:
        """Partitions are assigned anew: what was settled before and not committed is read again."""
        self._done.clear()

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
