"""How much of the past a turn takes: as much as a slice of time has room for, within a bound."""

from hypothesis import given
from hypothesis import strategies as st

from pipelines.metering.pace import BURST_S, LEAST, LIVE_S, MOST, SLICE_S, Pace


def test_without_live_events_a_turn_takes_all_it_may() -> None:
    pace = Pace(50_000)

    assert pace.portion(100.0) == 50_000


@given(st.floats(1e-7, 4e-5))
def test_beside_live_events_a_portion_takes_a_slice_of_time(an_event_s: float) -> None:
    # given a machine that takes so long for an event
    pace = Pace(50_000)
    now = 0.0
    for _ in range(60):
        pace.live(now)
        size = pace.portion(now)
        now += size * an_event_s
        pace.took(now, size, size * an_event_s)

    # then a portion fits into the slice, within what is sensible
    expected = min(max(LEAST, SLICE_S / an_event_s), MOST)
    assert abs(pace.portion(now) - expected) <= expected * 0.05 + 1

    # and grows when no live events come any more
    assert pace.portion(now + LIVE_S) == 50_000


@given(st.integers(1, 100_000), st.floats(0, 1e-4))
def test_a_bound_holds_over_any_length_of_time(per_second: int, an_event_s: float) -> None:
    # given a bound, and turns as soon as it allows them
    pace = Pace(50_000)
    pace.bound(per_second)
    now, taken = 50.0, 0
    started = now
    for _ in range(50):
        now += pace.rest_s(now)
        size = pace.portion(now)
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
