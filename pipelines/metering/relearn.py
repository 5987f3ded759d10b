"""Ids that the dedup store should know and does not, learned again.

Needed where the store knows a partition less far than the group has committed: local state was lost, the machine stopped before it was
on disk, or another worker owned the partition meanwhile. The log of accepted ids (`ids.py`) has them packed, in the transactions that decided.
What it does not reach back to, because it was begun later or lost, is read from usage-events itself: an event counted unless rejected-events
names it, and the first of an id is the one that did.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from pipelines.metering import id_log, ids
from pipelines.metering.batch import Metering
from pipelines.metering.dedup import Dedup
from pipelines.metering.id_log import Log
from pipelines.metering.ids import Stretch
from pipelines.metering.reading import REQUEST_S, filled, past_reader, read
from pipelines.metering.source import columns
from pipelines.topology import REJECTED_EVENTS, USAGE_EVENTS
from schemas.codec import Codec

_log = logging.getLogger("taximeter.meter")

PUT: Final = 200_000
"""So many ids are sorted and written at once: sorted ones are written and found faster."""

Gaps = Mapping[int, tuple[int, int]]
"""Partition to the offsets from which and up to which its ids are not known."""


def relearn(logs: Sequence[Log], metering: Metering, dedup: Dedup, gaps: Gaps, since_ms: int, alive: Callable[[], object] = lambda: None) -> int:
    """Learn the ids of partitions; those that were accepted before `since_ms` (UTC) need not be known. The number of ids.

    What is learned stays learned when it is broken off. `alive` is called now and then. Raises KafkaException.
    """
    started = time.monotonic()
    within = [(log, log.ranges(gaps)) for log in logs]
    begun = id_log.beginnings(within, gaps, alive)
    older = {partition: (known, min(committed, begun.get(partition, committed))) for partition, (known, committed) in gaps.items()}
    count = 0
    if older := {partition: span for partition, span in older.items() if span[0] < span[1]}:
        count += from_events(logs[-1].bootstrap, logs[-1].codec, metering, dedup, older, alive)
    for log, marks in within:
        count += from_ids(log, dedup, gaps, _since(log, marks, since_ms), alive)
    dedup.know({partition: committed for partition, (_, committed) in gaps.items()})
    _log.info("learned %d ids of %d partitions again in %.1f s", count, len(gaps), time.monotonic() - started)
    return count


def from_ids(log: Log, dedup: Dedup, gaps: Gaps, within: id_log.Ranges, alive: Callable[[], object] = lambda: None) -> int:
    """Learn from a log of accepted ids, which has them `within` those offsets. The number of ids. Raises KafkaException."""
    starts = id_log.find(log, within, {partition: known for partition, (known, _) in gaps.items()})
    held: dict[int, list[Stretch]] = {}
    weight = count = 0

    def put() -> int:
        for partition, stretches in held.items():
            dedup.put(ids.entries(stretches, *gaps[partition]))
            dedup.know({partition: min(stretches[-1].end, gaps[partition][1])})
        held.clear()
        return weight

    for batch in read(log.bootstrap, log.topic, {place: (start, within[place][1]) for place, start in starts.items()}, 100):
        alive()
        for message in batch:
            partition = id_log.owner(message)
            if partition not in gaps:
                continue
            stretch = ids.unpacked(log.codec, message.value())
            if stretch.end > gaps[partition][0]:
                held.setdefault(partition, []).append(stretch)
                weight += len(stretch.ids)
        if weight >= PUT:
            count += put()
            weight = 0
    return count + put()


def from_events(bootstrap: str, codec: Codec, metering: Metering, dedup: Dedup, gaps: Gaps, alive: Callable[[], object] = lambda: None) -> int:
    """Learn from usage-events and rejected-events. The number of events read. Raises KafkaException."""
    rejected = _rejected(bootstrap, codec, gaps)
    count = 0
    for batch in read(bootstrap, USAGE_EVENTS.name, gaps):
        alive()
        inside = [message for message in batch if message.offset() < gaps[message.partition()][1]]
        if inside:
            messages = columns(inside)
            refused = np.zeros(len(inside), np.bool_)
            for partition, offsets in rejected.items():
                refused |= (messages.partitions == partition) & np.isin(messages.offsets, offsets)
            dedup.put(metering.identify(messages, refused, dedup))
            dedup.know(dict(zip(messages.partitions.tolist(), (messages.offsets + 1).tolist(), strict=True)))
            count += len(inside)
    return count


def _since(log: Log, marks: id_log.Ranges, since_ms: int) -> dict[int, tuple[int, int]]:
    """The same, from the first record that was written at `since_ms` or later."""
    if not marks:
        return {}
    consumer = past_reader(log.bootstrap)
    try:
        found = consumer.offsets_for_times([TopicPartition(log.topic, partition, since_ms) for partition in marks], timeout=REQUEST_S)
    finally:
        consumer.close()
    return filled({each.partition: (each.offset if each.offset >= 0 else marks[each.partition][1], marks[each.partition][1]) for each in found})


def _rejected(bootstrap: str, codec: Codec, gaps: Gaps) -> dict[int, npt.NDArray[np.int64]]:
    """Offsets of the events that were rejected, by partition of usage-events, which is that of their rejects too."""
    found: dict[int, list[int]] = {}
    for batch in read(bootstrap, REJECTED_EVENTS.name, dict.fromkeys(gaps, (OFFSET_BEGINNING, None))):
        for message in batch:
            value = codec.decode("rejected_event", message.value())
            partition = value["partition"]
            if value["topic"] == USAGE_EVENTS.name and partition in gaps and value["offset"] >= gaps[partition][0]:
                found.setdefault(partition, []).append(value["offset"])
    return {partition: np.array(offsets, np.int64) for partition, offsets in found.items()}
