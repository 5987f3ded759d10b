"""Sending rejected events again: as they were, or mended; with the time at which they arrived first."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, Message, Producer

from console.errors import UnavailableError, invalid
from contracts.translation.fields import Wrong
from pipelines.reach import reach
from pipelines.topology import PARTITIONER, USAGE_EVENTS
from pipelines.warehouse.reads import RejectedEvent
from schemas.codec import Codec, CodecError

FLUSH_S: Final = 30.0


def event_of(codec: Codec, rejected: RejectedEvent) -> dict[str, Any] | None:
    """The event as far as it can be read."""
    try:
        return codec.decode("usage_event", rejected.value or b"")
    except CodecError:
        return None


def resend(kafka: str, codec: Codec, events: Sequence[RejectedEvent], mended: Mapping[tuple[int, int], Mapping[str, Any]]) -> int:
    """Send them and give their number; `mended` has events by partition and offset of the reject they mend. Raises ApiError, and none was sent."""
    records = []
    for event in events:
        key, value = event.key, event.value
        mend = mended.get((event.partition, event.offset))
        if mend is not None:
            try:
                value = codec.encode("usage_event", {"properties": {}, **mend})
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise invalid("event", f"of partition {event.partition}, offset {event.offset} does not fit the schema: {error}") from error
            key = str(mend["transaction_id"]).encode()
        records.append((key, value, event.recorded_ms))
    producer = Producer({**reach(kafka), "partitioner": PARTITIONER, "enable.idempotence": True})
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    for key, value, recorded_ms in records:
        producer.produce(USAGE_EVENTS.name, value, key, timestamp=recorded_ms, on_delivery=delivered)
        producer.poll(0)
    left = producer.flush(FLUSH_S)
    if left or failed:
        raise UnavailableError(Wrong("", f"{left + len(failed)} of {len(records)} events were not taken by Kafka; send them again, none will count twice"))
    return len(records)
