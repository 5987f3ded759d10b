"""What is kept beside the documents and decides no amount: names and ids of API clients, hashed API keys, webhooks.

All of it is on the compacted topic `objects`; whoever needs it reads the topic to its end and keeps the newest of each key in memory. There is
no private database: a new process knows everything that an old one knew.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient

from pipelines import offsets
from pipelines.topology import OBJECTS
from schemas.codec import Codec

TIMEOUT_S: Final = 30.0


class Object(NamedTuple):
    """The newest version of something that is kept; `body` is a JSON object and belongs to whoever made the kind."""

    kind: str
    id: str
    body: Mapping[str, Any]
    author: str = ""
    recorded_ms: int = 0
    deleted: bool = False

    @property
    def key(self) -> str:
        """Key of its records on the topic."""
        return f"{self.kind}/{self.id}"


class Objects:
    """The newest object of each kind and id."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Object]] = {}
        self.changes = 0
        """Grows with every record."""

    def record(self, found: Object) -> None:
        """Take the next version of an object; records of one key come in the order of the log."""
        self.changes += 1
        of_kind = self._kept.setdefault(found.kind, {})
        if found.deleted:
            of_kind.pop(found.id, None)
        else:
            of_kind[found.id] = found

    def copy(self) -> "Objects":
        """The same, for a reader who looks while more is recorded."""
        same = Objects()
        same._kept, same.changes = {kind: dict(kept) for kind, kept in self._kept.items()}, self.changes
        return same

    def get(self, kind: str, name: str) -> Object | None:
        return self._kept.get(kind, {}).get(name)

    def body(self, kind: str, name: str) -> dict[str, Any]:
        """A copy of the body; empty where nothing is kept."""
        found = self.get(kind, name)
        return dict(found.body) if found else {}

    def of(self, kind: str) -> Iterator[Object]:
        """All of a kind, oldest id first as they were met."""
        return iter(list(self._kept.get(kind, {}).values()))


def encode(codec: Codec, found: Object, edit: str = "") -> bytes:
    """The value of an object's record. Amounts in a body are text or exact JSON numbers."""
    return codec.encode(
        "object",
        {
            "kind": found.kind,
            "id": found.id,
            "recorded_at": found.recorded_ms or time.time_ns() // 1_000_000,
            "author": found.author,
            "edit": edit,
            "deleted": found.deleted,
            "body": msgspec.json.encode(found.body).decode(),
        },
    )


class ObjectLog:
    """Follows the topic on all partitions, without a consumer group. Not thread safe."""

    def __init__(self, bootstrap: str, codec: Codec) -> None:
        self.objects = Objects()
        self._codec = codec
        self._admin = AdminClient({"bootstrap.servers": bootstrap})
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "taximeter-objects",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 20,
            }
        )
        partitions = self._consumer.list_topics(OBJECTS.name, timeout=TIMEOUT_S).topics[OBJECTS.name].partitions
        self.partitions = len(partitions)
        self._places = [(OBJECTS.name, number) for number in range(self.partitions)]
        self._reached = dict.fromkeys(range(self.partitions), 0)
        self._consumer.assign([TopicPartition(OBJECTS.name, number, OFFSET_BEGINNING) for number in range(self.partitions)])

    def catch_up(self) -> Objects:
        """The objects as of now: everything that was visible before the call is in. Raises KafkaException."""
        return self.read_to({partition: end for (_, partition), end in offsets.ends(self._admin, self._places).items()})

    def read_to(self, ends: Mapping[int, int]) -> Objects:
        """The objects when everything before these offsets (by partition) has become visible."""
        while any(self._reached[partition] < end for partition, end in ends.items()):
            for message in self._consumer.consume(1000, 0.02):
                self._take(message)
        return self.objects

    def close(self) -> None:
        self._consumer.close()

    def _take(self, message: Any) -> None:
        error = message.error()
        if error is None:
            self._reached[message.partition()] = message.offset() + 1
            if message.value() is None:
                return
            value = self._codec.decode("object", message.value())
            body = msgspec.json.decode(value["body"])
            self.objects.record(Object(value["kind"], value["id"], body, value["author"], value["recorded_at"], value["deleted"]))
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client has no other name for it
            self._reached[message.partition()] = message.offset()
