"""Whether what was sent has come through: by offsets, stage after stage, never by waiting a while and hoping.

METER, RATE and SINK commit an offset only when everything that follows from the record is written. So when METER has committed past the events,
RATE past what METER then had written, and SINK past what RATE then had written, the warehouse shows the effect of every event.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from contracts.errors import TaximeterError
from pipelines import offsets
from pipelines.backfills import Backfills
from pipelines.last import behind_last, behind_lasts
from pipelines.offsets import Offsets
from pipelines.reach import reach
from pipelines.reader import is_end, reader
from pipelines.settings import Settings
from pipelines.topology import (
    BALANCE_THRESHOLDS,
    BALANCES,
    CLOCK,
    CONTRACT_CHANGES,
    METER_GROUP,
    METERED_USAGE,
    RATE_GROUP,
    RATED_LINE_ITEMS,
    REJECTED_EVENTS,
    SINK_GROUP,
    USAGE_EVENTS,
)
from schemas.codec import Codec

REQUEST_S: Final = 30.0
LOOK_S: Final = 0.005
"""A look takes that long when less has come than it could take."""
PAUSE_S: Final = 0.01
LONGEST_PAUSE_S: Final = 0.2
"""Questions cost the broker and this process time that the stages need."""
WRITTEN_BY_METER: Final = (METERED_USAGE.name, REJECTED_EVENTS.name)
WRITTEN_BY_RATE: Final = (METERED_USAGE.name, RATED_LINE_ITEMS.name, BALANCES.name, BALANCE_THRESHOLDS.name)
SHOWN: Final = (CONTRACT_CHANGES.name, METERED_USAGE.name, REJECTED_EVENTS.name, RATED_LINE_ITEMS.name, BALANCES.name, BALANCE_THRESHOLDS.name)


class StalledError(TaximeterError):
    """A stage has not come through in time; the message says which one, and how far it is."""


def all_shown(bootstrap: str, timeout_s: float) -> dict[int, int]:
    """Return when the warehouse shows the effect of all events that are there at the call, wherever they stand now. Raises StalledError.

    Gives the offset behind the last of them, by partition of usage-events.
    """
    through = Progress(bootstrap, before=True)
    try:
        ends = behind_last(bootstrap, USAGE_EVENTS.name)
        through.sent(USAGE_EVENTS.name, ends)
        through.shown(timeout_s)
    finally:
        through.close()
    return ends


class Progress:
    """Follows the topics between the stages from the moment it is made. Not thread safe."""

    def __init__(self, bootstrap: str, *, before: bool = False) -> None:
        """`before`: also what the stages have written before, and others may not have read yet."""
        self._admin = AdminClient({**reach(bootstrap), "log_level": 2})
        self._committed = offsets.Committed(bootstrap)
        self._bootstrap = bootstrap
        self._backfills: Backfills | None = None
        self._consumer = reader(bootstrap, "taximeter-progress")
        topics = self._consumer.list_topics(timeout=REQUEST_S).topics
        missing = sorted({*WRITTEN_BY_METER, *WRITTEN_BY_RATE} - topics.keys())
        if missing:
            self.close()
            raise StalledError(f"there is no topic {missing[0]} yet: the stack is still starting, or was never started on this Kafka (`taximeter status`)")
        self._places = [(name, number) for name in sorted({*WRITTEN_BY_METER, *WRITTEN_BY_RATE}) for number in topics[name].partitions]
        self._reached = offsets.ends(self._admin, self._places)
        self._last: Offsets = behind_lasts(bootstrap, dict.fromkeys(topic for topic, _ in self._places)) if before else {}
        self._sent: Offsets = {}
        self._consumer.assign([TopicPartition(topic, partition, offset) for (topic, partition), offset in self._reached.items()])

    def sent(self, topic: str, behind: Mapping[int, int]) -> None:
        """Records were written there: offsets behind the last of them, by partition."""
        for partition, offset in behind.items():
            place = (topic, partition)
            self._sent[place] = max(self._sent.get(place, 0), offset)

    def rated(self, timeout_s: float) -> None:
        """Return when RATE has rated everything that was sent. Raises StalledError."""
        deadline = time.monotonic() + timeout_s
        self._wait("METER", METER_GROUP, lambda: self._of(self._sent, (USAGE_EVENTS.name,)), deadline)
        if self._of(self._sent, (CONTRACT_CHANGES.name,)):
            self._filled(deadline)
        self._wait("RATE", RATE_GROUP, lambda: self._for_rate(deadline), deadline)

    def shown(self, timeout_s: float) -> None:
        """Return when the warehouse shows the effect of everything that was sent. Raises StalledError."""
        deadline = time.monotonic() + timeout_s
        self.rated(timeout_s)
        self._wait("SINK", SINK_GROUP, lambda: self._of(self._sent | self._written(deadline), SHOWN), deadline)

    def close(self) -> None:
        self._committed.close()
        self._consumer.close()
        if self._backfills is not None:
            self._backfills.close()

    def _filled(self, deadline: float) -> None:
        """Products that were published are metered for what had arrived before, too."""
        if self._backfills is None:
            self._backfills = Backfills(self._bootstrap, Codec.at(Settings().schema_registry))
        places = [place for place in self._places if place[0] == REJECTED_EVENTS.name]
        events = offsets.ends(self._admin, [(USAGE_EVENTS.name, number) for _, number in places])
        while missing := self._backfills.missing(number for (_, number), end in events.items() if end > 0):
            if time.monotonic() > deadline:
                raise StalledError(
                    f"METER has not come through in time: {missing} offsets are to be read for new products. `taximeter status` shows whether it runs"
                )
            time.sleep(5 * PAUSE_S)

    def _for_rate(self, deadline: float) -> Offsets:
        # RATE itself writes to metered-usage when a customer moves, so the goal is looked up at every turn.
        return self._of(self._sent, (CONTRACT_CHANGES.name, CLOCK.name)) | self._of(self._written(deadline), (METERED_USAGE.name,))

    def _wait(self, stage: str, group: str, goal: Callable[[], Offsets], deadline: float) -> None:
        pause_s = PAUSE_S
        while True:
            wanted = goal()
            committed = self._committed.of(group, wanted)
            missing = {place: offset - committed.get(place, 0) for place, offset in wanted.items() if committed.get(place, 0) < offset}
            if not missing:
                return
            if time.monotonic() > deadline:
                where = ", ".join(f"{topic}[{partition}] by {count}" for (topic, partition), count in sorted(missing.items())[:4])
                raise StalledError(f"{stage} has not come through in time: it is behind on {where}. `taximeter status` shows whether it runs")
            time.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 1.3)

    @staticmethod
    def _of(known: Offsets, topics: Iterable[str]) -> Offsets:
        return {place: offset for place, offset in known.items() if place[0] in topics}

    def _written(self, deadline: float) -> Offsets:
        """The last record of each place that the stages wrote to; transaction markers behind it do not count. Transactions that are open are waited
        for: of several METERs one may have committed what stands behind another one's. Raises StalledError."""
        ends = offsets.whole_ends(self._admin, self._places)
        while left := [place for place, end in ends.items() if self._reached[place] < end]:
            if time.monotonic() > deadline:
                raise StalledError(
                    f"a transaction on {left[0][0]}[{left[0][1]}] does not end in time, and what stands behind it cannot be read. `taximeter status` shows whether METER runs"
                )
            for message in self._consumer.consume(1000, LOOK_S):
                error = message.error()
                place = (message.topic(), message.partition())
                if error is None:
                    self._reached[place] = self._last[place] = message.offset() + 1
                elif is_end(error):
                    self._reached[place] = message.offset()
        return self._last
