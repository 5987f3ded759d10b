"""When the past takes its turn, and how much of it."""

from hypothesis import given
from hypothesis import strategies as st

from pipelines.metering.pace import BEHIND_S, BURST_S, LEAST_SHARE, LIVE_S, LOOK_S, Pace


def test_without_a_bound_a_turn_takes_all_it_may() -> None:
    pace = Pace(50_000)

    assert pace.portion() == 50_000
    assert pace.rest_s(100.0) == 0


@given(st.integers(1, 100_000), st.floats(0, 1e-4))
def test_a_bound_holds_over_any_length_of_time(per_second: int, an_event_s: float) -> None:
    # given a bound, and turns as soon as it allows them
    pace = Pace(50_000)
    pace.bound(per_second)
    now, taken = 50.0, 0
    started = now
    for _ in range(50):
        now += pace.rest_s(now)
        size = pace.portion()
        now += size * an_event_s
        pace.took(now, size, size * an_event_s)
        taken += size

    # then it is kept, but for what is made up for at once; and most of it is used where the work itself allows it
    now += pace.rest_s(now)
    assert taken <= per_second * (now - started + BURST_S) + 2
    if an_event_s * per_second < 0.5:
        assert taken >= per_second * (now - started) * 0.8


def test_a_bound_that_is_taken_away_binds_no_more() -> None:
    pace = Pace(50_000)
    pace.bound(10)
    pace.took(0.0, 1_000, 0.1)
    assert pace.rest_s(0.0) > 90

    pace.bound(None)

    assert pace.rest_s(0.0) == 0


def test_the_past_rests_while_rate_is_behind_and_takes_all_its_time_when_it_is_not() -> None:
    # given RATE that comes behind as long as the past takes more than a third of the time, and catches up else
    pace = Pace(50_000)
    now, lag, taken = 0.0, 0.0, 0.0
    for _ in range(2_000):
        pace.live(now)
        pace.behind(now, lag)
        began = now
        now += 0.08
        pace.took(now, 20_000, 0.08)
        now += pace.rest_s(now) + 0.01
        lag = max(0.0, lag + 0.08 - (now - began) / 3)
        taken += 0.08

    # then RATE stays near its bound, and the past has about its third
    assert lag < 3 * BEHIND_S
    assert 0.2 < taken / now < 0.4

    # and all of its time, when RATE is not behind any more
    for _ in range(20):
        now += LOOK_S
        pace.live(now)
        pace.behind(now, 0.0)
    pace.took(now, 20_000, 0.08)
    assert pace.rest_s(now) == 0


def test_the_past_goes_on_though_rate_is_down_and_does_not_rest_when_nothing_comes() -> None:
    pace = Pace(50_000)
    now = 0.0
    for step in range(100):
        now += LOOK_S
        pace.live(now)
        pace.behind(now, float(step))
    pace.took(now, 20_000, 0.08)

    assert 0 < pace.rest_s(now) <= 0.08 / LEAST_SHARE
    assert pace.rest_s(now + LIVE_S) == 0
