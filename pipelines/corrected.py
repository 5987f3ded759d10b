"""Which raw events do not count any more, and which count beside those of usage-events: what the corrections in force say."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from contracts.case import UsageEvent


class Added(NamedTuple):
    """An event that a correction brought, beside the partition to which it belongs."""

    partition: int
    event: UsageEvent


class Corrected(NamedTuple):
    """Corrections in force, all together."""

    left_out: frozenset[tuple[int, int]] = frozenset()
    """(partition, offset) of usage-events."""
    events: tuple[Added, ...] = ()

    def leaves_out(self, partition: int, offset: int) -> bool:
        return (partition, offset) in self.left_out

    def places(self) -> list[tuple[int, int]]:
        """What is left out, in order."""
        return sorted(self.left_out)

    def added(self, partitions: Mapping[int, object]) -> Iterator[UsageEvent]:
        """The events that belong to these partitions."""
        for partition, event in self.events:
            if partition in partitions:
                yield event
