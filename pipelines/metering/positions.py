"""Where reading of usage-events goes on: behind what the group has committed, or behind what the log of accepted ids covers, whichever is later.

Both are written in the same transaction, so they agree. Should Kafka lose one of them (a mark that was never written, a disk that was full, somebody who
moves the group's offsets), the ids are the truth: what they cover has been counted and is never counted again.
"""

import logging
from collections.abc import Iterable, Mapping

from pipelines.metering.ids import unpacked
from pipelines.metering.reading import NEAR, read, visible
from pipelines.topology import ACCEPTED_IDS
from schemas.codec import Codec

log = logging.getLogger("taximeter.meter")

WIDER = 16
"""A stretch is looked for among the last few offsets, then among so many times as many."""


def later(bootstrap: str, codec: Codec, committed: Mapping[int, int | None]) -> dict[int, int | None]:
    """By partition the offset to go on from; none: nothing was ever metered. Raises KafkaException."""
    found = dict(committed)
    for partition, end in covered(bootstrap, codec, committed).items():
        known = committed[partition] or 0
        if end > known:
            log.warning("partition %d is metered up to %d, but the group has committed %d only: it is read on from there", partition, end, known)
            found[partition] = end
    return found


def covered(bootstrap: str, codec: Codec, partitions: Iterable[int]) -> dict[int, int]:
    """By partition the offset behind the last stretch in the log of ids, of those that have one. Raises KafkaException."""
    marks = {partition: mark for partition, mark in visible(bootstrap, ACCEPTED_IDS.name, partitions).items() if mark[1] > mark[0]}
    found: dict[int, int] = {}
    reach = NEAR
    while left := {partition: mark for partition, mark in marks.items() if partition not in found}:
        starts = {partition: max(start, end - reach) for partition, (start, end) in left.items()}
        for batch in read(bootstrap, ACCEPTED_IDS.name, {partition: (start, None) for partition, start in starts.items()}):
            for message in batch:
                stretch = unpacked(codec, message.value())
                found[message.partition()] = max(stretch.end, found.get(message.partition(), 0))
        marks = {partition: mark for partition, mark in left.items() if starts[partition] > mark[0]}
        reach *= WIDER
    return found
