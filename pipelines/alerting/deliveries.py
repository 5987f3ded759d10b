"""The topic `webhook-deliveries`: the state of every message to every webhook, in the log and not in anybody's memory alone."""

from collections.abc import Iterable
from typing import Any

from pipelines.alerting.step import Delivery
from pipelines.following import Follower
from pipelines.topology import DELIVERIES
from schemas.codec import Codec


def encode(codec: Codec, delivery: Delivery) -> bytes:
    return codec.encode(
        "delivery",
        {
            "webhook": delivery.webhook,
            "message": delivery.message,
            "customer": delivery.customer,
            "sequence": delivery.sequence,
            "state": delivery.state,
            "attempts": delivery.attempts,
            "version": delivery.version,
            "created_at": delivery.created_ms,
            "due_at": delivery.due_ms,
            "changed_at": delivery.changed_ms,
            "result": delivery.result,
            "body": delivery.body,
        },
    )


def decode(codec: Codec, value: bytes) -> Delivery:
    """Raises CodecError."""
    found = codec.decode("delivery", value)
    return Delivery(
        found["webhook"],
        found["message"],
        found["customer"],
        found["sequence"],
        found["body"],
        found["created_at"],
        found["due_at"],
        found["changed_at"],
        found["state"],
        found["attempts"],
        found["version"],
        found["result"],
    )


class DeliveryLog:
    """The newest state of every delivery, of some partitions or all, and where it is. Not thread safe."""

    def __init__(self, bootstrap: str, codec: Codec, partitions: Iterable[int] | None = None, *, live: bool = False) -> None:
        """`live`: for who is going to `look`."""
        self.kept: dict[str, Delivery] = {}
        self.partition: dict[str, int] = {}
        self._codec = codec
        self._follower = Follower(bootstrap, DELIVERIES.name, self._take, partitions, live=live)

    def catch_up(self) -> dict[str, Delivery]:
        """All deliveries as of now, by key. Raises KafkaException."""
        self._follower.catch_up()
        return self.kept

    def look(self, wait_s: float) -> None:
        """Take what has come."""
        self._follower.look(wait_s)

    def record(self, delivery: Delivery, partition: int) -> None:
        """Take a state, unless a newer one is known."""
        known = self.kept.get(delivery.key)
        if known is not None and known.version >= delivery.version:
            return
        self.kept[delivery.key] = delivery
        self.partition[delivery.key] = partition

    def forget(self, key: str) -> None:
        self.kept.pop(key, None)
        self.partition.pop(key, None)

    def close(self) -> None:
        self._follower.close()

    def _take(self, message: Any) -> None:
        if message.value() is None:
            self.forget(message.key().decode())
        else:
            self.record(decode(self._codec, message.value()), message.partition())
