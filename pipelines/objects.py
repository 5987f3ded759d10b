"""What is kept beside the documents and decides no amount: names and ids of API clients, hashed API keys, webhooks.

All of it is on the compacted topic `objects`; whoever needs it reads the topic to its end and keeps the newest of each key in memory. There is
no private database: a new process knows everything that an old one knew.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from pipelines.following import Follower
from pipelines.topology import OBJECTS
from schemas.codec import Codec


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

    def everything(self) -> list[Object]:
        return [found for kept in self._kept.values() for found in kept.values()]

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
    """Follows the topic on all partitions. Not thread safe."""

    def __init__(self, bootstrap: str, codec: Codec) -> None:
        self.objects = Objects()
        self._codec = codec
        self._follower = Follower(bootstrap, OBJECTS.name, self._take)

    def catch_up(self) -> Objects:
        """The objects as of now: everything that was visible before the call is in. Raises KafkaException."""
        self._follower.catch_up()
        return self.objects

    def read_to(self, ends: Mapping[int, int]) -> Objects:
        """The objects when everything before these offsets (by partition) has become visible."""
        self._follower.read_to(ends)
        return self.objects

    def close(self) -> None:
        self._follower.close()

    def _take(self, message: Any) -> None:
        if message.value() is None:
            return
        value = self._codec.decode("object", message.value())
        body = msgspec.json.decode(value["body"])
        self.objects.record(Object(value["kind"], value["id"], body, value["author"], value["recorded_at"], value["deleted"]))
