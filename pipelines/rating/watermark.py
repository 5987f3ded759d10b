"""How far usage has come in time: ticks wait for the usage that arrived before them.

METER commits its offsets together with what it wrote. So when it has committed the ends that usage-events had at some moment, and has nothing to
fill for products that are new, everything that had arrived by then is on metered-usage, before the ends that this topic has now.
"""

import logging
import time
from collections.abc import Iterable
from typing import Final

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from pipelines import offsets
from pipelines.backfills import Backfills
from pipelines.offsets import Offsets
from pipelines.reach import reach
from pipelines.reader import is_end, reader
from pipelines.topology import METER_GROUP, METERED_USAGE, USAGE_EVENTS
from schemas.codec import Codec

PAUSE_S: Final = 0.03
LOOK_S: Final = 2.0
"""When METER has not moved for so long, what is left may be control records of producers, which it does not see."""

_SILENT: Final = logging.getLogger("taximeter.rate.watermark")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class Watermark:
    """Asks the broker; every call blocks. Not thread safe."""

    def __init__(self, bootstrap: str, codec: Codec) -> None:
        self._bootstrap = bootstrap
        self._codec = codec
        self._backfills: Backfills | None = None
        self._admin = AdminClient(reach(bootstrap), logger=_SILENT)
        self._committed = offsets.Committed(bootstrap)
        self._events: list[offsets.Place] = []

    def pass_by(self, partitions: Iterable[int], patience_s: float) -> dict[int, int] | None:
        """The ends of metered-usage before which everything stands that has arrived by now; none when METER is not so far in time.

        Raises KafkaException.
        """
        if not self._events:
            topic = self._admin.list_topics(USAGE_EVENTS.name, timeout=offsets.REQUEST_S).topics[USAGE_EVENTS.name]
            self._events = [(USAGE_EVENTS.name, number) for number in topic.partitions]
        goal = {place: end for place, end in offsets.ends(self._admin, self._events).items() if end > 0}
        started = time.monotonic()
        looked = False
        while missing := self._missing(goal):
            if time.monotonic() - started > patience_s:
                return None
            if not looked and time.monotonic() - started > LOOK_S:
                looked = True
                goal = {place: end for place, end in goal.items() if place not in missing or self._holds(place, missing[place], end)}
            time.sleep(PAUSE_S)
        while goal and self._unfilled(goal):
            if time.monotonic() - started > patience_s:
                return None
            time.sleep(PAUSE_S)
        # With several METERs: what one has committed may stand behind a transaction that another has open.
        ends = offsets.whole_ends(self._admin, [(METERED_USAGE.name, number) for number in partitions])
        return {number: end for (_, number), end in ends.items()}

    def _missing(self, goal: Offsets) -> Offsets:
        """Where METER has not come so far: what it has committed."""
        committed = self._committed.of(METER_GROUP, goal)
        return {place: committed.get(place, 0) for place, end in goal.items() if committed.get(place, 0) < end}

    def _unfilled(self, goal: Offsets) -> int:
        """How much of the past METER has yet to meter for products that are new."""
        if self._backfills is None:
            self._backfills = Backfills(self._bootstrap, self._codec)
        return self._backfills.missing(number for _, number in goal)

    def _holds(self, place: offsets.Place, start: int, end: int) -> bool:
        """There is a record in [start, end)."""
        consumer = reader(self._bootstrap, "taximeter-rate-watermark", logger=_SILENT)
        consumer.assign([TopicPartition(*place, start)])
        try:
            while True:
                for message in consumer.consume(1, 1.0):
                    error = message.error()
                    if error is None:
                        return bool(message.offset() < end)
                    if is_end(error):
                        return False
        finally:
            consumer.close()
