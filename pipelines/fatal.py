"""Noticing that a Kafka client is done for: fenced off by another with its name, mostly.

A consumer that was fenced off says so once, as the error of a message or only in librdkafka's log; then it lives on and never gives another
message. Whoever is told raises, ends, and is started again.
"""

import logging
from typing import Final

from confluent_kafka import KafkaError, KafkaException

DONE_FOR: Final = frozenset({KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID})  # noqa: SLF001 - the client has no other name for it
"""Codes of a message's error that end a consumer. (`fatal()` of such an error is false.)"""


class ClientLog(logging.Handler):
    """The log of one client: keeps its fatal word. Its other complaints are dropped; they come with every error that a call gives."""

    def __init__(self) -> None:
        super().__init__(logging.CRITICAL)
        self._fatal: str | None = None
        self.logger = logging.Logger("librdkafka", logging.CRITICAL)  # noqa: LOG001 - one for each client, known to nobody else
        """What a client takes as `logger`."""
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self._fatal = record.getMessage()

    def check(self) -> None:
        """Raises KafkaException (of `KafkaError._FATAL`) once the client is done for."""
        if self._fatal is not None:
            raise KafkaException(KafkaError(KafkaError._FATAL, self._fatal, fatal=True))  # noqa: SLF001 - the client has no other name for it
