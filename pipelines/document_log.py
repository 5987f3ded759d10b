"""The documents as they are now: contract-changes read to its end and compacted in memory.

Works with Kafka alone; whoever publishes must know the present even when the warehouse does not answer.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.counting import owned_by
from contracts.families import Families
from pipelines import offsets
from pipelines.following import Follower
from pipelines.replay.generations import KIND, Generations
from pipelines.topology import CONTRACT_CHANGES
from schemas.codec import Codec


class RecordedCatalogue(NamedTuple):
    version: int
    catalogue: Catalogue


class RecordedContract(NamedTuple):
    version: int
    contract: Contract
    root: str
    """Root customer whose partition has it."""
    recorded_ms: int
    effective_ms: int | None


class Documents:
    """The highest version of every document. Fed in any order; a catalogue comes once for each partition."""

    def __init__(self) -> None:
        self.catalogues: dict[str, RecordedCatalogue] = {}
        self.contracts: dict[str, RecordedContract] = {}
        self.families = Families()
        """Of the contracts."""
        self.generations = Generations()
        self.changes = 0
        """Grows with every version that was new: tells a reader that there is something to do."""
        self.owned = 0
        """Grows with every contract that metering has to know anew (`contracts.counting.owners`)."""
        self.behind: dict[int, int] = {}
        """Offset behind the last record that is in, by partition."""

    def copy(self) -> "Documents":
        """The same, for a reader who looks while more is recorded."""
        same = Documents()
        same.catalogues, same.contracts, same.changes = dict(self.catalogues), dict(self.contracts), self.changes
        same.families, same.generations, same.owned = self.families.copy(), self.generations, self.owned
        return same

    def record(self, change: dict[str, Any]) -> None:
        """Take a decoded `contract_change`."""
        name, version = change["id"], change["version"]
        if change["kind"] == "catalogue":
            known = self.catalogues.get(name)
            if known is None or known.version < version:
                self.changes += 1
                self.catalogues[name] = RecordedCatalogue(version, msgspec.json.decode(change["body"], type=Catalogue, strict=False))
        elif change["kind"] == "contract":
            earlier = self.contracts.get(name)
            if earlier is None or earlier.version < version:
                self.changes += 1
                contract = msgspec.json.decode(change["body"], type=Contract, strict=False)
                root = change["root"] or contract.customer
                self.contracts[name] = RecordedContract(version, contract, root, change["recorded_at"], change["effective_at"])
                self.families.put(contract)
                self.owned += earlier is None or owned_by(earlier.contract) != owned_by(contract)
        elif change["kind"] == KIND and self.generations.record(change):
            self.changes += 1


class DocumentLog:
    """Follows contract-changes on all partitions, without a consumer group. Not thread safe."""

    def __init__(self, bootstrap: str, codec: Codec, patience_s: float = offsets.PATIENCE_S) -> None:
        """`patience_s`: how long a call waits for a broker that does not answer."""
        self.documents = Documents()
        self._codec = codec
        self._follower = Follower(bootstrap, CONTRACT_CHANGES.name, self._take, patience_s=patience_s)

    @property
    def partitions(self) -> int:
        """Partitions of every customer-keyed topic."""
        return self._follower.partitions

    def ask(self) -> None:
        """Ask already for what the next `catch_up` needs to know: it is then about what was visible at this moment."""
        self._follower.ask()

    def catch_up(self) -> Documents:
        """The documents as of now: everything that was visible before the call is in. Raises KafkaException."""
        self._follower.catch_up()
        return self.documents

    def read_to(self, ends: Mapping[int, int]) -> Documents:
        """The documents when everything before these offsets (by partition) has become visible."""
        self._follower.read_to(ends)
        return self.documents

    def close(self) -> None:
        self._follower.close()

    def _take(self, message: Any) -> None:
        self.documents.record(self._codec.decode("contract_change", message.value()))
        self.documents.behind[message.partition()] = message.offset() + 1
