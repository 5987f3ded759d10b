"""How much of the past is metered for a generation: read from the topic on which METER keeps it."""

from collections.abc import Iterable
from typing import NamedTuple

from contracts.twins import Scope, twin
from pipelines.metering.coverage import Coverage, from_wire
from pipelines.metering.reading import read, visible
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


def metered(bootstrap: str, codec: Codec, partitions: Iterable[int], scope: Scope, number: int) -> Metered:
    """Of a generation. Raises KafkaException."""
    wanted = list(partitions)
    known: dict[int, dict[str, Coverage]] = {partition: {} for partition in wanted}
    marks = visible(bootstrap, BACKFILLS.name, wanted)
    for batch in read(bootstrap, BACKFILLS.name, {partition: (start, None) for partition, (start, end) in marks.items() if end > start}):
        for message in batch:
            value = codec.decode("backfill", message.value())
            known[message.partition()][value["catalogue"]] = from_wire(value)
    begun = missing = 0
    for found in known.values():
        twins = [(found.get(name), twin(product, number)) for name, products in scope.products.items() for product in products]
        covered = [each.products[product] for each, product in twins if each is not None and product in each.products]
        begun += len(covered) == len(twins)
        missing += max((sum(gap.end - gap.start for gap in each.gaps) for each in covered), default=0)
    return Metered(begun, len(wanted), missing)
