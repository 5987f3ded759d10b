"""Connections that are ready for the next request like the last.

To open a connection and tell it the database and the settings of a request costs more than a small question does, and programs ask with the same ones
again and again. A connection comes back only when nothing of what ran on it is left: a statement that reads, or rows that were inserted.
"""

import threading
from collections.abc import Hashable

from pipelines.local.warehouse_engine import Connection


class Ready:
    """For many threads. What was not asked for longest is closed first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._idle: list[tuple[Hashable, Connection]] = []
        """The one that waits longest first."""
        self._closed = False
        self._lock = threading.Lock()

    def take(self, prepared: Hashable) -> Connection | None:
        """A connection that was prepared so, which nobody else has from now on; none: there is none."""
        with self._lock:
            place = next((place for place in reversed(range(len(self._idle))) if self._idle[place][0] == prepared), None)
            return None if place is None else self._idle.pop(place)[1]

    def give(self, prepared: Hashable, connection: Connection) -> None:
        """It is as it was when it was prepared."""
        with self._lock:
            self._idle.append((prepared, connection))
            over = self._idle.pop(0)[1] if self._closed or len(self._idle) > self._most else None
        if over is not None:
            over.close()

    def close(self) -> None:
        """Of all, and of whatever comes back later."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()
