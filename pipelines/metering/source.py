"""The reading end of METER: usage-events as a member of the group."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from pipelines.fatal import DONE_FOR, ClientLog
from pipelines.metering.messages import Messages
from pipelines.reach import reach
from pipelines.topology import METER_GROUP, USAGE_EVENTS

IDLE_S: Final = 0.2
ASK_S: Final = 2.0
PORTION: Final = 2_000
"""So many messages are taken from the client at once: it holds up all threads meanwhile."""
MORE_S: Final = 0.005
"""How often a fetch that is not wanted yet looks whether it is."""
AGAIN_S: Final = 0.05
LAG_S: Final = 1.0
ANSWER_S: Final = 0.02
"""The broker answers a fetch that often at least, if there is anything to answer."""
SAME_S: Final = 0.001
"""Messages of one answer are there within so long."""
QUEUE_KB: Final = 131_072
"""What librdkafka may fetch ahead of METER: bounds memory when METER is behind."""


class Fetched(NamedTuple):
    """What a fetch gave."""

    messages: Messages | None
    """None: nothing came."""
    trouble: str | None
    """What the client complained about, if it did."""


class Source:
    """Batches of usage-events, and which partitions are ours. Not thread safe, but that `group` and `lag` may be looked at during a fetch.

    Rebalances happen inside `fetch` (and when the consumer is closed) alone.
    """

    def __init__(self, bootstrap: str, name: str) -> None:
        self.before_leaving: Callable[[], None] | None = None
        """Called before a partition is given away: it returns when all that was fetched has ended."""
        self.group: Any = None
        """The group's metadata, as a transaction needs it."""
        self.lag = 0
        """Records in the topic that were not read, as far as the last fetches told."""
        self._lag_at = 0.0
        self._trouble: str | None = None
        self._gone: set[int] = set()
        self._client = ClientLog()
        self.new: set[int] = set()
        """Partitions that were assigned and not yet made ready: they are paused."""
        self.consumer = Consumer(
            {
                **reach(bootstrap),
                "group.id": METER_GROUP,
                "group.instance.id": name,
                "client.id": name,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": 10_000,
                "heartbeat.interval.ms": 1_000,
                # Learning the ids of a partition takes as long as it takes; a dead process is found by its heartbeat.
                "max.poll.interval.ms": 3_600_000,
                "queued.min.messages": 100_000,
                "queued.max.messages.kbytes": QUEUE_KB,
                "fetch.error.backoff.ms": 100,
                # The broker gathers what many producers send: without this every one of their requests is answered by a fetch (decision 0503).
                "fetch.min.bytes": 65_536,
                "fetch.wait.max.ms": round(ANSWER_S * 1000),
                "allow.auto.create.topics": False,
            },
            error_cb=self._complained,
            logger=self._client.logger,
        )
        self.consumer.subscribe([USAGE_EVENTS.name], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)

    def fetch(self, most: int, linger_s: float, idle_s: float, wanted: threading.Event) -> Fetched:
        """In order of offset for each partition: what comes within the linger and until it is wanted; nothing, when nothing does in the idle time.

        It ends behind an answer of the broker, half an answer's time sooner or later than the linger: what the broker still holds would wait for the next batch.
        """
        self._gone.clear()
        until = time.monotonic() + linger_s - ANSWER_S / 2
        found = self._answer(most, idle_s)
        self._client.check()
        fresh = True
        while found and not self.new and len(found) < most:
            left = until - time.monotonic()
            if left <= 0 and wanted.is_set():
                if not fresh and left > -ANSWER_S:
                    found += self._answer(most - len(found), ANSWER_S)
                break
            found += self.consumer.consume(min(most - len(found), PORTION), max(left, MORE_S))
            fresh = False
        if self._gone:
            found = [each for each in found if each.partition() not in self._gone]
        found = self._usable(found)
        now = time.monotonic()
        if now - self._lag_at > LAG_S:
            self._lag_at, self.lag = now, self._measured()
        self.group = self.consumer.consumer_group_metadata()
        trouble, self._trouble = self._trouble, None
        return Fetched(columns(found) if found else None, trouble)

    def _answer(self, most: int, wait_s: float) -> list[Any]:
        """What comes with the next answer of the broker, if one comes within `wait_s`."""
        found: list[Any] = self.consumer.consume(1, wait_s)
        return found + self.consumer.consume(min(most - 1, PORTION), SAME_S) if found else found

    def _usable(self, found: Sequence[Any]) -> list[Any]:
        if not any([message.error() is not None for message in found]):  # noqa: C419 - a list is faster here
            return list(found)
        for message in found:
            error = message.error()
            if error is not None:
                if error.code() in DONE_FOR:
                    raise KafkaException(error)
                self._trouble = error.str()
        return [message for message in found if message.error() is None]

    def committed(self, partitions: Sequence[int]) -> dict[int, int | None]:
        """The group's committed offsets; none: nothing was ever committed."""
        if not partitions:
            return {}
        asked = [TopicPartition(USAGE_EVENTS.name, number) for number in partitions]
        answers = self.consumer.committed(asked, 10)
        for each in answers:
            if each.error is not None:
                raise KafkaException(each.error)
        return {each.partition: each.offset if each.offset >= 0 else None for each in answers}

    def ask(self) -> None:
        """Return when the broker answers. Raises KafkaException when it does not."""
        self.consumer.list_topics(USAGE_EVENTS.name, timeout=ASK_S)

    def assigned(self) -> list[int]:
        return [each.partition for each in self.consumer.assignment()]

    def ready(self, partitions: Sequence[int], ahead: Mapping[int, int]) -> None:
        """Begin to read partitions that were new: from where the group has committed, those of `ahead` from there."""
        self.new.difference_update(partitions)
        ours = set(self.assigned())
        self.seek({number: offset for number, offset in ahead.items() if number in ours})
        self.consumer.resume([TopicPartition(USAGE_EVENTS.name, number) for number in partitions if number in ours])

    def seek(self, positions: Mapping[int, int | None]) -> None:
        """Read on from there, whatever was read since; none: from the beginning. Raises KafkaException."""
        for number, offset in positions.items():
            place = TopicPartition(USAGE_EVENTS.name, number, OFFSET_BEGINNING if offset is None else offset)
            deadline = time.monotonic() + ASK_S
            while True:
                try:
                    self.consumer.seek(place)
                    break
                except KafkaException as error:
                    # The client is still asking where a partition begins that was assigned a moment ago.
                    if error.args[0].code() != KafkaError._STATE or time.monotonic() > deadline:  # noqa: SLF001 - the client has no other name for it
                        raise
                    time.sleep(AGAIN_S)

    def read(self) -> list[int]:
        """Partitions that are read: assigned, and not new."""
        return [number for number in self.assigned() if number not in self.new]

    def _measured(self) -> int:
        lag = 0
        for position in self.consumer.position(self.consumer.assignment()):
            _, high = self.consumer.get_watermark_offsets(position, cached=True)
            if high > 0:
                lag += max(0, high - max(position.offset, 0))
        return lag

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if not partitions:
            return
        consumer.incremental_assign(partitions)
        consumer.pause(partitions)
        self.group = consumer.consumer_group_metadata()
        self.new.update(each.partition for each in partitions)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.group = consumer.consumer_group_metadata()
        if self.before_leaving is not None:
            self.before_leaving()
        gone = {each.partition for each in partitions}
        self._gone |= gone
        self.new -= gone
        consumer.incremental_unassign(partitions)

    def _complained(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - the client has no other name for it
            self._trouble = error.str()


class _Keys(Sequence[bytes | None]):
    """Keys of messages, taken out when they are asked for: only rejects need them."""

    def __init__(self, found: Sequence[Any]) -> None:
        self._found = found

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, position: Any) -> Any:
        return _Keys(self._found[position]) if isinstance(position, slice) else self._found[position].key()


def columns(found: Sequence[Any]) -> Messages:
    """Kafka messages as columns."""
    count = len(found)
    return Messages(
        [message.value() for message in found],
        _Keys(found),
        np.fromiter([message.partition() for message in found], np.uint16, count),
        np.fromiter([message.offset() for message in found], np.int64, count),
        np.fromiter([message.timestamp()[1] for message in found], np.int64, count),
    )
