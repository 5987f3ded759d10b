"""Reading what METER wrote or was given before, beside the group: partitions from an offset on, everything that is committed."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from pipelines import offsets
from pipelines.reach import reach
from pipelines.reader import at_end, reader

BATCH: Final = 50_000
WAIT_S: Final = 0.5
REQUEST_S: Final = 10.0
PAUSE_S: Final = 0.05
OPEN_S: Final = 60.0
"""Kafka ends a transaction that is left open after 15 s."""


def past_reader(bootstrap: str, isolation: str = "read_committed") -> Consumer:
    """Of what was written long ago, which is much."""
    return reader(bootstrap, "taximeter-meter-past", {"queued.max.messages.kbytes": 65_536, "isolation.level": isolation})


def visible(bootstrap: str, topic: str, partitions: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Where each partition begins and ends, once no transaction is open in it: all that was written before the call can be read. Raises KafkaException."""
    wanted = list(partitions)
    if not wanted:
        return {}
    admin, consumer = AdminClient({**reach(bootstrap), "log_level": 2}), surveyor(bootstrap)
    try:
        return surveyed(admin, consumer, topic, wanted)
    finally:
        consumer.close()


def surveyor(bootstrap: str) -> Consumer:
    """Who is told where partitions end: a reader of what is committed is told the end of that, which may be before a transaction that is just ending."""
    return past_reader(bootstrap, "read_uncommitted")


def surveyed(admin: AdminClient, surveyor: Consumer, topic: str, wanted: list[int]) -> dict[int, tuple[int, int]]:
    """`visible`, for whoever asks often. Raises KafkaException."""
    marks = {number: surveyor.get_watermark_offsets(TopicPartition(topic, number), REQUEST_S) for number in wanted}
    deadline = time.monotonic() + OPEN_S
    while any(end < marks[number][1] for (_, number), end in offsets.ends(admin, [(topic, number) for number in wanted]).items()):
        if time.monotonic() > deadline:
            raise KafkaException(KafkaError(KafkaError.REQUEST_TIMED_OUT, f"a transaction on {topic} does not end"))
        time.sleep(PAUSE_S)
    return marks


def filled(marks: Mapping[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """Those of partitions that are not empty."""
    return {partition: mark for partition, mark in marks.items() if mark[1] > mark[0]}


def read(bootstrap: str, topic: str, ranges: Mapping[int, tuple[int, int | None]], most: int = BATCH) -> Iterator[list[Any]]:
    """Batches of `most` records of partitions, each from an offset to another one, or to where it ends now. Raises KafkaException."""
    if not ranges:
        return
    consumer = past_reader(bootstrap)
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
