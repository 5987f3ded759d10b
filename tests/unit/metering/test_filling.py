"""The past is asked for again when it can not be read, and nobody waits for it."""

import threading
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from pipelines.metering import filling
from pipelines.metering.counter import Slice, Stand, UnreadableError
from pipelines.metering.coverage import Span, Work
from pipelines.metering.filling import Filling, Job
from pipelines.metering.pace import Pace
from pipelines.testing import until

JOB = Job(3, Work(Span(10, 50), frozenset({("catalogue", "product")})))


class Scripted:
    """Gives slices of ten offsets; the first `failures` jobs can not be read. `stuck`: a call does not come back before the end."""

    def __init__(self, failures: int = 0, *, stuck: bool = False) -> None:
        self.failures = failures
        self.stuck = stuck
        self.ended = threading.Event()
        self.began = 0

    def begin(self, behind: Mapping[int, int], wanted: AbstractSet[tuple[str, str]]) -> Stand:
        self.began += 1
        assert wanted == JOB.work.wanted
        if self.stuck:
            self.ended.wait()
            raise UnreadableError("ended")
        if self.began <= self.failures:
            raise UnreadableError("nobody answers")
        return Stand(len(behind), {})

    def gather(self, partition: int, span: Span, most: int, then: tuple[int, Span] | None) -> Slice:
        assert (partition, then, most) == (JOB.partition, None, 1_000)
        return Slice(span.start + 10, 10, 4)

    def count(self) -> list[tuple[int, bytes]]:
        return [(1, b"usage")]

    def rest(self) -> None:
        """Nothing to let go."""

    def close(self) -> None:
        self.ended.set()


def counted(made: Filling) -> filling.Counted | None:
    made.begin(JOB, None, {0: 1})
    until(lambda: made.done, "an answer")
    return made.take()


def test_a_job_ends_when_enough_concerns_what_is_missing() -> None:
    # given events of which four of ten concern the product
    made = Filling(Scripted(), Pace(1_000), 8, lambda: 0.0)

    found = counted(made)

    # then two slices are enough
    assert found == filling.Counted(Job(3, Work(Span(10, 30), JOB.work.wanted)), 20, [(1, b"usage")], Stand(1, {}))
    made.close()


def test_what_can_not_be_read_is_tried_again_later_and_later() -> None:
    made = Filling(Scripted(failures=3), Pace(1_000), 8, lambda: 0.0)
    made._again_s = 0.001

    # when the past can not be read three times
    assert [counted(made) for _ in range(3)] == [None, None, None]

    # then each time it waits twice as long, and not any more when it can be
    assert made._again_s == 0.008
    assert counted(made) is not None
    made.close()


def test_an_end_waits_for_nobody() -> None:
    # given somebody who counts and does not come back
    counter = Scripted(stuck=True)
    made = Filling(counter, Pace(1_000), 8, lambda: 0.0)
    made.begin(JOB, None, {})
    until(lambda: counter.began, "the call")

    # then the end ends the call
    made.close()
    assert made.take() is None


def test_a_meter_without_partitions_is_not_bound() -> None:
    # given a bound of no events, as when all partitions have left
    pace = Pace(1_000)
    pace.bound(0.0)

    pace.took(1.0, 100, 0.1)

    assert pace.rest_s(1.0) == 0
