"""The documents as they are now: contract-changes read to its end and compacted in memory.

Works with Kafka alone; whoever publishes must know the present even when the warehouse does not answer.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from pipelines import offsets
from pipelines.topology import CONTRACT_CHANGES
from schemas.codec import Codec

TIMEOUT_S: Final = 30.0


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
        self.changes = 0
        """Grows with every version that was new: tells a reader that there is something to do."""
        self.behind: dict[int, int] = {}
        """Offset behind the last record that is in, by partition."""

    def copy(self) -> "Documents":
        """The same, for a reader who looks while more is recorded."""
        same = Documents()
        same.catalogues, same.contracts, same.changes = dict(self.catalogues), dict(self.contracts), self.changes
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


class DocumentLog:
    """Follows contract-changes on all partitions, without a consumer group. Not thread safe."""

    def __init__(self, bootstrap: str, codec: Codec) -> None:
        self.documents = Documents()
        self._codec = codec
        common = {"bootstrap.servers": bootstrap, "log_level": 2}
        self._admin = AdminClient(common)
        self._consumer = Consumer(
            {
                **common,
                "group.id": "taximeter-documents",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 20,
            }
        )
        topics = self._consumer.list_topics(CONTRACT_CHANGES.name, timeout=TIMEOUT_S).topics
        self.partitions = len(topics[CONTRACT_CHANGES.name].partitions)
        """Partitions of every customer-keyed topic."""
        self._consumer.assign([TopicPartition(CONTRACT_CHANGES.name, number, OFFSET_BEGINNING) for number in range(self.partitions)])
        self._places = [(CONTRACT_CHANGES.name, number) for number in range(self.partitions)]
        self._reached = dict.fromkeys(range(self.partitions), 0)

    def catch_up(self) -> Documents:
        """The documents as of now: everything that was visible before the call is in. Raises KafkaException."""
        return self.read_to({partition: end for (_, partition), end in offsets.ends(self._admin, self._places).items()})

    def read_to(self, ends: Mapping[int, int]) -> Documents:
        """The documents when everything before these offsets (by partition) has become visible."""
        while any(self._reached[partition] < end for partition, end in ends.items()):
            for message in self._consumer.consume(1000, 0.02):
                self._take(message)
        return self.documents

    def close(self) -> None:
        self._consumer.close()

    def _take(self, message: Any) -> None:
        error = message.error()
        if error is None:
            self._reached[message.partition()] = message.offset() + 1
            self.documents.behind[message.partition()] = message.offset() + 1
            self.documents.record(self._codec.decode("contract_change", message.value()))
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client has no other name for it
            self._reached[message.partition()] = message.offset()
