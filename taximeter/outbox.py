"""Sends usage events that already have their time of arrival: cases, the demo, tests. Services use `taximeter.UsageProducer`."""

from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from pipelines.reach import reach
from pipelines.topology import PARTITIONER, USAGE_EVENTS
from schemas.codec import Codec

FLUSH_S: Final = 60.0


class Outbox:
    """An idempotent producer to usage-events, in the order of the calls within a partition. Not thread safe."""

    def __init__(self, bootstrap: str, codec: Codec) -> None:
        self._codec = codec
        self._failed: list[KafkaError] = []
        self._offsets: dict[int, int] = {}
        self._producer = Producer(
            {
                **reach(bootstrap),
                "partitioner": PARTITIONER,
                "enable.idempotence": True,
                "linger.ms": 5,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 500_000,
                "log_level": 2,
            }
        )

    @property
    def producer(self) -> Producer:
        return self._producer

    def send(
        self, transaction_id: str, customer: str, event_type: str, timestamp_ms: int, recorded_ms: int, properties: Mapping[str, str]
    ) -> None:
        """Queue one event that arrives at `recorded_ms`; waits while the queue is full. Raises KafkaException, ValueError, TypeError."""
        value = {
            "transaction_id": transaction_id,
            "customer": customer,
            "event_type": event_type,
            "timestamp": timestamp_ms,
            "properties": properties,
        }
        self.send_bytes(transaction_id, self._codec.encode("usage_event", value), recorded_ms)

    def send_bytes(self, transaction_id: str, value: bytes, recorded_ms: int) -> None:
        """As `send`, for a value that is encoded already (or that is meant to be none)."""
        while True:
            try:
                self._producer.produce(USAGE_EVENTS.name, value, transaction_id, timestamp=recorded_ms, on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def flush(self) -> dict[int, int]:
        """Wait until all is on the log; the offset behind the last event by partition. Raises KafkaException."""
        left = self._producer.flush(FLUSH_S)
        if self._failed:
            raise KafkaException(self._failed[0])
        if left:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - the client has no other name for it
        return self._offsets

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._failed.append(error)
        else:
            partition, offset = message.partition(), message.offset() + 1
            if self._offsets.get(partition, 0) < offset:
                self._offsets[partition] = offset
