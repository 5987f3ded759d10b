"""Waiting for what will come back: said once when it begins and once when it ends."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException

from schemas.registry import RegistryError

log = logging.getLogger("taximeter.meter")

FOR_EVER: Final = float("inf")
STOP_S: Final = 10.0
"""A stop waits so long for a broker that does not answer; the batch at hand is then left to the next start."""

_TRANSIENT: Final = frozenset(
    {
        KafkaError._TRANSPORT,  # noqa: SLF001 - the client's own names
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._WAIT_COORD,  # noqa: SLF001
        KafkaError._IN_PROGRESS,  # noqa: SLF001
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.CONCURRENT_TRANSACTIONS,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
    }
)


Result = TypeVar("Result")


class StoppedError(Exception):
    """The process was asked to stop while it waited."""


class Patience:
    """Tries calls until they succeed. `on_wait` is called about five times a second meanwhile, with what is waited for, and with none when it is over."""

    def __init__(self, on_wait: Callable[[str | None], None]) -> None:
        self._on_wait = on_wait
        self._waiting_for: str | None = None
        self._since = 0.0
        self.stopping_since: float | None = None
        self.calling_since: float | None = None
        """Since when the call at hand has not come back (monotonic seconds); none: no call is at hand."""

    def __call__(self, call: Callable[[], Result], most_s: float = FOR_EVER) -> Result:
        """What `call` returns once it does. Raises KafkaException for errors that another try cannot mend, or has not mended for `most_s`; StoppedError."""
        began = time.monotonic()
        while True:
            self.calling_since = time.monotonic()
            try:
                result = call()
            except KafkaException as error:
                kafka_error: Any = error.args[0]
                if not (kafka_error.retriable() or (kafka_error.code() in _TRANSIENT and not kafka_error.txn_requires_abort())):
                    raise
                if time.monotonic() - began > most_s:
                    raise
                self.wait(kafka_error.str())
            except RegistryError as error:
                if not error.transient:
                    raise
                self.wait(str(error), "the schema registry")
            else:
                self.over()
                return result
            finally:
                self.calling_since = None

    @property
    def waiting(self) -> bool:
        """Whether something does not answer, as far as is known."""
        return self._waiting_for is not None

    def wait(self, reason: str, who: str = "Kafka") -> None:
        """A moment's rest because of `reason`."""
        self.calling_since = None
        if self._waiting_for is None:
            self._waiting_for = who
            self._since = time.monotonic()
            log.warning("%s does not answer (%s): waiting; nothing is lost, and it goes on by itself", who, reason)
        self._on_wait(reason)
        if self.stopping_since is not None and time.monotonic() - self.stopping_since > STOP_S:
            raise StoppedError
        time.sleep(0.2)

    def over(self) -> None:
        """What was waited for has come."""
        if self._waiting_for is not None:
            log.warning("%s answers again after %.0f s: going on", self._waiting_for, time.monotonic() - self._since)
            self._waiting_for = None
            self._on_wait(None)
