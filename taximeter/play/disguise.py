"""Fresh names for a case, so that it can run beside others and again: customers, contracts, catalogues, event types, events and the clock.

Pure. Names get a common prefix, so that whatever is decided by the order of names (draws, ties) is decided as under the real ones.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from contracts.case import UsageEvent
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from pipelines.partitioning import partition_of

SALT: Final = "!"
"""Stands before what steers an event to its partition; sorts before every letter, so longer ids stay behind shorter ones."""


class Disguise:
    """The names of one run; `tag` is unlike that of any other run."""

    def __init__(self, tag: str) -> None:
        self._prefix = f"{tag}."
        self.clock = tag

    def name(self, real: str) -> str:
        return self._prefix + real

    def real(self, name: str) -> str:
        """The name as it stands in the case; names of other runs stay as they are."""
        return name.removeprefix(self._prefix)

    def catalogue(self, real: Catalogue) -> Catalogue:
        metrics = {
            name: msgspec.structs.replace(metric, event_types=self._all(metric.event_types)) for name, metric in real.metrics.items()
        }
        return msgspec.structs.replace(real, id=self.name(real.id), metrics=metrics)

    def contract(self, real: Contract) -> Contract:
        grants = {
            key: [self._grant(grant) for grant in getattr(real, key)] for key in ("commits", "credits", "recurring_credits", "recurring_commits")
        }
        return msgspec.structs.replace(
            real,
            id=self.name(real.id),
            customer=self.name(real.customer),
            catalogue=self.name(real.catalogue),
            clock=self.clock,
            aliases=self._all(real.aliases),
            parent=None if real.parent is None else self.name(real.parent),
            renews=None if real.renews is None else self.name(real.renews),
            **grants,
        )

    def event(self, real: UsageEvent, partition: int, partitions: int) -> UsageEvent:
        """The event under an id that lands on `partition` of usage-events: one partition keeps the order of arrival. Equal ids stay equal."""
        base = self.name(real.transaction_id) + SALT
        salt = 0
        while partition_of(f"{base}{salt}", partitions) != partition:
            salt += 1
        return real._replace(transaction_id=f"{base}{salt}", customer=self.name(real.customer), event_type=self.name(real.event_type))

    def real_transaction(self, name: str) -> str:
        return self.real(name).rpartition(SALT)[0]

    def _all(self, real: Iterable[str]) -> list[str]:
        return [self.name(each) for each in real]

    def _grant(self, grant: Any) -> Any:
        shared = grant.shared
        return grant if not isinstance(shared, list) else msgspec.structs.replace(grant, shared=self._all(shared))
