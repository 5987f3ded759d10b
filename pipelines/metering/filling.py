"""The past counted beside live events, on a thread that has it done (`apart.py`), so that METER waits for nothing.

A job is the beginning of one stretch that products lack. It is gathered in slices, between which the past rests as `Pace` says, and counted
when enough is gathered: RATE is told one delta of a customer and window, however many events it is of. What a job comes to is committed by METER's
own thread, if it is still what is missing first.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple, Protocol

from pipelines.metering.counter import Slice, Stand, UnreadableError
from pipelines.metering.coverage import Span, Work
from pipelines.metering.pace import Pace

log = logging.getLogger("taximeter.meter")

LOOK_S: Final = 0.05
"""A job that rests looks so often whether it is still wanted."""
MOST: Final = 500_000
"""Events of a job at most, also when few of them concern its products: so much is read again when a job is of no use."""
AGAIN_S: Final = 1.0
"""From a job that failed to the next; twice as long after each that fails."""
MOST_AGAIN_S: Final = 60.0


class Counting(Protocol):
    """What a `Counter` does, wherever it does it."""

    def begin(self, behind: Mapping[int, int], wanted: AbstractSet[tuple[str, str]]) -> Stand: ...
    def gather(self, partition: int, span: Span, most: int, then: tuple[int, Span] | None) -> Slice: ...
    def count(self) -> list[tuple[int, bytes]]: ...
    def rest(self) -> None: ...
    def close(self) -> None: ...


class Job(NamedTuple):
    """What is counted: of one partition the beginning of a stretch, or all of it."""

    partition: int
    work: Work


class Counted(NamedTuple):
    """What a job has come to."""

    job: Job
    """With the stretch that is counted."""
    events: int
    metered: list[tuple[int, bytes]]
    """Records of metered-usage by partition."""
    stand: Stand
    """The documents under which it is counted."""


class Filling:
    """One job at a time. For one thread, which is not the one that has it counted."""

    def __init__(self, counter: Counting, pace: Pace, whole: int, lag_s: Callable[[], float]) -> None:
        """`whole`: about so many events that concern what is missing are counted together; `lag_s`: how far RATE is behind."""
        self._counter = counter
        self._pace = pace
        self._whole = whole
        self._lag_s = lag_s
        self._thread = ThreadPoolExecutor(1, "meter-past")
        self._unwanted = threading.Event()
        self._again_s = AGAIN_S
        self._answer: Future[Counted | None] | None = None
        self.job: Job | None = None
        """What was begun and not taken yet."""

    def begin(self, job: Job, then: tuple[int, Span] | None, behind: Mapping[int, int]) -> None:
        """Count it, under documents as of these offsets of contract-changes at least; of `then` the first is read meanwhile. Only when there is no other `job`."""
        self.job = job
        self._unwanted.clear()
        self._answer = self._thread.submit(self._patiently, job, then, dict(behind))

    def rest(self) -> None:
        """There is nothing to count."""
        if self.job is None:
            self._counter.rest()

    def drop(self) -> None:
        """Nobody wants to know any more."""
        self._unwanted.set()

    @property
    def done(self) -> bool:
        """`take` has something to tell."""
        return self._answer is not None and self._answer.done()

    def take(self) -> Counted | None:
        """What the job has come to, when it is `done`; nothing when it was dropped, or when the past can not be read now."""
        answer, self._answer, self.job = self._answer, None, None
        return None if answer is None else answer.result()

    def close(self) -> None:
        """A job that is under way ends with who counts it."""
        self.drop()
        self._counter.close()
        self._thread.shutdown()

    def _patiently(self, job: Job, then: tuple[int, Span] | None, behind: Mapping[int, int]) -> Counted | None:
        try:
            counted = self._count(job, then, behind)
        except UnreadableError as error:
            if not self._unwanted.is_set():
                log.warning("the past of usage-events[%d] can not be read (%s): once more in %.0f s, live usage goes on", job.partition, error, self._again_s)
                self._unwanted.wait(self._again_s)
                self._again_s = min(2 * self._again_s, MOST_AGAIN_S)
            return None
        if counted is not None and self._again_s > AGAIN_S:
            log.warning("the past can be read again: going on")
            self._again_s = AGAIN_S
        return counted

    def _count(self, job: Job, then: tuple[int, Span] | None, behind: Mapping[int, int]) -> Counted | None:
        span, wanted = job.work
        stand = self._counter.begin(behind, wanted)
        at, events, concerned = span.start, 0, 0
        while concerned < self._whole and at < span.end and events < MOST:
            if not self._turn():
                return None
            began = time.monotonic()
            end, count, some = self._counter.gather(job.partition, Span(at, span.end), self._pace.portion(), then)
            self._pace.took(time.monotonic(), count, time.monotonic() - began)
            at, events, concerned = end, events + count, concerned + some
        metered = self._counter.count() if concerned else []
        return Counted(Job(job.partition, Work(Span(span.start, at), wanted)), events, metered, stand)

    def _turn(self) -> bool:
        """Rest; whether the job is still wanted."""
        now = time.monotonic()
        self._pace.behind(now, self._lag_s())
        while rest_s := self._pace.rest_s(time.monotonic()):
            if self._unwanted.wait(min(rest_s, LOOK_S)):
                return False
        return not self._unwanted.is_set()
