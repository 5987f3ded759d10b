"""The SDK for services that report usage: `from taximeter import UsageProducer`.

Errors
UsageError              base
 ├─ InvalidEventError    the event cannot be sent as it is; nothing was queued
 └─ DeliveryError        Kafka did not take events that were queued
"""

import time
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from pipelines.reach import reach
from pipelines.topology import PARTITIONER, USAGE_EVENTS
from schemas.codec import EVENT_BYTES, ID_BYTES, Codec

PropertyValue = str | int | bool | Decimal
DELIVERY_S: Final = 120.0


class UsageError(Exception):
    """Base of what can go wrong when usage is reported."""


class InvalidEventError(UsageError):
    """The event cannot be sent as it is; the message names the field and says what it must be."""


class DeliveryError(UsageError):
    """Kafka did not take `count` events in time. Send them again under the same transaction ids: none will count twice."""

    def __init__(self, count: int, reason: str) -> None:
        super().__init__(f"{count} usage events were not delivered: {reason}; send them again under the same transaction_id, none will count twice")
        self.count = count


class UsageProducer:
    """Sends usage events to Kafka, in the background and at least once; METER counts each transaction id once.

    kafka: bootstrap servers, `host:port,…`. buffer: events that may wait in memory; `send` blocks while it is full.
    Not thread safe for `send`; use one a thread, or a lock. As a context manager it flushes at the end.
    """

    def __init__(self, kafka: str, *, schema_registry: str | None = None, buffer: int = 100_000, topic: str = USAGE_EVENTS.name) -> None:
        self._codec = Codec.at(schema_registry)
        self._topic = topic
        self._failures = 0
        self._reason = ""
        self._trouble = ""
        self._producer = Producer(
            {
                **reach(kafka),
                "client.id": "taximeter-usage",
                "enable.idempotence": True,
                "partitioner": PARTITIONER,
                "compression.type": "lz4",
                "linger.ms": 5,
                "queue.buffering.max.messages": buffer,
                "message.timeout.ms": int(DELIVERY_S * 1000),
                "delivery.report.only.error": True,
                "log_level": 2,
            },
            on_delivery=self._undelivered,
            error_cb=self._complained,
        )

    def send(
        self,
        transaction_id: str,
        customer: str,
        event_type: str,
        timestamp: datetime | int,
        properties: Mapping[str, PropertyValue] | None = None,
        *,
        recorded_at: datetime | int | None = None,
    ) -> None:
        """Queue one event; returns at once unless the buffer is full.

        transaction_id: unique for ever, the same when the event is sent again. timestamp: when it happened; an aware datetime or UTC milliseconds.
        properties: numbers as int, Decimal or decimal text, never float. recorded_at: when it arrived, for playing history; now if left out.
        Raises InvalidEventError; DeliveryError when the buffer stays full because Kafka takes nothing.
        """
        for name, value in (("transaction_id", transaction_id), ("customer", customer), ("event_type", event_type)):
            if not isinstance(value, str) or not value:  # type: ignore[redundant-expr]  # callers need not have types
                raise InvalidEventError(f"{name} must be text that is not empty, not {value!r}")
            if len(value) * 4 > ID_BYTES and len(value.encode(errors="replace")) > ID_BYTES:
                raise InvalidEventError(f"{name} may have {ID_BYTES} bytes, not {len(value)} characters: {value[:40]!r}…")
        event = {
            "transaction_id": transaction_id,
            "customer": customer,
            "event_type": event_type,
            "timestamp": milliseconds("timestamp", timestamp),
            "properties": {key: property_text(key, value) for key, value in (properties or {}).items()},
        }
        recorded_ms = 0 if recorded_at is None else milliseconds("recorded_at", recorded_at)
        try:
            body = self._codec.encode("usage_event", event)
        except (ValueError, TypeError, OverflowError) as error:
            raise InvalidEventError(f"the event {transaction_id!r} does not fit the schema: {error}") from error
        if len(body) > EVENT_BYTES:
            raise InvalidEventError(f"the event {transaction_id!r} has {len(body)} bytes; {EVENT_BYTES} are allowed")
        self._queue(transaction_id, body, recorded_ms)

    def _queue(self, key: str, body: bytes, recorded_ms: int) -> None:
        until = time.monotonic() + DELIVERY_S
        while True:
            try:
                self._producer.produce(self._topic, body, key, timestamp=recorded_ms)
            except BufferError:
                self._producer.poll(0.1)
                if time.monotonic() > until:
                    raise DeliveryError(len(self._producer), self._trouble or "the buffer stays full") from None
            except KafkaException as error:
                raise InvalidEventError(f"the event {key!r} was refused: {error.args[0].str()}") from error
            else:
                self._producer.poll(0)
                return

    def flush(self, timeout_s: float = DELIVERY_S) -> None:
        """Wait until Kafka has acknowledged all that was sent. Raises DeliveryError with the number that it did not."""
        waiting = self._producer.flush(timeout_s)
        failures, self._failures = self._failures, 0
        if failures or waiting:
            raise DeliveryError(failures + waiting, self._reason or self._trouble or f"no answer within {timeout_s:.0f} s")

    def __len__(self) -> int:
        """Events that Kafka has not acknowledged yet."""
        return len(self._producer)

    def __enter__(self) -> "UsageProducer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.flush()
        else:
            self._producer.flush(5)

    def _undelivered(self, error: KafkaError | None, _message: Any) -> None:
        if error is not None:
            self._failures += 1
            self._reason = error.str()

    def _complained(self, error: KafkaError) -> None:
        self._trouble = error.str()


def milliseconds(name: str, when: datetime | int) -> int:
    """UTC milliseconds. Raises InvalidEventError."""
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise InvalidEventError(f"{name} must have a time zone: {when.isoformat()} could be any; use datetime(…, tzinfo=UTC)")
        seconds = int(when.replace(microsecond=0).timestamp())
        return seconds * 1000 + when.microsecond // 1000
    if isinstance(when, int) and not isinstance(when, bool):  # type: ignore[redundant-expr]  # as above
        return when
    raise InvalidEventError(f"{name} must be an aware datetime or UTC milliseconds, not {when!r}")


def property_text(key: str, value: PropertyValue) -> str:
    """The text of a property's value on the wire. Raises InvalidEventError."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite():  # type: ignore[redundant-expr]  # as above
        return f"{value:f}"
    raise InvalidEventError(f"property {key!r} must be text, int, bool or a finite Decimal, not {value!r}: usage is billed exactly, so no floats")
