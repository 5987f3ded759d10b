"""Ids that the dedup store should know and does not, learned again.

Needed where the store knows a partition less far than the group has committed: local state was lost, the machine stopped before it was
on disk, or another worker owned the partition meanwhile. The log of accepted ids (`ids.py`) has them packed, in the transactions that decided.
What it does not reach back to, because it was begun later or lost, is read from usage-events itself: an event counted unless rejected-events
names it, and the first of an id is the one that did.
"""

import logging
import time
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from pipelines.metering import ids
from pipelines.metering.batch import Metering
from pipelines.metering.dedup import Dedup
from pipelines.metering.ids import Stretch
from pipelines.metering.reading import REQUEST_S, find, first_records, read, reader, visible
from pipelines.metering.source import columns
from pipelines.topology import ACCEPTED_IDS, REJECTED_EVENTS, USAGE_EVENTS
from schemas.codec import Codec

log = logging.getLogger("taximeter.meter")

PUT: Final = 200_000
"""So many ids are sorted and written at once: sorted ones are written and found faster."""

Gaps = Mapping[int, tuple[int, int]]
"""Partition to the offsets from which and up to which its ids are not known."""


def relearn(bootstrap: str, codec: Codec, metering: Metering, dedup: Dedup, gaps: Gaps, since_ms: int) -> int:
    """Learn the ids of partitions; those that were accepted before `since_ms` (UTC) need not be known. The number of ids. Raises KafkaException."""
    started = time.monotonic()
    marks = visible(bootstrap, ACCEPTED_IDS.name, gaps)
    count = 0
    if older := _older(bootstrap, codec, gaps, marks):
        count += from_events(bootstrap, codec, metering, dedup, older)
    count += from_ids(bootstrap, codec, dedup, gaps, _since(bootstrap, marks, since_ms))
    dedup.know({partition: committed for partition, (_, committed) in gaps.items()})
    log.info("learned %d ids of %d partitions again in %.1f s", count, len(gaps), time.monotonic() - started)
    return count


def from_ids(bootstrap: str, codec: Codec, dedup: Dedup, gaps: Gaps, ranges: Mapping[int, tuple[int, int]]) -> int:
    """Learn from the log of accepted ids, whose offsets in `ranges` have them. The number of ids. Raises KafkaException."""
    filled = {partition: mark for partition, mark in ranges.items() if mark[1] > mark[0]}
    starts = find(bootstrap, codec, filled, {partition: gaps[partition][0] for partition in filled})
    held: dict[int, list[Stretch]] = {}
    weight = count = 0

    def put() -> int:
        for partition, stretches in held.items():
            dedup.put(ids.entries(stretches, *gaps[partition]))
            dedup.know({partition: min(stretches[-1].end, gaps[partition][1])})
        held.clear()
        return weight

    for batch in read(bootstrap, ACCEPTED_IDS.name, {partition: (start, None) for partition, start in starts.items()}, 100):
        for message in batch:
            stretch = ids.unpacked(codec, message.value())
            if stretch.end > gaps[message.partition()][0]:
                held.setdefault(message.partition(), []).append(stretch)
                weight += len(stretch.ids)
        if weight >= PUT:
            count += put()
            weight = 0
    return count + put()


def from_events(bootstrap: str, codec: Codec, metering: Metering, dedup: Dedup, gaps: Gaps) -> int:
    """Learn from usage-events and rejected-events. The number of events read. Raises KafkaException."""
    rejected = _rejected(bootstrap, codec, gaps)
    count = 0
    for batch in read(bootstrap, USAGE_EVENTS.name, gaps):
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


def _older(bootstrap: str, codec: Codec, gaps: Gaps, marks: Mapping[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """What of the gaps is before the first stretch that the log of ids has."""
    begun = {partition: start for partition, (start, end) in marks.items() if end > start}
    consumer = reader(bootstrap)
    try:
        firsts = first_records(consumer, ACCEPTED_IDS.name, begun) if begun else {}
    finally:
        consumer.close()
    older = {}
    for partition, (known, committed) in gaps.items():
        message = firsts.get(partition)
        end = committed if message is None else min(committed, ids.unpacked(codec, message.value()).first)
        if known < end:
            older[partition] = (known, end)
    return older


def _since(bootstrap: str, marks: Mapping[int, tuple[int, int]], since_ms: int) -> dict[int, tuple[int, int]]:
    """The same marks, from the first record that was written at `since_ms` or later."""
    consumer = reader(bootstrap)
    try:
        found = consumer.offsets_for_times([TopicPartition(ACCEPTED_IDS.name, partition, since_ms) for partition in marks], timeout=REQUEST_S)
    finally:
        consumer.close()
    return {each.partition: (each.offset if each.offset >= 0 else marks[each.partition][1], marks[each.partition][1]) for each in found}


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
