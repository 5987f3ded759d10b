"""Whether METER has metered what had arrived before for every product that has appeared: for those who must not be earlier than that."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipelines.following import Follower
from pipelines.metering import coverage
from pipelines.metering.coverage import Coverage
from pipelines.topology import BACKFILLS, CONTRACT_CHANGES
from schemas.codec import Codec


class Backfills:
    """Follows `backfills` and the catalogues on contract-changes. Every call blocks; not thread safe; close it at the end."""

    def __init__(self, bootstrap: str, codec: Codec) -> None:
        """Raises KeyError while there are no such topics, KafkaException."""
        self._codec = codec
        self._versions: dict[str, int] = {}
        self._known: dict[int, dict[str, Coverage]] = {}
        self._catalogues = Follower(bootstrap, CONTRACT_CHANGES.name, self._catalogue, [0])  # every partition has all of them
        self._coverage = Follower(bootstrap, BACKFILLS.name, self._covered)

    def missing(self, partitions: Iterable[int]) -> int:
        """How many offsets of these partitions of usage-events are still to be read for products that were published before the call, at least.

        A partition that is not metered yet for the newest catalogue counts one. Raises KafkaException.
        """
        self._catalogues.catch_up()
        self._coverage.catch_up()
        return sum(self._missing(self._known.get(partition, {})) for partition in partitions)

    def close(self) -> None:
        self._catalogues.close()
        self._coverage.close()

    def _missing(self, known: Mapping[str, Coverage]) -> int:
        behind = any(name not in known or known[name].version < version for name, version in self._versions.items())
        return coverage.missing(known, twins=False) + behind

    def _catalogue(self, message: Any) -> None:
        change = self._codec.decode("contract_change", message.value())
        if change["kind"] == "catalogue":
            self._versions[change["id"]] = max(change["version"], self._versions.get(change["id"], 0))

    def _covered(self, message: Any) -> None:
        value = self._codec.decode("backfill", message.value())
        self._known.setdefault(message.partition(), {})[value["catalogue"]] = coverage.from_wire(value)
