"""Records of rejected-events: a bad message with its reason, as it was and as far as it can be read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from pipelines.metering.decode import Bad
from schemas.codec import Codec

if TYPE_CHECKING:
    from pipelines.metering.messages import Messages

SHOWN: Final = 1000
"""So much of a bad event's key and ids is repeated in its reject."""


def rejects(codec: Codec, topic: str, messages: "Messages", bad: Sequence[Bad]) -> list[tuple[int, bytes]]:
    """(partition, value) of the records for what is bad in a batch of `topic`, in its order."""
    return [(int(messages.partitions[each.position]), codec.encode("rejected_event", _reject(codec, topic, messages, each))) for each in sorted(bad)]


def readable(codec: Codec, value: bytes | None) -> dict[str, Any]:
    """The event as far as it can be read."""
    try:
        return codec.decode("usage_event", value or b"")
    except ValueError:
        return {}


def _reject(codec: Codec, topic: str, messages: "Messages", bad: Bad) -> dict[str, Any]:
    position, reason, detail = bad
    value, key = messages.values[position], messages.keys[position]
    event = readable(codec, value)
    return {
        "topic": topic,
        "partition": int(messages.partitions[position]),
        "offset": int(messages.offsets[position]),
        "recorded_at": int(messages.recorded_ms[position]),
        "reason": reason,
        "detail": detail[:SHOWN],
        "transaction_id": _shown(event.get("transaction_id")),
        "customer": _shown(event.get("customer")),
        "key": None if key is None else key[:SHOWN],
        "value": None if reason == "too_large" else value,
    }


def _shown(text: str | None) -> str | None:
    return None if text is None else text[:SHOWN]
