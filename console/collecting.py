"""When garbage is looked for.

A look through everything takes a tenth of a second where a hundred pages are open, and several times as long on a full machine; nobody is answered
meanwhile. What closed pages leave is freed without it (`console/pages/parts/closing.py`), but for a little that refers to itself, so it can wait
for a calm moment, or for minutes when there is none. What is young is looked through as it comes, in small portions.
"""

import gc
import time
from typing import Final

YOUNG: Final = (3_000, 2, 1_000_000)
"""Thresholds of the collector: it never looks through everything by itself."""
SELDOM_S: Final = 30.0
"""Looks through everything are so far apart."""
LATEST_S: Final = 600.0
"""And not farther, calm or not."""
CALM: Final = 0.05
"""Of a core, for the whole process: with so little to do nobody waits."""


class Collector:
    """Of the process, asked by a thread beside its loop."""

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()  # what is there now stays: it need not be looked at again
        gc.set_threshold(*YOUNG)
        self._last = self._seen = time.monotonic()
        self._used = time.process_time()

    def look(self) -> bool:
        """Look through everything if it is time; whether it did. To be called every now and then."""
        now, used = time.monotonic(), time.process_time()
        calm = used - self._used < CALM * (now - self._seen)
        self._seen, self._used = now, used
        if now - self._last < (SELDOM_S if calm else LATEST_S):
            return False
        gc.collect()
        self._last = time.monotonic()
        return True
