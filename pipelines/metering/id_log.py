"""Where the stretches of a partition of usage-events are on Kafka, and how they are found there.

A few partitions of events share one of accepted-events: a transaction costs the broker by the partitions that it touches, and half of those were for ids
(docs/decisions/0502). Whose a stretch is, its record's key tells; those of one partition of events ascend, whatever stands between them, and come now and
then even where nothing happens (`nothing`), so that none is far. Former releases wrote to another topic, each partition by itself: what is there is older.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from pipelines.metering.ids import PACKED, Stretch, packed, unpacked
from pipelines.metering.reading import REQUEST_S, WAIT_S, filled, past_reader, read, surveyed, surveyor, take, visible
from pipelines.reach import reach
from pipelines.reader import at_end, reader
from pipelines.topology import ACCEPTED_EVENTS, FORMER_IDS
from schemas.codec import Codec

TOGETHER: Final = 6
"""So many partitions of usage-events share one of accepted-events. Fixed for life, as their number is."""
NEAR: Final = 64
"""So many offsets are read through rather than halved."""
WIDER: Final = 16
"""A last stretch is looked for among the last few offsets, then among so many times as many."""
OFTEN: Final = 100
"""After so many transactions the quiet partitions are told of, too."""
SCANNED: Final = OFTEN * TOGETHER * 2
"""After so many records without a stretch of a partition a probe gives up: halving goes on further in front, where nothing is missed."""

Ranges = Mapping[int, tuple[int, int]]
"""By partition of the log the first offset, and the one behind the last."""


class Log(NamedTuple):
    """A topic with stretches."""

    bootstrap: str
    codec: Codec
    topic: str = ACCEPTED_EVENTS.name
    together: int = TOGETHER

    def home(self, partition: int) -> int:
        """Its partition that has the stretches of this partition of usage-events."""
        return partition - partition % self.together

    def places(self, partitions: Iterable[int]) -> dict[int, set[int]]:
        """By partition of the log, which of these partitions of usage-events have their stretches there."""
        found: dict[int, set[int]] = {}
        for partition in partitions:
            found.setdefault(self.home(partition), set()).add(partition)
        return found

    def ranges(self, partitions: Iterable[int]) -> dict[int, tuple[int, int]]:
        """Where stretches of these partitions may be; waits for transactions that are open. Raises KafkaException."""
        return filled(visible(self.bootstrap, self.topic, self.places(partitions)))


def logs(bootstrap: str, codec: Codec) -> list[Log]:
    """Those that are there, the older one first: what it has of a partition is before what the newer one has. Raises KafkaException."""
    present = Log(bootstrap, codec)
    known = AdminClient({**reach(bootstrap), "log_level": 2}).list_topics(timeout=REQUEST_S).topics
    return [Log(bootstrap, codec, FORMER_IDS, 1), present] if FORMER_IDS in known else [present]


def key(partition: int) -> bytes:
    """Of the records of a partition of usage-events."""
    return b"p%d" % partition


def owner(message: Any) -> int:
    """The partition of usage-events that a record is of."""
    return int(message.key()[1:])


def nothing(codec: Codec, positions: Mapping[int, int]) -> list[tuple[int, bytes]]:
    """(partition of usage-events, value) of stretches without an event: up to these offsets all is told."""
    return [(partition, packed(codec, Stretch(at, at, np.empty(0, PACKED)))) for partition, at in positions.items()]


def find(log: Log, within: Ranges, wanted: Mapping[int, int]) -> dict[int, int]:
    """Offsets, by partition of the log, before which every stretch of a partition of usage-events ends at or before its event offset `wanted`.

    `within`: where the answer is. Halves it, all at once. Raises KafkaException.
    """
    if not within:
        return {}
    consumer = _prober(log.bootstrap)
    try:
        return _find(consumer, log, within, wanted)
    finally:
        consumer.close()


def _prober(bootstrap: str) -> Consumer:
    return reader(bootstrap, "taximeter-meter-prober", {"fetch.message.max.bytes": 65_536, "queued.max.messages.kbytes": 1_024})


def _find(prober: Consumer, log: Log, within: Ranges, wanted: Mapping[int, int]) -> dict[int, int]:
    low = {place: start for place, (start, _) in within.items()}
    high = {place: end for place, (_, end) in within.items()}
    owners = log.places(wanted)
    near = True
    while probes := {place: (low[place] + high[place]) // 2 for place in within if high[place] - low[place] > NEAR}:
        if near:  # most often it is at the end
            probes = {place: high[place] - NEAR for place in probes}
        for place, firsts in _firsts(prober, log, probes, owners, SCANNED).items():
            known = firsts.keys() == owners[place] and all(stretch.end <= wanted[partition] for partition, stretch in firsts.items())
            (low if known else high)[place] = probes[place]
        near = False
    return low


def _firsts(
    consumer: Consumer, log: Log, starts: Mapping[int, int], owners: Mapping[int, set[int]], most: int | None = None, alive: Callable[[], object] = lambda: None
) -> dict[int, dict[int, Stretch]]:
    """By partition of the log the first stretch of each of its `owners` from an offset on, as far as the next `most` records have one."""
    consumer.assign([TopicPartition(log.topic, place, start) for place, start in starts.items()])
    found: dict[int, dict[int, Stretch]] = {place: {} for place in starts}
    seen = dict.fromkeys(starts, 0)
    open_ = set(starts)
    while open_:
        alive()
        for message in take(consumer, 100, WAIT_S):
            place = message.partition()
            if at_end(message):
                open_.discard(place)
            elif place in open_:
                seen[place] += 1
                partition = owner(message)
                if partition in owners[place] and partition not in found[place]:
                    found[place][partition] = unpacked(log.codec, message.value())
                if len(found[place]) == len(owners[place]) or seen[place] == most:
                    open_.discard(place)
    return found


def beginnings(within: Sequence[tuple[Log, Ranges]], partitions: Iterable[int], alive: Callable[[], object] = lambda: None) -> dict[int, int]:
    """By partition of usage-events the first event offset that is covered, of those that have a stretch.

    `within`: the logs, the older one first, and where the partitions' stretches may be. `alive` is called meanwhile. Raises KafkaException.
    """
    found: dict[int, int] = {}
    for log, marks in within:
        owners = log.places(set(partitions) - found.keys())
        starts = {place: marks[place][0] for place in owners if place in marks}
        if starts:
            consumer = past_reader(log.bootstrap)
            try:
                firsts = _firsts(consumer, log, starts, owners, alive=alive)
            finally:
                consumer.close()
            found |= {partition: stretch.first for each in firsts.values() for partition, stretch in each.items()}
    return found


def covered(logs: Sequence[Log], partitions: Iterable[int]) -> dict[int, int]:
    """By partition of usage-events the offset behind the last stretch, of those that have one. Raises KafkaException."""
    found: dict[int, int] = {}
    for log in reversed(logs):
        found |= _covered(log, set(partitions) - found.keys())
    return found


def _covered(log: Log, wanted: set[int]) -> dict[int, int]:
    marks = log.ranges(wanted)
    open_ = {place: owners for place, owners in log.places(wanted).items() if place in marks}
    found: dict[int, int] = {}
    back = NEAR
    while open_:
        spans = {place: (max(marks[place][0], marks[place][1] - back), marks[place][1]) for place in open_}
        for batch in read(log.bootstrap, log.topic, spans, 1_000):
            for message in batch:
                if owner(message) in open_[message.partition()]:
                    found[owner(message)] = unpacked(log.codec, message.value()).end
        left = {place: owners - found.keys() for place, owners in open_.items() if spans[place][0] > marks[place][0]}
        open_ = {place: owners for place, owners in left.items() if owners}
        back *= WIDER
    return found


class _Accepted(NamedTuple):
    """Of a stretch [first, end): the offsets of the events that counted."""

    first: int
    end: int
    offsets: npt.NDArray[np.int64]


class _Part(NamedTuple):
    """What is to be read of one log: offsets [start, end) of one of its partitions."""

    log: Log
    place: int
    start: int
    end: int


class Accepted:
    """Offsets of accepted events, of one partition of usage-events at a time, in order. Not thread safe."""

    def __init__(self, logs: Sequence[Log]) -> None:
        self._logs = logs
        bootstrap = logs[0].bootstrap
        self._admin = AdminClient({**reach(bootstrap), "log_level": 2})
        self._surveyor, self._prober, self._consumer = surveyor(bootstrap), _prober(bootstrap), past_reader(bootstrap)
        self._partition = -1
        self._held: list[_Accepted] = []
        self._parts: list[_Part] = []
        """The first one is being read."""

    def begin(self, partition: int, start: int) -> None:
        """Go to a partition of usage-events, from an event offset on: what is accepted of it now will be told. Raises KafkaException."""
        self._partition, self._held, self._parts = partition, [], []
        for log in self._logs:
            marks = filled(surveyed(self._admin, self._surveyor, log.topic, [log.home(partition)]))
            found = _find(self._prober, log, marks, {partition: start})
            self._parts += [_Part(log, place, at, marks[place][1]) for place, at in found.items()]
        self._prober.unassign()
        self._assign()

    def until(self, end: int) -> list[npt.NDArray[np.int64]]:
        """Those of stretches that begin before `end` and have not ended before the `end` of an earlier call. Raises KafkaException."""
        while self._parts and not (self._held and self._held[-1].end >= end):
            part = self._parts[0]
            for message in take(self._consumer, 100, WAIT_S):
                ended = at_end(message)
                if not ended and owner(message) == self._partition:
                    stretch = unpacked(part.log.codec, message.value())
                    self._held.append(_Accepted(stretch.first, stretch.end, stretch.offsets))
                if ended or message.offset() + 1 >= part.end:
                    del self._parts[0]
                    self._assign()
                    break
        found = [each.offsets for each in self._held if each.first < end]
        self._held = [each for each in self._held if each.end > end]
        return found

    def _assign(self) -> None:
        self._consumer.assign([TopicPartition(each.log.topic, each.place, each.start) for each in self._parts[:1]])

    def close(self) -> None:
        for consumer in (self._surveyor, self._prober, self._consumer):
            consumer.close()
