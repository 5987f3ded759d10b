"""The wall clock's ticker: `python -m pipelines.clockwork`. Once a second it writes the time to every partition of the clock topic.

The log decides what time it is, so a tick that is lost or late, or a second ticker, changes nothing but how soon time is noticed.
"""

import logging
import signal
import sys
import threading
import time
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from pipelines.clock import WALL
from pipelines.health import Health
from pipelines.monitoring import metrics
from pipelines.monitoring.logs import log_to_stderr
from pipelines.reach import reach
from pipelines.settings import Settings
from pipelines.topology import CLOCK
from schemas.codec import Codec

log = logging.getLogger("taximeter.clock")

TICK_S: Final = 1.0
REQUEST_S: Final = 5.0
TICK_LIVES_MS: Final = 5_000
"""A tick that could not be sent by then is old; newer ones wait behind it."""
STOP_S: Final = 2.0

_SILENT: Final = logging.getLogger("taximeter.clock.client")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class Ticker:
    """Ticks until `stop`. Not thread safe but for `stop`."""

    def __init__(self, settings: Settings) -> None:
        if settings.kafka is None:
            raise ValueError("the clock needs the address of Kafka: set TAXIMETER_KAFKA to host:port (`taximeter up` does)")
        self._codec = Codec.at(settings.schema_registry)
        self._health = Health(settings, "clock")
        self._stop = threading.Event()
        self._last = time.time()
        self._trouble: str | None = None
        self._producer = Producer(
            {
                **reach(settings.kafka),
                "client.id": "clock",
                "enable.idempotence": True,
                "message.timeout.ms": TICK_LIVES_MS,
                "linger.ms": 0,
                "allow.auto.create.topics": False,
            },
            logger=_SILENT,
        )

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        """Tick on the whole second until `stop`; waits for a broker that does not answer, and says so once."""
        partitions: list[int] = []
        with self._health:
            while not self._stop.wait(TICK_S - time.time() % TICK_S):
                try:
                    partitions = partitions or self._partitions()
                    self._tick(partitions)
                except KafkaException as error:
                    self._troubled(error.args[0].str())
                self._health.report("waiting" if self._trouble else "running", waiting_for=self._trouble, last_progress_at=self._last)
            self._producer.flush(STOP_S)

    def _partitions(self) -> list[int]:
        topic = self._producer.list_topics(CLOCK.name, timeout=REQUEST_S).topics[CLOCK.name]
        if topic.error is not None:
            raise KafkaException(topic.error)
        return sorted(topic.partitions)

    def _tick(self, partitions: list[int]) -> None:
        sent_at = time.time()
        value = self._codec.encode("clock_tick", {"clock": WALL, "now": int(sent_at * 1000)})
        delivered = partial(self._delivered, sent_at)
        for partition in partitions:
            self._producer.produce(CLOCK.name, value, WALL, partition, on_delivery=delivered)
        self._producer.poll(0)

    def _delivered(self, sent_at: float, error: KafkaError | None, _message: Any) -> None:
        if error is not None:
            if sent_at > self._last:  # an older one that is given up tells nothing new
                self._troubled(error.str())
            return
        metrics.TICKS.inc()
        self._last = max(self._last, sent_at)
        if self._trouble is not None:
            log.warning("Kafka answers again: ticking")
            self._trouble = None

    def _troubled(self, reason: str) -> None:
        if self._trouble is None:
            log.warning("Kafka does not take ticks (%s): waiting; it goes on by itself", reason)
        self._trouble = reason


def main() -> int:
    settings = Settings()
    log_to_stderr(settings, "clock")
    ticker = Ticker(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ticker.stop())
    ticker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
