"""Where the last record of each partition is: its end may be behind marks of transactions, which nobody can read or commit past."""

from collections.abc import Iterable
from typing import Final

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from pipelines import offsets
from pipelines.reach import reach
from pipelines.reader import at_end, reader

NEAR: Final = 8
"""So far before the end it is looked for first; sixteen times as far when it is not there."""


def behind_last(bootstrap: str, topic: str) -> dict[int, int]:
    """By partition, the offset behind the last record that is committed; 0: there is none. Raises KafkaException."""
    return {number: offset for (_, number), offset in behind_lasts(bootstrap, [topic]).items()}


def behind_lasts(bootstrap: str, topics: Iterable[str]) -> offsets.Offsets:
    """The same of several topics at once, by place. Raises KafkaException."""
    admin = AdminClient({**reach(bootstrap), "log_level": 2})
    known = admin.list_topics(timeout=offsets.REQUEST_S).topics
    ends = offsets.ends(admin, [(topic, number) for topic in topics for number in known[topic].partitions])
    consumer = reader(bootstrap, "taximeter-last")
    found = dict.fromkeys((place for place, end in ends.items() if not end), 0)
    back = NEAR
    try:
        while left := {place: end for place, end in ends.items() if place not in found}:
            consumer.assign([TopicPartition(*place, max(0, end - back)) for place, end in left.items()])
            found |= _last(consumer, set(left))
            found |= dict.fromkeys((place for place, end in left.items() if end <= back and place not in found), 0)
            back *= 16
    finally:
        consumer.close()
    return found


def _last(consumer: Consumer, open_: set[offsets.Place]) -> offsets.Offsets:
    """Offset behind the last record of each place that has one between here and its end."""
    found: offsets.Offsets = {}
    while open_:
        for message in consumer.consume(1000, 0.02):
            place = (message.topic() or "", message.partition() or 0)
            if at_end(message):
                open_.discard(place)
            else:
                found[place] = (message.offset() or 0) + 1
    return found
