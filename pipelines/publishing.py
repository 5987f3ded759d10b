"""Edits to contract-changes (`edits` says what they become there): each is one transaction.

All publishers share one transactional id, so Kafka lets only the newest one commit: whoever comes second reads what the first has done and plans
again, or is refused when it concerns the same document.

Errors (contracts.errors)
DocumentError     the edit cannot be; nothing of it was published
EditConflictError      another version arrived in between; nothing was published
"""

import logging
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer

from contracts.errors import DocumentError, TaximeterError
from pipelines.document_log import DocumentLog, Documents
from pipelines.edits import Change, Control, Edit, plan, steps
from pipelines.monitoring import metrics
from pipelines.partitioning import partition_of
from pipelines.reach import reach
from pipelines.topology import CONTRACT_CHANGES, PARTITIONER
from schemas.codec import Codec

TRANSACTIONAL_ID: Final = "taximeter-publisher"
ATTEMPTS: Final = 50
TIMEOUT_S: Final = 30.0

_SILENT: Final = logging.getLogger("taximeter.publisher.client")
"""To be overtaken is fatal to a producer, and librdkafka says so loudly; here it is handled."""
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class EditConflictError(TaximeterError):
    """Somebody else changed one of these documents since they were read. Look at the present version and apply again."""


class Beside(NamedTuple):
    """A record that is written in the transaction of an edit: on the topic `topic`, by the topic's own key."""

    topic: str
    key: str
    value: bytes


class Draft(NamedTuple):
    """What is to be published, made from the documents of the moment."""

    edit: Edit | None = None
    """None: only what stands beside."""
    beside: Callable[[str], Sequence[Beside]] | None = None
    """Records that become visible with the edit, or not at all; called with the edit's id."""
    controls: Sequence[Control] = ()
    """Steps of generations."""


class Published(NamedTuple):
    """What an edit became: the versions by kind and id, and the offset behind the last record by partition."""

    edit: str
    versions: dict[tuple[Literal["catalogue", "contract"], str], int]
    offsets: dict[int, int]
    beside: dict[tuple[str, int], int] = {}
    """Offset behind the last record that was written beside, by topic and partition."""


def overtaking(bootstrap: str, transactional_id: str) -> Producer:
    """A transactional producer that has ended whatever another one of that id had under way. Raises KafkaException."""
    producer = Producer(
        {
            **reach(bootstrap),
            "transactional.id": transactional_id,
            "transaction.timeout.ms": 30_000,
            "linger.ms": 0,
            "partitioner": PARTITIONER,
        },
        logger=_SILENT,
    )
    producer.init_transactions(TIMEOUT_S)
    return producer


class Publisher:
    """Publishes edits, one Kafka transaction each. Not thread safe; one for each thread, in as many processes as one likes."""

    def __init__(self, bootstrap: str, codec: Codec) -> None:
        self._bootstrap = bootstrap
        self._codec = codec
        self._log = DocumentLog(bootstrap, codec)
        self._producer: Producer | None = None

    def present(self) -> Documents:
        """The documents as they are now."""
        return self._log.catch_up()

    @property
    def documents(self) -> Documents:
        """The documents as they were read last: by `present`, or by an edit."""
        return self._log.documents

    @property
    def partitions(self) -> int:
        return self._log.partitions

    def publish(self, edit: Edit, expected: Mapping[str, int] | None = None) -> Published:
        """Put `edit` on the log, all of it or nothing, and return when every reader sees it.

        `expected`: versions by contract or catalogue id that the edit is based on (0: none yet); without it those of the moment of the
        call. Raises DocumentError, EditConflictError, KafkaException.
        """
        based_on = _versions(edit, self._log.catch_up()) | dict(expected or {})

        def draft(present: Documents) -> Draft:
            _check_versions(based_on, _versions(edit, present))
            return Draft(edit)

        return self.update(draft)

    @metrics.PUBLISH.time()
    def update(self, draft: Callable[[Documents], Draft]) -> Published:
        """Publish what `draft` makes of the present documents, all of it or nothing, and return when every reader of documents sees it.

        `draft` is called again when another publisher was quicker; between its last call and the commit nobody else commits, so what it read
        through this publisher's topics still holds. It may raise to refuse. Raises DocumentError, EditConflictError, KafkaException.
        """
        name = uuid.uuid4().hex
        for attempt in range(ATTEMPTS):
            producer = self._producer or self._begin()
            present = self._log.catch_up()
            made = draft(present)
            changes = plan(made.edit, present, self._log.partitions, name) if made.edit else []
            changes += [change for control in made.controls for change in steps(control, self._log.partitions, name)]
            beside = made.beside(name) if made.beside else ()
            try:
                return self._commit(producer, changes, name, beside)
            except KafkaException as error:
                self._producer = None
                if not overtaken(error.args[0]):
                    raise
            time.sleep(random.uniform(0.01, 0.05) * (attempt + 1))  # noqa: S311 - so that two that collide do not collide again
        raise EditConflictError("other edits kept coming in between; nothing was published. Try again")

    def act(self, action: str, contract: str, starting_ms: int, recorded_ms: int, author: str = "") -> Published:
        """Publish `void`, `regenerate` or `finalize` of the contract's usage invoice of the period that starts then. Raises DocumentError."""
        for _ in range(ATTEMPTS):
            producer = self._producer or self._begin()
            known = self._log.catch_up().contracts.get(contract)
            if known is None:
                raise DocumentError([f"{action}: there is no contract {contract!r}"])
            name = uuid.uuid4().hex
            value = {
                "kind": "action",
                "id": contract,
                "version": known.version,
                "customer": known.contract.customer,
                "root": known.root,
                "recorded_at": recorded_ms,
                "effective_at": None,
                "author": author,
                "edit": name,
                "body": msgspec.json.encode({"action": action, "contract": contract, "starting_at": starting_ms}).decode(),
            }
            try:
                return self._commit(producer, [Change(partition_of(known.root, self._log.partitions), known.root, value)], name)
            except KafkaException as error:
                self._producer = None
                if not overtaken(error.args[0]):
                    raise
        raise EditConflictError("other edits kept coming in between; nothing was published. Try again")

    def close(self) -> None:
        self._producer = None  # its threads end with it
        self._log.close()

    def _begin(self) -> Producer:
        """A producer that has ended whatever another publisher had under way."""
        producer = overtaking(self._bootstrap, TRANSACTIONAL_ID)
        self._producer = producer
        return producer

    def _commit(self, producer: Producer, changes: Sequence[Change], name: str, beside: Sequence[Beside] = ()) -> Published:
        try:
            return self._transaction(producer, changes, name, beside)
        except SystemError as error:
            # The client sets a fatal error (another publisher has begun) while it calls our code, which then fails like this.
            if isinstance(error.__cause__, KafkaException):
                raise error.__cause__ from None
            raise

    def _transaction(self, producer: Producer, changes: Sequence[Change], name: str, beside: Sequence[Beside]) -> Published:
        reached: dict[tuple[str, int], int] = {}
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: Any) -> None:
            if error is not None:
                failed.append(error)
            else:
                place = (message.topic(), message.partition())
                reached[place] = max(reached.get(place, 0), message.offset() + 1)

        producer.begin_transaction()
        for change in changes:
            value = self._codec.encode("contract_change", change.value)
            producer.produce(CONTRACT_CHANGES.name, value, change.key, change.partition, on_delivery=delivered)
        for record in beside:
            producer.produce(record.topic, record.value, record.key, on_delivery=delivered)
        producer.flush(TIMEOUT_S)
        if failed:
            raise KafkaException(failed[0])
        producer.commit_transaction(TIMEOUT_S)
        # The broker answers a moment before readers see the records; an event that is sent after `publish` must find them.
        offsets = {partition: offset for (topic, partition), offset in reached.items() if topic == CONTRACT_CHANGES.name}
        self._log.read_to(offsets)
        versions = {(each.value["kind"], each.value["id"]): each.value["version"] for each in changes if each.value["kind"] != "move"}
        elsewhere = {place: offset for place, offset in reached.items() if place[0] != CONTRACT_CHANGES.name}
        return Published(name, versions, offsets, elsewhere)


def _versions(edit: Edit, present: Documents) -> dict[str, int]:
    """Present versions of what the edit is about; `catalogue:` stands before the id of a catalogue, which may equal that of a contract."""
    found = {}
    for catalogue in edit.catalogues:
        held = present.catalogues.get(catalogue.id)
        found[f"catalogue:{catalogue.id}"] = held.version if held else 0
    for contract in edit.contracts:
        known = present.contracts.get(contract.id)
        found[contract.id] = known.version if known else 0
    return found


def _check_versions(based_on: Mapping[str, int], now: Mapping[str, int]) -> None:
    for name, version in sorted(now.items()):
        if based_on.get(name, version) != version:
            raise EditConflictError(
                f"{name}: version {version} arrived in between (this edit was made on version {based_on[name]}); nothing was published."
                " Look at the present version and apply again"
            )


def overtaken(error: KafkaError) -> bool:
    """Another publisher has begun since: Kafka has fenced this one off."""
    return error.code() in {
        KafkaError._FENCED,  # noqa: SLF001 - the client has no other name for it
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
        KafkaError.CONCURRENT_TRANSACTIONS,
        KafkaError.INVALID_TXN_STATE,
        # A broker that is just fencing this producer off says that it does not know what happened (seen with 4.3). If the transaction has
        # been committed all the same, the next attempt finds its versions and reports a conflict: nothing is written twice.
        KafkaError.UNKNOWN,
    }
