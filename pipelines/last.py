"""Where the last record of each partition is: its end may be behind marks of transactions, which nobody can read or commit past."""

from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from pipelines import offsets
from pipelines.reach import reach

NEAR: Final = 64
"""So far before the end it is looked for first."""


def behind_last(bootstrap: str, topic: str) -> dict[int, int]:
    """By partition, the offset behind the last record that is committed; 0: there is none. Raises KafkaException."""
    admin = AdminClient({**reach(bootstrap), "log_level": 2})
    partitions = admin.list_topics(topic, timeout=offsets.REQUEST_S).topics[topic].partitions
    ends = {number: end for (_, number), end in offsets.ends(admin, [(topic, number) for number in partitions]).items()}
    consumer = Consumer(
        {
            **reach(bootstrap),
            "group.id": "taximeter-last",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 20,
            "log_level": 2,
        }
    )
    found = dict.fromkeys((number for number, end in ends.items() if not end), 0)
    back = NEAR
    try:
        while left := {number: end for number, end in ends.items() if number not in found}:
            consumer.assign([TopicPartition(topic, number, max(0, end - back)) for number, end in left.items()])
            found |= _last(consumer, set(left))
            found |= dict.fromkeys((number for number, end in left.items() if end <= back and number not in found), 0)
            back *= 16
    finally:
        consumer.close()
    return found


def _last(consumer: Consumer, open_: set[int]) -> dict[int, int]:
    """Offset behind the last record of each partition that has one between here and its end."""
    found: dict[int, int] = {}
    while open_:
        for message in consumer.consume(1000, 0.02):
            error: Any = message.error()
            partition = message.partition() or 0
            if error is None:
                found[partition] = (message.offset() or 0) + 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client has no other name for it
                open_.discard(partition)
            else:
                raise KafkaException(error)
    return found
