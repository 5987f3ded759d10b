"""Usage events that were accepted before: read from usage-events again, and told from the others by accepted-events."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import compress
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from confluent_kafka import Consumer, KafkaException, TopicPartition

from pipelines.metering.archive import Archive
from pipelines.metering.coverage import Span
from pipelines.metering.id_log import Accepted, Log
from pipelines.metering.messages import Messages
from pipelines.metering.reading import REQUEST_S, WAIT_S, past_reader, take
from pipelines.reader import at_end
from pipelines.topology import USAGE_EVENTS

AT_ONCE: Final = 10_000
"""The client makes the messages of a call without letting other threads go on: of more, live events would feel it."""


class Portion(NamedTuple):
    """What was accepted among the offsets [start of the span, `end`)."""

    messages: Messages
    end: int


class Past:
    """Reads one partition after the other, each from the front to the back without starting anew. Not thread safe."""

    def __init__(self, logs: Sequence[Log], archive: Archive | None = None) -> None:
        """`logs`: of what was accepted; `archive`: where events are that Kafka has let go."""
        self._logs = logs
        self._archive = archive
        self._at: tuple[int, int] | None = None
        """Partition and offset at which the readers stand."""
        self._events: Consumer | None = None
        self._accepted: Accepted | None = None
        self._told_until = 0
        """What is accepted is known up to this offset at least, without beginning anew."""

    def read(self, partition: int, span: Span, most: int) -> Portion:
        """A beginning of `span`, of about `most` records. Raises KafkaException."""
        try:
            return self._read(partition, span, most)
        except KafkaException:
            self.close()
            raise

    def _read(self, partition: int, span: Span, most: int) -> Portion:
        at, self._at = self._at, None  # unless all goes well, the next call starts anew
        if self._events is None or self._accepted is None:
            self._accepted, self._events = Accepted(self._logs), past_reader(self._logs[0].bootstrap)
        if at != (partition, span.start) or span.end > self._told_until:
            self._accepted.begin(partition, span.start)
            self._told_until = span.end
            kept, _ = self._events.get_watermark_offsets(TopicPartition(USAGE_EVENTS.name, partition), REQUEST_S)
            if self._archive is not None and span.start < kept:
                return Portion(*self._archive.read(partition, Span(span.start, min(span.end, kept)), most))
            self._events.assign([TopicPartition(USAGE_EVENTS.name, partition, span.start)])
        found: list[Any] = []
        offsets: list[int] = []
        end: int | None = None
        while end is None:
            taken = take(self._events, min(most - len(found), AT_ONCE), WAIT_S)
            messages = [message for message in taken if message.error() is None]
            places = [message.offset() for message in messages]
            if places and places[-1] >= span.end:
                within = bisect_left(places, span.end)
                messages, places, end = messages[:within], places[:within], span.end
            elif len(messages) < len(taken) and any([at_end(message) for message in taken]):  # noqa: C419 - one that is an error raises
                end = span.end
            found += messages
            offsets += places
            if end is None and len(found) >= most:
                end = offsets[-1] + 1
        accepted = self._accepted.until(end)
        if end < span.end:
            self._at = (partition, end)
        return Portion(_among(partition, found, np.array(offsets, np.int64), accepted), end)

    def close(self) -> None:
        if self._events is not None:
            self._events.close()
        if self._accepted is not None:
            self._accepted.close()
        self._events = self._accepted = None
        if self._archive is not None:
            self._archive.close()


def _among(partition: int, found: list[Any], offsets: npt.NDArray[np.int64], accepted: Sequence[npt.NDArray[np.int64]]) -> Messages:
    """The messages whose offsets are among these, as columns; keys nobody asks for."""
    counted = np.isin(offsets, np.concatenate([*accepted, np.empty(0, np.int64)]))
    if not counted.all():
        found, offsets = list(compress(found, counted.tolist())), offsets[counted]
    count = len(found)
    recorded_ms = np.array([message.timestamp()[1] for message in found], np.int64)
    return Messages([message.value() for message in found], [None] * count, np.full(count, partition, np.uint16), offsets, recorded_ms)
