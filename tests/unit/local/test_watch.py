"""Slow is not stuck: a stage is stuck when nothing moves, or when one partition does not while others do for long."""

import time

import pytest

from pipelines.local.watch import Standing

MINUTE = 60.0


@pytest.mark.parametrize(
    ("waiting_s", "moved_s", "alive_s", "stuck"),
    (
        (None, 3600, 7200, False),  # idle for an hour: nothing waits
        (30, 3600, 7200, False),  # something has come in just now
        (3 * MINUTE, 3600, 7200, True),  # nothing was committed since
        (3 * MINUTE, 1, 7200, False),  # others move: it may be slow
        (11 * MINUTE, 1, 7200, True),  # so slow is nobody
        (11 * MINUTE, 3600, 30, False),  # it was started just now
        (3 * MINUTE, None, 7200, True),  # has never committed
    ),
)
def test_stuck(waiting_s: float | None, moved_s: float | None, alive_s: float, stuck: bool) -> None:
    now = time.time()
    standing = Standing(7, None if moved_s is None else now - moved_s, None if waiting_s is None else time.monotonic() - waiting_s)
    assert standing.stuck(2 * MINUTE, 10 * MINUTE, alive_s) is stuck
