"""How long a replay takes at the least: what METER does with the past is done here with the first events of the log, and timed.

It is METER's own work in one process with nothing else to do; live usage goes first, and RATE's answer to it comes on top.
"""

import time
from typing import Any, Final, NamedTuple

from confluent_kafka import TopicPartition

from contracts.twins import Scope
from pipelines.document_log import Documents
from pipelines.metering.batch import HOUR_MS, Limits, Metering
from pipelines.metering.engine import EngineError, engine
from pipelines.metering.messages import Messages
from pipelines.metering.reading import WAIT_S, past_reader, take
from pipelines.metering.source import columns
from pipelines.reader import at_end
from pipelines.settings import Settings
from pipelines.topology import USAGE_EVENTS
from schemas.codec import Codec

SAMPLE: Final = 50_000
LEAST: Final = 2_000
"""What fewer events tell is the time of a statement."""
LONGEST_S: Final = 10.0


class Pace(NamedTuple):
    """What was timed."""

    events: int
    seconds: float

    def seconds_for(self, events: int) -> float:
        """So many take as long, at that pace."""
        return self.seconds * events / self.events


def timed(settings: Settings, codec: Codec, present: Documents, partitions: int, scope: Scope) -> Pace | None:
    """Reads and counts a sample for the scope's products. None: too few events, or one among them that cannot be read. Raises KafkaException."""
    began = time.perf_counter()
    messages = _sample(settings, partitions)
    read_s = time.perf_counter() - began
    if len(messages.values) < LEAST:
        return None
    metering = Metering(engine(), codec, Limits(settings.window_minutes * HOUR_MS // 60, partitions=partitions))
    metering.prepare(present)
    wanted = frozenset((name, product) for name, products in scope.products.items() for product in products)
    try:
        for some in (messages.between(0, LEAST), messages):  # the first time is not like the others
            began = time.perf_counter()
            metering.gather(some, wanted)
            metering.filled(wanted)
    except EngineError:
        return None
    return Pace(len(messages.values), read_s + time.perf_counter() - began)


def _sample(settings: Settings, partitions: int) -> Messages:
    consumer = past_reader(settings.kafka or "")
    found: list[Any] = []
    ended: set[int] = set()
    until = time.monotonic() + LONGEST_S
    try:
        consumer.assign([TopicPartition(USAGE_EVENTS.name, number, 0) for number in range(partitions)])
        while len(found) < SAMPLE and len(ended) < partitions and time.monotonic() < until:
            for message in take(consumer, SAMPLE - len(found), WAIT_S):
                if at_end(message):
                    ended.add(message.partition())
                else:
                    found.append(message)
    finally:
        consumer.close()
    return columns(found)
