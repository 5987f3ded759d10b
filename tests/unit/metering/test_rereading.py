"""The past comes slice by slice, whole and in order, and what comes next is read before it is asked for."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.metering.coverage import Span
from pipelines.metering.messages import Messages
from pipelines.metering.past import Portion
from pipelines.metering.rereading import Rereading

PATIENCE_S = 60.0


class Log:
    """Partitions in which every third offset has no event that counts, read in stretches of `most`."""

    def __init__(self, stretch: int) -> None:
        self.stretch = stretch
        self.asked: list[tuple[int, int]] = []

    def read(self, partition: int, span: Span, most: int) -> Portion:
        assert most > 0
        self.asked.append((partition, span.start))
        end = min(span.end, span.start + self.stretch)
        return Portion(messages(partition, [offset for offset in range(span.start, end) if offset % 3]), end)

    def close(self) -> None:
        """Nothing is open."""


def messages(partition: int, offsets: list[int]) -> Messages:
    count = len(offsets)
    values = [b"%d/%d" % (partition, offset) for offset in offsets]
    return Messages(values, [None] * count, np.full(count, partition, np.uint16), np.array(offsets, np.int64), np.full(count, 7, np.int64))


def reading(log: Any) -> Rereading:
    return Rereading(log)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=3), st.integers(1, 25), st.data())
def test_every_event_comes_once_and_in_order_whatever_is_taken_at_a_time(ends: list[int], stretch: int, data: st.DataObject) -> None:
    past = reading(Log(stretch))
    found: list[bytes | None] = []
    for partition, end in enumerate(ends):
        start = 0
        while start < end:
            span = Span(start, end)
            then = (partition + 1, Span(0, ends[partition + 1])) if partition + 1 < len(ends) else None
            assert past.ready(partition, span, PATIENCE_S, then)
            portion = past.take(partition, span, data.draw(st.integers(1, 20)))
            found += portion.messages.values
            assert portion.end > start
            start = portion.end
    past.close()
    assert found == [b"%d/%d" % (partition, offset) for partition, end in enumerate(ends) for offset in range(end) if offset % 3]


def test_the_next_partition_is_read_while_the_last_of_this_one_is_worked_on() -> None:
    log = Log(100)
    past = reading(log)
    assert past.ready(0, Span(0, 10), PATIENCE_S, (1, Span(5, 20)))
    assert past.take(0, Span(0, 10), 100).end == 10

    assert past.ready(1, Span(5, 20), PATIENCE_S)
    past.close()

    assert log.asked == [(0, 0), (1, 5)]


def test_what_was_read_ahead_in_vain_is_let_go() -> None:
    # given a reader that has gone on to another stretch than is wanted now
    past = reading(Log(4))
    assert past.ready(0, Span(0, 12), PATIENCE_S)
    past.take(0, Span(0, 12), 100)

    # when the partition is read anew from the front, as after a transaction that failed, then nothing is left out
    found: list[bytes | None] = []
    start = 0
    while start < 12:
        while not past.ready(0, Span(start, 12), PATIENCE_S):
            pass
        portion = past.take(0, Span(start, 12), 100)
        found += portion.messages.values
        start = portion.end
    past.close()
    assert found == [b"0/%d" % offset for offset in range(12) if offset % 3]
