"""Whether the stages come through: how far each consumer group is behind, and since when it has not moved.

Asks the broker on a thread of its own, so that a broker which does not answer holds up nobody. A process that lives and does not commit is
stuck; its health file alone would not tell.
"""

import logging
import threading
import time
from collections.abc import Iterable
from typing import Final, NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from pipelines import offsets
from pipelines.local.stages import Group
from pipelines.offsets import Offsets, Place
from pipelines.reach import reach
from pipelines.silence import waiting
from pipelines.topology import CLOCK

LOOK_S: Final = 1.0
PEEK_AFTER_S: Final = 2.0

_SILENT: Final = logging.getLogger("taximeter.watch.client")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class Standing(NamedTuple):
    """How a group does."""

    lag: int
    """Records that wait, ticks aside."""
    moved_at: float | None
    """Epoch seconds of the last commit that was seen; none: none since the watch began."""
    stuck_since: float | None
    """Records wait in a partition where nothing was committed since then (monotonic seconds, which do not count a machine's sleep); none: in none."""

    def stuck(self, whole_s: float, partition_s: float, alive_s: float) -> bool:
        """Whether records have waited so long while nothing at all was committed, or nothing in their partition, by a process that lives for `alive_s`."""
        if self.stuck_since is None:
            return False
        waited_s = min(time.monotonic() - self.stuck_since, alive_s)
        return waited_s > partition_s or min(waited_s, time.time() - (self.moved_at or 0.0)) > whole_s


class Watch:
    """Looks every second from `start` to `stop`."""

    def __init__(self, bootstrap: str, groups: Iterable[Group]) -> None:
        self._bootstrap = bootstrap
        self._groups = list(groups)
        self._standings: dict[str, Standing] = {}
        self._committed: dict[str, Offsets] = {}
        self._moved: dict[str, float] = {}
        self._waits: dict[str, dict[Place, tuple[int, float]]] = {group: {} for group, _ in self._groups}
        """Where records wait: the committed offset, and since when it is that."""
        self._empty: dict[Place, tuple[int, int]] = {}
        """From the first offset up to the second there is no record: marks of transactions stand there."""
        self._holding: dict[Place, int] = {}
        """From this offset on there is a record: it stays, as long as nobody commits one behind it."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def stuck(self, groups: Iterable[Group], whole_s: float, partition_s: float, alive_s: float) -> bool:
        """Whether any of the groups is (`Standing.stuck`): one that stands still is not hidden by another that moves."""
        return any(self._standings[name].stuck(whole_s, partition_s, alive_s) for name, _ in groups if name in self._standings)

    def standing(self, groups: Iterable[Group]) -> Standing | None:
        """Of the groups together; none before the first look."""
        found = [self._standings[name] for name, _ in groups if name in self._standings]
        if not found:
            return None
        moved = [each.moved_at for each in found if each.moved_at is not None]
        stuck = [each.stuck_since for each in found if each.stuck_since is not None]
        return Standing(sum(each.lag for each in found), max(moved, default=None), min(stuck, default=None))

    def _run(self) -> None:
        admin = AdminClient(reach(self._bootstrap), logger=_SILENT)
        asked = offsets.Committed(self._bootstrap)
        while not self._stop.wait(LOOK_S):
            try:
                self._look(admin, asked)
            except KafkaException:
                # Time without a broker is nobody's fault: nothing has stood still meanwhile.
                self._waits = {group: {} for group in self._waits}
        asked.close()

    def _look(self, admin: AdminClient, asked: offsets.Committed) -> None:
        topics = admin.list_topics(timeout=offsets.REQUEST_S).topics
        names = {name for _, reads in self._groups for name in reads if name in topics}
        ends = offsets.ends(admin, [(name, number) for name in names for number in topics[name].partitions])
        for group, reads in self._groups:
            committed = asked.of(group, [place for place in ends if place[0] in reads])
            self._standings[group] = self._compare(group, committed, ends)

    def _compare(self, group: str, committed: Offsets, ends: Offsets) -> Standing:
        now = time.monotonic()
        before = self._committed.get(group)
        if before is not None and before != committed:
            self._moved[group] = time.time()
        self._committed[group] = committed
        lag, waits = 0, {}
        for place, offset in committed.items():
            behind = ends[place] - offset
            if behind <= 0:
                continue
            at, since = self._waits[group].get(place, (offset, now))
            since = since if at == offset else now
            if self._known_empty(place, offset, ends[place]) or (now - since > PEEK_AFTER_S and self._nothing_between(place, offset, ends[place])):
                continue
            waits[place] = (offset, since)
            if place[0] != CLOCK.name:  # a tick waits most of the time, and for nothing
                lag += behind
        self._waits[group] = waits
        return Standing(lag, self._moved.get(group), min((since for _, since in waits.values()), default=None))

    def _known_empty(self, place: Place, offset: int, end: int) -> bool:
        known = self._empty.get(place)
        return known is not None and known[0] <= offset and end <= known[1]

    def _nothing_between(self, place: Place, offset: int, end: int) -> bool:
        """Whether only marks of transactions stand there; looked up once for each pair of offsets, with a client that is made for it."""
        if self._holding.get(place) == offset:
            return False
        try:
            found = waiting(self._bootstrap, {place: offset})
        except KafkaException:
            return False
        if found is None:
            self._empty[place] = (offset, end)
        else:
            self._holding[place] = offset
        return found is None
