"""A consumer that is given nothing although records wait: its client has come to stand still, mostly after a broker's restart amid a rebalance.

The client lives and never gives another record; it may even say that the broker does not answer, for ever. So another client is asked, made for
the question. Whoever notices raises, ends, and is started again.

SilentClientError     records wait that this consumer should have been given
"""

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from contracts.errors import TaximeterError
from pipelines.offsets import Offsets, Place
from pipelines.reader import at_end, reader

PEEK_S: Final = 3.0
REQUEST_S: Final = 10.0
LISTEN_S: Final = 20.0
"""Between two looks, and from the last record to the first look: longer than a session, after which a group has shared its partitions anew."""

_NOBODY: Final = logging.getLogger("taximeter.silence.client")
_NOBODY.addHandler(logging.NullHandler())
_NOBODY.propagate = False


class SilentClientError(TaximeterError):
    """The message says where records wait."""


def waiting(bootstrap: str, offsets: Mapping[Place, int]) -> Place | None:
    """A place with a committed record at its offset or behind it; none: marks of transactions at most stand there. Raises KafkaException when the broker does not answer."""
    if not offsets:
        return None
    consumer = _asking(bootstrap, "taximeter-watch")
    try:
        consumer.assign([TopicPartition(*place, offset) for place, offset in offsets.items()])
        ended: set[tuple[str | None, int | None]] = set()
        deadline = time.monotonic() + PEEK_S
        while len(ended) < len(offsets):
            message = consumer.poll(max(0.0, deadline - time.monotonic()))
            if message is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - the client has no other name for it
            if not at_end(message):
                return message.topic() or "", message.partition() or 0
            ended.add((message.topic(), message.partition()))
        return None
    finally:
        consumer.close()


def _asking(bootstrap: str, group: str) -> Consumer:
    """A client that never joins the group."""
    return reader(bootstrap, group, logger=_NOBODY)


class Silence:
    """Watches one consumer, which tells it when it hears something and asks it when it does not. Not thread safe."""

    def __init__(self, bootstrap: str, group: str, listen_s: float = LISTEN_S) -> None:
        self._bootstrap = bootstrap
        self._group = group
        self._listen_s = listen_s
        self._since = time.monotonic()
        self._before: Offsets = {}
        self._suspect: tuple[Place, int] | None = None
        """Where a record waited at the last look, and the group's offset there: it may have come just then."""

    def broken(self) -> None:
        """A record came."""
        self._since = time.monotonic()
        self._before, self._suspect = {}, None

    def check(self, consumer: Consumer, topics: Iterable[str]) -> None:
        """Nothing has come of these topics. Raises SilentClientError when a record waited at the look before, at an offset that the group has not moved
        since; KafkaException when the broker does not answer.

        A consumer that has no partitions looks at all of those topics: somebody should be given them.
        """
        now = time.monotonic()
        if now - self._since < self._listen_s:
            return
        self._since = now
        committed = self._committed(consumer.assignment(), topics)
        still = {place: offset for place, offset in committed.items() if self._before.get(place) == offset}
        self._before = committed
        suspect = self._suspect
        if suspect is not None and still.get(suspect[0]) == suspect[1]:
            raise SilentClientError(
                f"records wait at {suspect[0][0]}[{suspect[0][1]}], offset {suspect[1]}, and the Kafka client gives none: ending, to be started again; nothing is lost"
            )
        found = waiting(self._bootstrap, still)
        self._suspect = None if found is None else (found, still[found])

    def _committed(self, assigned: Iterable[TopicPartition], topics: Iterable[str]) -> Offsets:
        """Of what is assigned, or else of all the topics."""
        asking = _asking(self._bootstrap, self._group)
        try:
            known = asking.list_topics(timeout=REQUEST_S).topics
            asked = list(assigned) or [TopicPartition(name, number) for name in topics if name in known for number in known[name].partitions]
            found = asking.committed(asked, REQUEST_S) if asked else []
        finally:
            asking.close()
        for each in found:
            if each.error is not None:
                raise KafkaException(each.error)
        return {(each.topic, each.partition): max(each.offset, 0) for each in found}
