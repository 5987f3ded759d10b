"""How much of the past is metered for a generation: read from the topic on which METER keeps it."""

from typing import Any, NamedTuple

from contracts.twins import Scope, twin
from pipelines.following import Follower
from pipelines.metering.coverage import Coverage, from_wire
from pipelines.topology import BACKFILLS
from schemas.codec import Codec


class Metered(NamedTuple):
    """How far METER is with a generation."""

    begun: int
    """Partitions of usage-events in which it is metered; the rest of `partitions` waits for METER to read its control record."""
    partitions: int
    missing: int
    """Offsets that are still to be read."""

    @property
    def complete(self) -> bool:
        return self.begun == self.partitions and not self.missing


class Coverages:
    """Follows the topic `backfills`. Every call blocks; not thread safe; close it at the end."""

    def __init__(self, bootstrap: str, codec: Codec) -> None:
        self._codec = codec
        self._known: dict[int, dict[str, Coverage]] = {}
        self._follower = Follower(bootstrap, BACKFILLS.name, self._take)

    def metered(self, scope: Scope, number: int) -> Metered:
        """How far a generation is, of what was visible before the call. Raises KafkaException."""
        self._follower.catch_up()
        begun = missing = 0
        for partition in range(self._follower.partitions):
            found = self._known.get(partition, {})
            twins = [(found.get(name), twin(product, number)) for name, products in scope.products.items() for product in products]
            covered = [each.products[product] for each, product in twins if each is not None and product in each.products]
            begun += len(covered) == len(twins)
            missing += max((sum(gap.end - gap.start for gap in each.gaps) for each in covered), default=0)
        return Metered(begun, self._follower.partitions, missing)

    def close(self) -> None:
        self._follower.close()

    def _take(self, message: Any) -> None:
        value = self._codec.decode("backfill", message.value())
        self._known.setdefault(message.partition(), {})[value["catalogue"]] = from_wire(value)
