"""Ids that the dedup store should know and does not: learned again from usage-events itself.

Needed where the store knows a partition less far than the group has committed: local state was lost, the machine stopped before it was
on disk, or another worker owned the partition meanwhile. The committed outcome decides: an event counted unless rejected-events names it, and
the first of an id is the one that did. Both topics are kept longer than the dedup window.
"""

import logging
import time
from typing import Any, Final

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from pipelines.metering.batch import Metering
from pipelines.metering.dedup import Dedup
from pipelines.metering.source import columns
from pipelines.topology import REJECTED_EVENTS, USAGE_EVENTS
from schemas.codec import Codec

log = logging.getLogger("taximeter.meter")

BATCH: Final = 50_000


def relearn(bootstrap: str, codec: Codec, metering: Metering, dedup: Dedup, partition: int, known: int, committed: int) -> int:
    """Learn the ids of `partition` from offset `known` up to `committed`. The number of events read. Raises KafkaException."""
    rejected = _rejected(bootstrap, codec, partition, known)
    started, count = time.monotonic(), 0
    for batch in _read(bootstrap, USAGE_EVENTS.name, partition, known, committed):
        inside = [message for message in batch if message.offset() < committed]
        if inside:
            messages = columns(inside)
            counted = np.flatnonzero(~np.isin(messages.offsets, rejected))
            fresh = metering.identify(messages.part(counted), dedup) if len(counted) else []
            dedup.put(fresh, [(partition, int(messages.offsets[-1]) + 1)])
            count += len(inside)
    dedup.put([], [(partition, committed)])
    if count:
        log.info("learned %d events of partition %d again in %.1f s", count, partition, time.monotonic() - started)
    return count


def _rejected(bootstrap: str, codec: Codec, partition: int, known: int) -> Any:
    """Offsets of events of `partition` that were rejected."""
    found = []
    for batch in _read(bootstrap, REJECTED_EVENTS.name, partition, OFFSET_BEGINNING, None):
        for message in batch:
            value = codec.decode("rejected_event", message.value())
            if value["topic"] == USAGE_EVENTS.name and value["partition"] == partition and value["offset"] >= known:
                found.append(value["offset"])
    return np.array(found, np.int64)


def _read(bootstrap: str, topic: str, partition: int, start: int, end: int | None) -> Any:
    """Batches of a partition from `start` to `end`, or to where it ends now."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
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
        consumer.assign([TopicPartition(topic, partition, start)])
        over = False
        while not over:
            batch = []
            for message in consumer.consume(BATCH, 0.2):
                error = message.error()
                if error is None:
                    batch.append(message)
                    over = over or (end is not None and message.offset() + 1 >= end)
                elif error.code() == KafkaError._PARTITION_EOF:
                    over = True
                else:
                    raise KafkaException(error)
            if batch:
                yield batch
    finally:
        consumer.close()
