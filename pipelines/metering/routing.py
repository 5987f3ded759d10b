"""What METER must know of the contracts: whose usage goes where, whose is metered event by event, who filters usage by what."""

from typing import NamedTuple

from contracts.counting import Owners, owners
from pipelines.document_log import Documents
from pipelines.partitioning import partition_of


class Routing(NamedTuple):
    """Derived from the documents; made anew when one changes."""

    owners: Owners
    partitions: int

    def partition_of(self, customer: str) -> int:
        """The partition of metered-usage that owns `customer`: an id, an alias, or one that nobody knows."""
        return partition_of(self.owners.roots.get(customer, customer), self.partitions)


def routing(documents: Documents, partitions: int) -> Routing:
    """The routing that `documents` ask for."""
    return Routing(owners(documents.families), partitions)
