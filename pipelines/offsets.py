"""Where partitions end and where groups are: questions to the broker, asked again when another try can help."""

import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from pipelines.reader import reader

Place = tuple[str, int]
"""Topic and partition."""
Offsets = dict[Place, int]

PATIENCE_S: Final = 60.0
REQUEST_S: Final = 10.0
PAUSE_S: Final = 0.1

Answer = TypeVar("Answer")


def ends(admin: AdminClient, places: Iterable[Place]) -> Offsets:
    """The end of each partition for whoever reads it now: before the first transaction that is still open. Raises KafkaException after a minute
    without an answer."""
    return asked(admin, places)()


def whole_ends(admin: AdminClient, places: Iterable[Place]) -> Offsets:
    """The end of each partition with transactions that are still open: behind one of them may be records of others that are committed already.
    Raises KafkaException."""
    return asked(admin, places, isolation=IsolationLevel.READ_UNCOMMITTED)()


def asked(
    admin: AdminClient, places: Iterable[Place], patience_s: float = PATIENCE_S, isolation: IsolationLevel = IsolationLevel.READ_COMMITTED
) -> Callable[[], Offsets]:
    """Ask for `ends`; what comes back waits for the answer, so whoever has something to do meanwhile does not. `patience_s` instead of a minute."""
    wanted = {TopicPartition(topic, partition): OffsetSpec.latest() for topic, partition in places}
    if not wanted:
        return dict

    def question() -> Any:
        return admin.list_offsets(wanted, isolation_level=isolation, request_timeout=REQUEST_S)

    first = [question()]

    def ask() -> Offsets:
        answers = first.pop() if first else question()
        try:
            return {(each.topic, each.partition): future.result().offset for each, future in answers.items()}
        except KafkaException:
            # After a broker's return the client may know an older epoch of the leader than the broker, and does not ask anew by itself.
            with contextlib.suppress(KafkaException):
                admin.list_topics(timeout=REQUEST_S)
            raise

    return lambda: _patiently(ask, patience_s)


class Committed:
    """What groups have committed. Not thread safe; close it at the end.

    It asks as a consumer of the group that never joins it. The admin client can ask as well, but the whole process dies of SIGSEGV when the
    group's coordinator is just moving (librdkafka's issue 5040), and with one broker it moves whenever that starts.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumers: dict[str, Consumer] = {}

    def of(self, group: str, places: Iterable[Place]) -> Offsets:
        """By place, 0 where nothing is committed. Raises KafkaException after a minute without an answer."""
        partitions = [TopicPartition(topic, partition) for topic, partition in places]
        if not partitions:
            return {}
        consumer = self._consumers.get(group) or self._consumer(group)

        def ask() -> Offsets:
            found = {}
            for each in consumer.committed(partitions, timeout=REQUEST_S):
                if each.error is not None:
                    raise KafkaException(each.error)
                found[each.topic, each.partition] = max(each.offset, 0)
            return found

        return _patiently(ask)

    def close(self) -> None:
        for consumer in self._consumers.values():
            consumer.close()
        self._consumers.clear()

    def _consumer(self, group: str) -> Consumer:
        # With read_committed the broker answers when transactions under way have ended, so that no offset of theirs is missed.
        consumer = self._consumers[group] = reader(self._bootstrap, group)
        return consumer


def _patiently(ask: Callable[[], Answer], patience_s: float = PATIENCE_S) -> Answer:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return ask()
        except KafkaException as error:
            # Leaders and coordinators move (a broker starts, a topic is new): the client finds the new one at another try.
            if time.monotonic() > deadline or error.args[0].fatal():
                raise
            time.sleep(PAUSE_S)
