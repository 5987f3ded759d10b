"""Where on accepted-ids the stretches of a partition of usage-events are, and how they are found there.

A few partitions of usage-events share one of accepted-ids: a transaction costs the broker by the partitions that it touches, and half of those were for ids
(docs/decisions/0502). Whose a stretch is, its record's key tells; those of one partition of events ascend, whatever stands between them. Former releases
wrote them to the partition with the events' own number: so they are looked for there, too.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from pipelines.metering.ids import Stretch, unpacked
from pipelines.metering.reading import WAIT_S, at_end, read, reader, surveyed, surveyor, take, visible
from pipelines.reach import reach
from pipelines.topology import ACCEPTED_IDS
from schemas.codec import Codec

TOGETHER: Final = 6
"""So many partitions of usage-events share one of accepted-ids. Fixed for life, as their number is."""
NEAR: Final = 64
"""So many offsets are read through rather than halved."""
WIDER: Final = 16
"""A last stretch is looked for among the last few offsets, then among so many times as many."""
SCANNED: Final = 200
"""After so many records without a stretch of a partition a probe gives up: halving goes on further in front, where nothing is missed."""

Ranges = Mapping[int, tuple[int, int]]
"""By partition of accepted-ids the first offset, and the one behind the last."""


def home(partition: int) -> int:
    """The partition of accepted-ids to which stretches of this partition of usage-events are written."""
    return partition - partition % TOGETHER


def key(partition: int) -> bytes:
    """Of the records of a partition of usage-events."""
    return b"p%d" % partition


def owner(message: Any) -> int:
    """The partition of usage-events that a record is of."""
    return int(message.key()[1:])


def places(partitions: Iterable[int]) -> dict[int, set[int]]:
    """By partition of accepted-ids, which of these partitions of usage-events may have stretches there."""
    found: dict[int, set[int]] = {}
    for partition in partitions:
        for place in {partition, home(partition)}:
            found.setdefault(place, set()).add(partition)
    return found


def ranges(bootstrap: str, partitions: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Where stretches of these partitions may be; waits for transactions that are open. Raises KafkaException."""
    return filled(visible(bootstrap, ACCEPTED_IDS.name, places(partitions)))


def filled(marks: Ranges) -> dict[int, tuple[int, int]]:
    """Those that are not empty."""
    return {place: mark for place, mark in marks.items() if mark[1] > mark[0]}


def find(bootstrap: str, codec: Codec, within: Ranges, wanted: Mapping[int, int]) -> dict[int, int]:
    """Offsets, by partition of accepted-ids, before which every stretch of a partition of usage-events ends at or before its event offset `wanted`.

    `within`: where the answer is. Halves it, all at once. Raises KafkaException.
    """
    if not within:
        return {}
    consumer = _prober(bootstrap)
    try:
        return _find(consumer, codec, within, wanted)
    finally:
        consumer.close()


def _prober(bootstrap: str) -> Consumer:
    return reader(bootstrap, **{"fetch.message.max.bytes": 65_536, "queued.max.messages.kbytes": 1_024})


def _find(prober: Consumer, codec: Codec, within: Ranges, wanted: Mapping[int, int]) -> dict[int, int]:
    low = {place: start for place, (start, _) in within.items()}
    high = {place: end for place, (_, end) in within.items()}
    owners = places(wanted)
    near = True
    while probes := {place: (low[place] + high[place]) // 2 for place in within if high[place] - low[place] > NEAR}:
        if near:  # most often it is at the end
            probes = {place: high[place] - NEAR for place in probes}
        for place, firsts in _firsts(prober, codec, probes, owners, SCANNED).items():
            known = firsts.keys() == owners[place] and all(stretch.end <= wanted[partition] for partition, stretch in firsts.items())
            (low if known else high)[place] = probes[place]
        near = False
    return low


def _firsts(
    consumer: Consumer, codec: Codec, starts: Mapping[int, int], owners: Mapping[int, set[int]], most: int | None = None
) -> dict[int, dict[int, Stretch]]:
    """By partition of accepted-ids the first stretch of each of its `owners` from an offset on, as far as the next `most` records have one."""
    consumer.assign([TopicPartition(ACCEPTED_IDS.name, place, start) for place, start in starts.items()])
    found: dict[int, dict[int, Stretch]] = {place: {} for place in starts}
    seen = dict.fromkeys(starts, 0)
    open_ = set(starts)
    while open_:
        for message in take(consumer, 100, WAIT_S):
            place = message.partition()
            if at_end(message):
                open_.discard(place)
            elif place in open_:
                seen[place] += 1
                partition = owner(message)
                if partition in owners[place] and partition not in found[place]:
                    found[place][partition] = unpacked(codec, message.value())
                if len(found[place]) == len(owners[place]) or seen[place] == most:
                    open_.discard(place)
    return found


def beginnings(bootstrap: str, codec: Codec, within: Ranges, partitions: Iterable[int]) -> dict[int, int]:
    """By partition of usage-events the first event offset that the log covers, of those that have a stretch. Raises KafkaException."""
    if not within:
        return {}
    consumer = reader(bootstrap)
    try:
        found = _firsts(consumer, codec, {place: start for place, (start, _) in within.items()}, places(partitions))
    finally:
        consumer.close()
    first: dict[int, int] = {}
    for stretches in found.values():
        for partition, stretch in stretches.items():
            first[partition] = min(stretch.first, first.get(partition, stretch.first))
    return first


def covered(bootstrap: str, codec: Codec, partitions: Iterable[int]) -> dict[int, int]:
    """By partition of usage-events the offset behind the last stretch, of those that have one. Raises KafkaException."""
    wanted = set(partitions)
    marks = ranges(bootstrap, wanted)
    open_ = {place: owners for place, owners in places(wanted).items() if place in marks}
    found: dict[int, int] = {}
    back = NEAR
    while open_:
        last: dict[int, dict[int, int]] = {place: {} for place in open_}
        for batch in read(bootstrap, ACCEPTED_IDS.name, {place: (max(marks[place][0], marks[place][1] - back), None) for place in open_}, 1_000):
            for message in batch:
                if owner(message) in open_[message.partition()]:
                    last[message.partition()][owner(message)] = unpacked(codec, message.value()).end
        for ends in last.values():
            for partition, end in ends.items():
                found[partition] = max(end, found.get(partition, 0))
        left = {place: owners - last[place].keys() for place, owners in open_.items() if marks[place][1] - back > marks[place][0]}
        open_ = {place: owners for place, owners in left.items() if owners}
        back *= WIDER
    return found


class _Accepted(NamedTuple):
    """Of a stretch [first, end): the offsets of the events that counted."""

    first: int
    end: int
    offsets: npt.NDArray[np.int64]


class Accepted:
    """Offsets of accepted events, of one partition of usage-events at a time, in order. Not thread safe."""

    def __init__(self, bootstrap: str, codec: Codec) -> None:
        self._codec = codec
        self._admin = AdminClient({**reach(bootstrap), "log_level": 2})
        self._surveyor, self._prober, self._consumer = surveyor(bootstrap), _prober(bootstrap), reader(bootstrap)
        self._partition = -1
        self._held: list[_Accepted] = []
        self._ends: dict[int, int] = {}
        """By partition of accepted-ids the offset at which there was no more at the beginning."""
        self._reached: dict[int, int] = {}
        """By partition of accepted-ids that is not read to its end: the event offset up to which it is read."""

    def begin(self, partition: int, start: int) -> None:
        """Go to a partition of usage-events, from an event offset on: what is accepted of it now will be told. Raises KafkaException."""
        marks = filled(surveyed(self._admin, self._surveyor, ACCEPTED_IDS.name, list(places([partition]))))
        found = _find(self._prober, self._codec, marks, {partition: start})
        self._prober.unassign()
        self._consumer.assign([TopicPartition(ACCEPTED_IDS.name, place, at) for place, at in found.items()])
        self._partition, self._held, self._reached = partition, [], dict.fromkeys(found, start)
        self._ends = {place: end for place, (_, end) in marks.items()}

    def until(self, end: int) -> list[npt.NDArray[np.int64]]:
        """Those of stretches that begin before `end` and have not ended before the `end` of an earlier call. Raises KafkaException."""
        while any(reached < end for reached in self._reached.values()):
            for message in take(self._consumer, 100, WAIT_S):
                place = message.partition()
                ended = at_end(message)
                if not ended and owner(message) == self._partition:
                    stretch = unpacked(self._codec, message.value())
                    self._held.append(_Accepted(stretch.first, stretch.end, stretch.offsets))
                    self._reached[place] = stretch.end
                if ended or message.offset() + 1 >= self._ends[place]:
                    self._reached.pop(place, None)
        found = [each.offsets for each in self._held if each.first < end]
        self._held = [each for each in self._held if each.end > end]
        return found

    def close(self) -> None:
        for consumer in (self._surveyor, self._prober, self._consumer):
            consumer.close()
