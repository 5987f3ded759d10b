"""When the past takes its turn, and how much of it at a time.

Who counts it goes after everybody else, so live events do not wait for that; but what METER writes of the past stands before live usage in RATE's line.
So the past rests between slices, the longer the further RATE is behind. An explicit bound of the generation comes on top.
Pure: whoever drives it tells the time (seconds, of any clock that does not go back).
"""

from typing import Final

LIVE_S: Final = 2.0
"""So long after the last live event they still come."""
BEHIND_S: Final = 1.5
"""RATE takes more than half a second for usage that nobody waits for, whether the past comes or not; when it takes longer than this the past waits for it."""
LOOK_S: Final = 0.5
"""The share of the time that the past has changes so often."""
LESS: Final = 0.6
MORE: Final = 0.1
LEAST_SHARE: Final = 0.1
"""The past goes on in any case, also while RATE is down."""
BURST_S: Final = 0.25
"""Under a bound, so much of a second may be made up for at once."""


class Pace:
    """`bound` and `live` are for the thread of live events, all else is for the one that has the past counted."""

    def __init__(self, most: int) -> None:
        """`most`: events of a slice."""
        self._most = most
        self._live_s = float("-inf")
        self._bound: float | None = None
        self._owed_s = 0.0
        """Under a bound: until then what was taken is paid for."""
        self._share = 1.0
        """Of the time that is not live usage's."""
        self._looked_s = float("-inf")
        self._rested_s = float("-inf")
        """It rests until then."""

    def bound(self, per_second: float | None) -> None:
        """So many events a second at most; none or 0: no bound."""
        self._bound = per_second or None

    def live(self, now_s: float) -> None:
        """Live events have come."""
        self._live_s = now_s

    def behind(self, now_s: float, lag_s: float) -> None:
        """RATE takes so long for what METER writes."""
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            self._share = max(LEAST_SHARE, self._share * LESS) if lag_s > BEHIND_S else min(1.0, self._share + MORE)

    def rest_s(self, now_s: float) -> float:
        """How long the past waits from now on; 0: its turn is now."""
        rested_s = self._rested_s if self._comes(now_s) else float("-inf")
        return max(0.0, rested_s - now_s, self._owed_s - now_s if self._bound is not None else 0.0)

    def portion(self) -> int:
        """Events of the next slice."""
        bound = self._bound
        return self._most if bound is None else max(1, min(self._most, int(bound * BURST_S)))

    def took(self, now_s: float, events: int, seconds: float) -> None:
        """A slice is taken."""
        self._rested_s = now_s + seconds * (1 / self._share - 1)
        if (bound := self._bound) is not None:
            self._owed_s = max(self._owed_s, now_s - BURST_S) + events / bound

    def _comes(self, now_s: float) -> bool:
        return now_s - self._live_s < LIVE_S
