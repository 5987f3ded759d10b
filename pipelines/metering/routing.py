"""What METER must know of the contracts: whose usage goes where, whose is metered event by event, who filters usage by what."""

from typing import NamedTuple

from contracts.families import roots
from pipelines.document_log import Documents
from pipelines.partitioning import partition_of


class Routing(NamedTuple):
    """Derived from the documents; made anew when one changes."""

    roots: dict[str, str]
    """Customer id or alias to the root customer whose partition owns its usage; an id that is not in it is its own root."""
    singles: frozenset[str]
    """Ids in families with thresholds: their events are metered one by one."""
    filters: dict[str, frozenset[str]]
    """Property name to the ids of customers whose contracts filter usage by it."""
    partitions: int

    def partition_of(self, customer: str) -> int:
        """The partition of metered-usage that owns `customer`: an id, an alias, or one that nobody knows."""
        return partition_of(self.roots.get(customer, customer), self.partitions)


def routing(documents: Documents, partitions: int) -> Routing:
    """The routing that `documents` ask for."""
    contracts = {name: known.contract for name, known in documents.contracts.items()}
    tops = roots(contracts)
    watched = {tops[contract.customer] for contract in contracts.values() if contract.thresholds}
    filters: dict[str, set[str]] = {}
    for contract in contracts.values():
        if contract.usage_filter is not None:
            for key in contract.usage_filter.where:
                filters.setdefault(key, set()).update((contract.customer, *contract.aliases))
    # Two contracts of one customer may each name aliases: the customer's filters hold for all of them.
    for contract in contracts.values():
        for owners in filters.values():
            if contract.customer in owners:
                owners.update(contract.aliases)
    return Routing(
        tops,
        frozenset(each for each, top in tops.items() if top in watched),
        {key: frozenset(owners) for key, owners in sorted(filters.items())},
        partitions,
    )
