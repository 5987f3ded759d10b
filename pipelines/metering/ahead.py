"""The next batch, fetched on a thread of its own while this one is metered.

A Kafka client takes one call at a time, so that thread alone calls it while it fetches; between two fetches anybody may. Rebalances happen
inside a fetch. Before a partition is given away, what was fetched of it has to end: the worker is told through the inbox where it waits for
the batch, and the fetch goes on when the worker has answered.
"""

import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from pipelines.metering.source import Fetched, Source

GATHER: Final = 2
MOST_LINGER_S: Final = 0.08


class Ahead:
    """Fetches one batch ahead. For one thread."""

    def __init__(self, source: Source, most: int, linger_s: float) -> None:
        self._source = source
        self._most = most
        self._least_s = self._linger_s = linger_s
        self._thread = ThreadPoolExecutor(1, "meter-fetch")
        self._wanted = threading.Event()
        self._inbox: queue.SimpleQueue[Future[Fetched] | threading.Event] = queue.SimpleQueue()
        """The fetch that has ended; or a partition is to leave, and the event says that it may."""
        self._fetching = False
        source.before_leaving = self._leave

    def begin(self, idle_s: float) -> None:
        """Fetch, until the batch is wanted; `idle_s`: how long for a first event. Nobody else may use the source from here to `take`."""
        if not self._fetching:
            self._fetching = True
            self._wanted.clear()
            self._thread.submit(self._source.fetch, self._most, self._linger_s, idle_s, self._wanted).add_done_callback(self._inbox.put)

    def gather(self, took_s: float) -> None:
        """A batch takes so long now, to work on or to commit: the next is gathered for some times as long, since much of what one costs it costs whatever it holds."""
        self._linger_s = max(self._least_s, min(GATHER * took_s, MOST_LINGER_S))

    def take(self, settle: Callable[[], None]) -> Fetched:
        """The batch that `begin` began. `settle` ends what was taken before; it is called when a partition leaves. Raises what the fetch does."""
        self._wanted.set()
        while isinstance(came := self._inbox.get(), threading.Event):
            try:
                settle()
            finally:
                came.set()
        self._fetching = False
        return came.result()

    def close(self) -> None:
        """End the fetch under way and drop what it has: it is read again."""
        if self._fetching:
            with contextlib.suppress(Exception):
                self.take(_nothing)
        self._thread.shutdown()
        self._source.before_leaving = _nothing

    def _leave(self) -> None:
        may = threading.Event()
        self._inbox.put(may)
        may.wait()


def _nothing() -> None:
    """All has ended."""
