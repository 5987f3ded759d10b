"""Whether usage that was reported has come through to the balances: by offsets, stage after stage.

The ends of `usage-events` at the time of settling; METER past them; the end of `metered-usage` then; RATE past that; the end of `balances` then. Who has
read `balances` to there has the usage in what is left.
"""

from typing import Final

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from pipelines import offsets
from pipelines.offsets import Committed, Offsets
from pipelines.reach import reach
from pipelines.reader import is_end, reader
from pipelines.topology import BALANCES, METER_GROUP, METERED_USAGE, RATE_GROUP, USAGE_EVENTS

PROBE_S: Final = 2.0


class Passage:
    """One way through the pipeline, from now on. `through` is asked again and again."""

    def __init__(self, log: "Ends") -> None:
        self._log = log
        self._steps = iter(((METER_GROUP, METERED_USAGE.name), (RATE_GROUP, BALANCES.name)))
        self._group, self._next = next(self._steps)
        self._goal = log.ends(USAGE_EVENTS.name)

    def through(self) -> bool:
        """Whether everything has come to `balances`; whoever reads it to its end from then on has it all. Raises KafkaException."""
        while self._log.passed(self._group, self._goal):
            self._goal = self._log.ends(self._next)
            following = next(self._steps, None)
            if following is None:
                return True
            self._group, self._next = following
        return False


class Ends:
    """Questions about ends and groups. Not thread safe."""

    def __init__(self, bootstrap: str, partitions: int) -> None:
        self._admin = AdminClient(reach(bootstrap))
        self._committed = Committed(bootstrap)
        self._partitions = partitions
        self._probe = reader(bootstrap, "taximeter-passage")

    def ends(self, topic: str) -> Offsets:
        # What one producer has committed may stand behind a transaction that another has open.
        return offsets.whole_ends(self._admin, [(topic, number) for number in range(self._partitions)])

    def passed(self, group: str, goal: Offsets) -> bool:
        """Whether the group has committed past every record before the goal; markers of transactions are no records."""
        at = self._committed.of(group, goal)
        behind = {place: at.get(place, 0) for place, end in goal.items() if at.get(place, 0) < end}
        return not behind or self._empty(behind, goal)

    def _empty(self, behind: Offsets, goal: Offsets) -> bool:
        """Whether from these offsets on there is nothing to be read, and no transaction open, before the goal."""
        self._probe.assign([TopicPartition(topic, partition, offset) for (topic, partition), offset in behind.items()])
        open_ends = set(behind)
        try:
            while open_ends:
                messages = self._probe.consume(1, PROBE_S)
                if not messages:
                    return False
                (message,) = messages
                place = (message.topic(), message.partition())
                error = message.error()
                if error is None or not is_end(error) or message.offset() < goal[place]:
                    return False
                open_ends.discard(place)
        finally:
            self._probe.unassign()
        return True

    def close(self) -> None:
        self._committed.close()
        self._probe.close()
