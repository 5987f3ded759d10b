"""Where partitions end and where groups are: questions to the broker, asked again when another try can help."""

import time
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

Place = tuple[str, int]
"""Topic and partition."""
Offsets = dict[Place, int]

PATIENCE_S: Final = 60.0
REQUEST_S: Final = 10.0
PAUSE_S: Final = 0.1

Answer = TypeVar("Answer")


def ends(admin: AdminClient, places: Iterable[Place]) -> Offsets:
    """The end of each partition, without transactions that are still open. Raises KafkaException after a minute without an answer."""
    wanted = {TopicPartition(topic, partition): OffsetSpec.latest() for topic, partition in places}
    if not wanted:
        return {}

    def ask() -> Offsets:
        answers = admin.list_offsets(wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=REQUEST_S)
        return {(each.topic, each.partition): future.result().offset for each, future in answers.items()}

    return _patiently(ask)


def committed(admin: AdminClient, group: str, places: Iterable[Place]) -> Offsets:
    """What the group has committed, 0 where nothing. Raises KafkaException after a minute without an answer."""
    partitions = [TopicPartition(topic, partition) for topic, partition in places]
    if not partitions:
        return {}

    def ask() -> Offsets:
        request = ConsumerGroupTopicPartitions(group, partitions)
        answer = admin.list_consumer_group_offsets([request], require_stable=True, request_timeout=REQUEST_S)[group].result()
        return {(each.topic, each.partition): max(each.offset, 0) for each in answer.topic_partitions}

    return _patiently(ask)


def _patiently(ask: Callable[[], Answer]) -> Answer:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask()
        except KafkaException as error:
            # Leaders and coordinators move (a broker starts, a topic is new): the client finds the new one at another try.
            if time.monotonic() > deadline or error.args[0].fatal():
                raise
            time.sleep(PAUSE_S)
