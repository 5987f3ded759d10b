"""Slow is not stuck: a stage is stuck when nothing moves, or when one partition does not while others do for long. What waits is asked for once."""

import time

import pytest

from pipelines.local.watch import Standing, Watch
from pipelines.offsets import Place

MINUTE = 60.0
PLACE = ("metered-usage", 3)


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


def test_what_waits_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a partition in which a record waits at an offset that nobody commits behind
    looked: list[dict[Place, int]] = []

    def waiting(_: str, offsets: dict[Place, int]) -> Place | None:
        looked.append(offsets)
        return next(iter(offsets)) if offsets[PLACE] < 9 else None

    monkeypatch.setattr("pipelines.local.watch.waiting", waiting)
    monkeypatch.setattr("pipelines.local.watch.PEEK_AFTER_S", -1.0)
    watch = Watch("nowhere:1", [("group", (PLACE[0],))])
    # when the watch looks again and again, while more comes behind it
    found = [watch._compare("group", {PLACE: 5}, {PLACE: end}) for end in (6, 7, 8)]
    # then it has asked for that record once
    assert [each.lag for each in found] == [1, 2, 3]
    assert looked == [{PLACE: 5}]
    # and when the group goes on, it asks anew: here nothing but marks of transactions stand behind
    assert [watch._compare("group", {PLACE: 9}, {PLACE: 10}).lag for _ in range(2)] == [0, 0]
    assert looked == [{PLACE: 5}, {PLACE: 9}]
