"""Ids that the dedup store should know and does not: learned again from usage-events itself.

Needed where the store knows a partition less far than the group has committed: local state was lost, the machine stopped before it was
on disk, or another worker owned the partition meanwhile. The committed outcome decides: an event counted unless rejected-events names it, and
the first of an id is the one that did. Both topics are kept longer than the dedup window.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from pipelines.metering.batch import Metering
from pipelines.metering.dedup import Dedup
from pipelines.metering.source import columns
from pipelines.reach import reach
from pipelines.topology import REJECTED_EVENTS, USAGE_EVENTS
from schemas.codec import Codec

log = logging.getLogger("taximeter.meter")

BATCH: Final = 50_000


Gaps = Mapping[int, tuple[int, int]]
"""Partition to the offsets from which and up to which its ids are not known."""


def relearn(bootstrap: str, codec: Codec, metering: Metering, dedup: Dedup, gaps: Gaps) -> int:
    """Learn the ids of partitions. The number of events read. Raises KafkaException."""
    rejected = _rejected(bootstrap, codec, gaps)
    started, count = time.monotonic(), 0
    for batch in _read(bootstrap, USAGE_EVENTS.name, gaps):
        inside = [message for message in batch if message.offset() < gaps[message.partition()][1]]
        if inside:
            messages = columns(inside)
            refused = np.zeros(len(inside), np.bool_)
            for partition, offsets in rejected.items():
                refused |= (messages.partitions == partition) & np.isin(messages.offsets, offsets)
            dedup.put(metering.identify(messages, refused, dedup))
            dedup.know(dict(zip(messages.partitions.tolist(), (messages.offsets + 1).tolist(), strict=True)))
            count += len(inside)
    dedup.know({partition: committed for partition, (_, committed) in gaps.items()})
    log.info("learned %d events of %d partitions again in %.1f s", count, len(gaps), time.monotonic() - started)
    return count


def _rejected(bootstrap: str, codec: Codec, gaps: Gaps) -> dict[int, npt.NDArray[np.int64]]:
    """Offsets of the events that were rejected, by partition of usage-events, which is that of their rejects too."""
    found: dict[int, list[int]] = {}
    for batch in _read(bootstrap, REJECTED_EVENTS.name, dict.fromkeys(gaps, (OFFSET_BEGINNING, None))):
        for message in batch:
            value = codec.decode("rejected_event", message.value())
            partition = value["partition"]
            if value["topic"] == USAGE_EVENTS.name and partition in gaps and value["offset"] >= gaps[partition][0]:
                found.setdefault(partition, []).append(value["offset"])
    return {partition: np.array(offsets, np.int64) for partition, offsets in found.items()}


def _read(bootstrap: str, topic: str, ranges: Mapping[int, tuple[int, int | None]]) -> Iterator[list[Any]]:
    """Batches of partitions, each from an offset to another one, or to where it ends now."""
    consumer = Consumer(
        {
            **reach(bootstrap),
            "group.id": "taximeter-meter-relearn",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": 65_536,
            "fetch.wait.max.ms": 20,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, partition, start) for partition, (start, _) in ranges.items()])
        open_ = set(ranges)
        while open_:
            batch = []
            for message in consumer.consume(BATCH, 0.2):
                error, partition = message.error(), message.partition()
                if error is None:
                    batch.append(message)
                    end = ranges[partition][1]
                    if end is not None and message.offset() + 1 >= end:
                        open_.discard(partition)
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client has no other name for it
                    open_.discard(partition)
                else:
                    raise KafkaException(error)
            if batch:
                yield batch
    finally:
        consumer.close()
