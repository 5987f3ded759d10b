"""Keeping one process running: started again when it ends, sooner after a long life than after a short one, and said once."""

from collections.abc import Callable
from typing import Final

from pipelines.local.child import Child

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 15.0
CALM_S: Final = 30.0
"""Whoever has run so long is not failing at its start."""
TRIES: Final = 3
"""So many ends at the start are no accident."""
LINES: Final = 2
TOLD: Final = 400
"""So many of a process's last lines are repeated, and so many characters of each."""


class Kept:
    """A child that is kept running. Not thread safe; all times are of one monotonic clock, in seconds."""

    def __init__(self, child: Child, words: Callable[[], str] | None = None) -> None:
        self.child = child
        self.failures = 0
        """Ends in a row, each soon after its start and before it was ready."""
        self.restarts = 0
        self.error: str | None = None
        """Why it is down, or was last; none once it has calmed down."""
        self.ready = False
        """Whoever watches it sets this; it falls at every start."""
        self.started = 0.0
        self._words = words or child.told
        self._down = True
        self._due = 0.0
        self._said: str | None = None

    @property
    def name(self) -> str:
        return self.child.name

    def start(self, now: float) -> None:
        """Raises OSError."""
        self.child.start()
        self.started, self._down, self.ready = now, False, False

    def look(self, now: float, *, room: bool) -> str | None:
        """Start it again when it is time to and there is `room` on the disk; gives what is worth saying."""
        if self.child.running():
            if self.failures and self.ready and now - self.started > CALM_S:
                self.failures, self.error, self._said = 0, None, None
            return None
        if not self._down:
            return self._ended(now)
        if room and now >= self._due:
            self.start(now)
            self.restarts += 1
        return None

    def _ended(self, now: float) -> str | None:
        lived_s = now - self.started
        self.failures = 1 if self.ready or lived_s > CALM_S else self.failures + 1
        self._down, self.ready = True, False
        pause_s = min(FIRST_PAUSE_S * 2 ** (self.failures - 1), LONGEST_PAUSE_S)
        self._due = now + pause_s
        how = self.child.ended()
        self.error = f"{how}: {_short(self._words())}" if self.child.returncode else how
        if self.failures < TRIES:
            return f"{self.name} {how} after {lived_s:.0f} s: starting it again"
        if self._said == self.error:
            return None
        self._said = self.error
        return f"{self.name} can not start: {self.error}\n    trying again, at last every {LONGEST_PAUSE_S:.0f} s; its log is {self.child.log}"


def _short(words: str) -> str:
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return " | ".join(line[:TOLD] for line in lines[-LINES:]) or "it said nothing"
