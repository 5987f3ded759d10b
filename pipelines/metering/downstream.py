"""How far RATE is behind METER, while the past is metered: what METER writes of the past stands in RATE's line before live usage.

Asks the broker on a thread of its own, and only as long as somebody wants to know.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from confluent_kafka import KafkaException

from pipelines.offsets import Committed
from pipelines.topology import METERED_USAGE, RATE_GROUP

log = logging.getLogger("taximeter.meter")

LOOK_S: Final = 0.1
STOP_S: Final = 1.0
WANTED_S: Final = 5.0
"""So long after the last question it is looked at."""


class Downstream:
    """RATE as METER sees it. `lag_s` does not wait; for one thread."""

    def __init__(self, bootstrap: str, written: Callable[[], Mapping[int, int]]) -> None:
        """`written`: offsets behind what METER has committed to metered-usage, by partition."""
        self._bootstrap = bootstrap
        self._written = written
        self._asked = 0.0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._lag_s = 0.0
        self._since: float | None = None

    def lag_s(self) -> float:
        """So many seconds RATE takes, or has taken so far, for what METER has written. 0 while it is not known, and while nobody has ever rated."""
        self._asked = time.monotonic()
        if self._thread is None or not self._thread.is_alive():
            self._lag_s, self._since = 0.0, None
            self._thread = threading.Thread(target=self._run, name="meter-downstream", daemon=True)
            self._thread.start()
        since = self._since
        return self._lag_s if since is None else max(self._lag_s, time.monotonic() - since)

    def close(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def _run(self) -> None:
        committed = Committed(self._bootstrap)
        try:
            while time.monotonic() - self._asked < WANTED_S and not self._ended.is_set():
                self._look(committed)
        except KafkaException as error:
            log.warning("how far RATE is behind is not known (%s): the past is metered at the pace of METER", error.args[0].str())
        finally:
            self._since = None
            committed.close()

    def _look(self, committed: Committed) -> None:
        """Until RATE has applied what is written now."""
        began, goal = time.monotonic(), {(METERED_USAGE.name, partition): end for partition, end in dict(self._written()).items()}
        while not self._ended.wait(LOOK_S) and time.monotonic() - self._asked < WANTED_S:
            found = committed.of(RATE_GROUP, goal)
            if not any(found.values()):
                began = time.monotonic()
            elif any(found[place] < end for place, end in goal.items()):
                self._since = began
                continue
            break
        self._lag_s, self._since = max(0.0, time.monotonic() - began - LOOK_S), None
