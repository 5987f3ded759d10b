"""Rejected usage events sent again: as they were, or mended; with the time at which they arrived first.

MendError       a mended event does not fit the schema; none was sent
UntakenError    Kafka did not take all of them; to send them again counts none twice
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, Message, Producer

from contracts.errors import TaximeterError
from pipelines.reach import reach
from pipelines.topology import PARTITIONER, USAGE_EVENTS
from pipelines.warehouse.reads import RejectedEvent
from schemas.codec import Codec, CodecError

FLUSH_S: Final = 60.0

Mended = Mapping[tuple[int, int], Mapping[str, Any]]
"""Events by partition and offset of the reject that they mend."""


class MendError(TaximeterError):
    """The message says which event, and what is wrong with it."""


class UntakenError(TaximeterError):
    """The message says how many."""


def event_of(codec: Codec, rejected: RejectedEvent) -> dict[str, Any] | None:
    """The event as far as it can be read."""
    try:
        return codec.decode("usage_event", rejected.value or b"")
    except CodecError:
        return None


def resend(kafka: str, codec: Codec, events: Sequence[RejectedEvent], mended: Mended) -> int:
    """Send them and give their number. Raises MendError, UntakenError."""
    records = []
    for event in events:
        key, value = event.key, event.value
        mend = mended.get((event.partition, event.offset))
        if mend is not None:
            try:
                value = codec.encode("usage_event", {"properties": {}, **mend})
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                place = f"partition {event.partition}, offset {event.offset}"
                raise MendError(f"the mended event of {place} does not fit the schema: {error}; nothing was sent") from error
            key = str(mend["transaction_id"]).encode()
        records.append((key, value, event.recorded_ms))
    producer = Producer({**reach(kafka), "partitioner": PARTITIONER, "enable.idempotence": True})
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    for key, value, recorded_ms in records:
        while True:
            try:
                producer.produce(USAGE_EVENTS.name, value, key, timestamp=recorded_ms, on_delivery=delivered)
                break
            except BufferError:  # more than the client holds at once
                producer.poll(0.1)
        producer.poll(0)
    left = producer.flush(FLUSH_S)
    if left or failed:
        why = failed[0] if failed else "no answer"
        raise UntakenError(f"{left + len(failed)} of {len(records)} events were not taken by Kafka ({why}): send them again, none will count twice")
    return len(records)
