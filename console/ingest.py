"""Usage events over HTTP: on the log, acknowledged by Kafka, before the caller hears of it.

One thread owns the producer. It takes whatever requests are waiting, sends their events and flushes once for all of them, so many small requests
cost one round trip. An event that does not fit refuses its request before any of it is sent; when Kafka does not take them, all requests of
that turn fail and may be sent again: METER counts each transaction id once.
"""

import asyncio
import queue
import threading
from collections.abc import Sequence
from typing import Final, NamedTuple

from console.errors import InvalidError, UnavailableError
from contracts.instants import instant_ms
from contracts.translation.fields import Wrong
from pipelines.ingest.producer import DeliveryError, InvalidEventError, UsageProducer

MOST_WAITING: Final = 2_000
MOST_AT_ONCE: Final = 200
FLUSH_S: Final = 30.0


class Event(NamedTuple):
    transaction_id: str
    customer: str
    event_type: str
    timestamp_ms: int
    properties: dict[str, str]
    recorded_ms: int | None = None


class _Waiting(NamedTuple):
    events: Sequence[Event]
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[None]"


class Ingest:
    """Sends the events of many requests. Start it once; `close` sends what waits."""

    def __init__(self, kafka: str, schema_registry: str | None = None) -> None:
        self._producer = UsageProducer(kafka, schema_registry=schema_registry)
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
        self._thread.start()

    async def send(self, events: Sequence[Event]) -> None:
        """Return when Kafka has acknowledged all of them. Raises UnavailableError (none, some or all may have arrived: send them again)."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        try:
            self._waiting.put_nowait(_Waiting(events, loop, done))
        except queue.Full:
            raise UnavailableError(Wrong("", "too many requests are waiting for Kafka; send these events again in a moment")) from None
        await done

    def close(self) -> None:
        self._waiting.put(None)
        self._thread.join(FLUSH_S)

    def _run(self) -> None:
        going = True
        while going:
            turn = [self._waiting.get()]
            while len(turn) < MOST_AT_ONCE and not self._waiting.empty():
                turn.append(self._waiting.get_nowait())
            going = None not in turn
            self._turn([each for each in turn if each is not None])

    def _turn(self, turn: Sequence[_Waiting]) -> None:
        sent = []
        for waiting in turn:
            try:
                for event in waiting.events:
                    self._producer.send(
                        event.transaction_id, event.customer, event.event_type, event.timestamp_ms, event.properties, recorded_at=event.recorded_ms
                    )
            except InvalidEventError as error:
                _answer(waiting, InvalidError(Wrong("", str(error))))
            except DeliveryError as error:
                _answer(waiting, UnavailableError(Wrong("", str(error))))
            else:
                sent.append(waiting)
        try:
            self._producer.flush(FLUSH_S)
        except DeliveryError as error:
            for waiting in sent:
                _answer(waiting, UnavailableError(Wrong("", str(error))))
        else:
            for waiting in sent:
                _answer(waiting, None)


def _answer(waiting: _Waiting, error: Exception | None) -> None:
    def tell() -> None:
        if not waiting.done.done():  # the caller may have hung up
            if error is None:
                waiting.done.set_result(None)
            else:
                waiting.done.set_exception(error)

    waiting.loop.call_soon_threadsafe(tell)


def timestamp_ms(text: str, field: str) -> int:
    """Milliseconds of an event's RFC 3339 time. Raises InvalidError."""
    try:
        if len(text) < 16:
            raise ValueError(text)
        return instant_ms(text)
    except (ValueError, OverflowError):
        raise InvalidError(Wrong(field, f"must be RFC 3339 with an offset, such as 2025-10-15T12:00:00Z, not {text!r}")) from None
