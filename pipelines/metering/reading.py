"""Reading what METER wrote or was given before, beside the group: partitions from an offset on, everything that is committed."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from pipelines import offsets
from pipelines.metering.ids import Stretch, unpacked
from pipelines.reach import reach
from pipelines.topology import ACCEPTED_IDS
from schemas.codec import Codec

BATCH: Final = 50_000
NEAR: Final = 8
"""So many offsets are read through rather than halved."""
WAIT_S: Final = 0.5
REQUEST_S: Final = 10.0
PAUSE_S: Final = 0.05
OPEN_S: Final = 60.0
"""Kafka ends a transaction that is left open after 15 s."""


def reader(bootstrap: str, **options: Any) -> Consumer:
    """A consumer without a group of its own, which is told when a partition ends."""
    return Consumer(
        {
            **reach(bootstrap),
            "group.id": "taximeter-meter-past",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": 65_536,
            "fetch.wait.max.ms": 20,
            **options,
        }
    )


def visible(bootstrap: str, topic: str, partitions: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Where each partition begins and ends, once no transaction is open in it: all that was written before the call can be read. Raises KafkaException."""
    wanted = list(partitions)
    if not wanted:
        return {}
    admin, consumer = AdminClient({**reach(bootstrap), "log_level": 2}), _surveyor(bootstrap)
    try:
        return _visible(admin, consumer, topic, wanted)
    finally:
        consumer.close()


def _surveyor(bootstrap: str) -> Consumer:
    # A reader of what is committed is told the end of that, which may be before a transaction that is just ending.
    return reader(bootstrap, **{"isolation.level": "read_uncommitted"})


def _visible(admin: AdminClient, surveyor: Consumer, topic: str, wanted: list[int]) -> dict[int, tuple[int, int]]:
    marks = {number: surveyor.get_watermark_offsets(TopicPartition(topic, number), REQUEST_S) for number in wanted}
    deadline = time.monotonic() + OPEN_S
    while any(end < marks[number][1] for (_, number), end in offsets.ends(admin, [(topic, number) for number in wanted]).items()):
        if time.monotonic() > deadline:
            raise KafkaException(KafkaError(KafkaError.REQUEST_TIMED_OUT, f"a transaction on {topic} does not end"))
        time.sleep(PAUSE_S)
    return marks


def read(bootstrap: str, topic: str, ranges: Mapping[int, tuple[int, int | None]], most: int = BATCH) -> Iterator[list[Any]]:
    """Batches of `most` records of partitions, each from an offset to another one, or to where it ends now. Raises KafkaException."""
    if not ranges:
        return
    consumer = reader(bootstrap)
    try:
        consumer.assign([TopicPartition(topic, partition, start) for partition, (start, _) in ranges.items()])
        open_ = set(ranges)
        while open_:
            batch = []
            for message in take(consumer, most, WAIT_S):
                partition = message.partition()
                if not at_end(message):
                    batch.append(message)
                    end = ranges[partition][1]
                    if end is None or message.offset() + 1 < end:
                        continue
                open_.discard(partition)
            if batch:
                yield batch
    finally:
        consumer.close()


def take(consumer: Consumer, most: int, wait_s: float) -> list[Any]:
    """What is there, `most` records at most; waits for the first one only. Ends of partitions among them (`at_end`)."""
    first: list[Any] = consumer.consume(1, wait_s)
    return first + consumer.consume(most - 1, 0) if first and most > 1 else first


def at_end(message: Any) -> bool:
    """Whether this is not a record but the end of its partition. Raises KafkaException for other errors."""
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client has no other name for it
        return True
    raise KafkaException(error)


def first_records(consumer: Consumer, topic: str, places: Mapping[int, int]) -> dict[int, Any]:
    """By partition, the first record at its offset or behind it; none: it ends there. Raises KafkaException."""
    consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in places.items()])
    found: dict[int, Any] = {}
    while len(found) < len(places):
        for message in take(consumer, len(places), WAIT_S):
            found.setdefault(message.partition(), None if at_end(message) else message)
    return found


def find(bootstrap: str, codec: Codec, ranges: Mapping[int, tuple[int, int]], wanted: Mapping[int, int]) -> dict[int, int]:
    """Offsets of accepted-ids, by partition, before which every stretch ends at or before the event offset `wanted`.

    `ranges`: where the answer is. Halves it, all partitions at once. Raises KafkaException.
    """
    if not wanted:
        return {}
    consumer = _prober(bootstrap)
    try:
        return _find(consumer, codec, ranges, wanted)
    finally:
        consumer.close()


def _prober(bootstrap: str) -> Consumer:
    return reader(bootstrap, **{"fetch.message.max.bytes": 65_536, "queued.max.messages.kbytes": 1_024})


def _find(prober: Consumer, codec: Codec, ranges: Mapping[int, tuple[int, int]], wanted: Mapping[int, int]) -> dict[int, int]:
    low = {partition: start for partition, (start, _) in ranges.items()}
    high = {partition: end for partition, (_, end) in ranges.items()}
    near = True
    while probes := {partition: (low[partition] + high[partition]) // 2 for partition in wanted if high[partition] - low[partition] > NEAR}:
        if near:  # most often it is at the end
            probes = {partition: high[partition] - NEAR for partition in probes}
        for partition, message in first_records(prober, ACCEPTED_IDS.name, probes).items():
            stretch = None if message is None else unpacked(codec, message.value())
            if message is not None and stretch is not None and stretch.end <= wanted[partition]:
                low[partition] = message.offset() + 1
            else:
                high[partition] = probes[partition]
        near = False
    return {partition: low[partition] for partition in wanted}


class Stretches:
    """Accepted events of one partition at a time, stretch by stretch in order."""

    def __init__(self, bootstrap: str, codec: Codec) -> None:
        self._codec = codec
        self._admin = AdminClient({**reach(bootstrap), "log_level": 2})
        self._surveyor, self._prober, self._consumer = _surveyor(bootstrap), _prober(bootstrap), reader(bootstrap)
        self._held: list[Stretch] = []
        self._ended = False

    def begin(self, partition: int, start: int) -> None:
        """Go to a partition, from an event offset on. Raises KafkaException."""
        marks = _visible(self._admin, self._surveyor, ACCEPTED_IDS.name, [partition])
        at = _find(self._prober, self._codec, marks, {partition: start})[partition]
        self._prober.unassign()
        self._consumer.assign([TopicPartition(ACCEPTED_IDS.name, partition, at)])
        self._held, self._ended = [], False

    def until(self, end: int) -> list[Stretch]:
        """All that begin before `end` and have not ended before the `end` of an earlier call. Raises KafkaException."""
        while not self._ended and not (self._held and self._held[-1].end >= end):
            for message in take(self._consumer, 100, WAIT_S):
                if at_end(message):
                    self._ended = True
                else:
                    self._held.append(unpacked(self._codec, message.value()))
        found = [stretch for stretch in self._held if stretch.first < end]
        self._held = [stretch for stretch in self._held if stretch.end > end]
        return found

    def close(self) -> None:
        for consumer in (self._surveyor, self._prober, self._consumer):
            consumer.close()
