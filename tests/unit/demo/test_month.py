import itertools
from collections import Counter

from taximeter.demo.month import DAY_MS, DAYS, EVENTS, START_MS, STREAMS, month


def test_the_month_adds_up_exactly() -> None:
    events = list(month())
    sums: Counter[tuple[str, str | None]] = Counter()
    for event in events:
        for counted in ("calls", "tokens", "images"):
            if counted in event.properties:
                sums[counted, event.properties.get("model")] += int(event.properties[counted])
    assert sums == {(stream.counted, stream.fixed.get("model")): stream.total for stream in STREAMS}
    assert len(events) == EVENTS >= 200_000


def test_events_come_in_order_of_arrival_soon_after_they_happened_and_inside_the_month() -> None:
    events = list(month())
    assert all(before.arrived_ms <= after.arrived_ms for before, after in itertools.pairwise(events))
    assert all(0 < event.arrived_ms - event.timestamp_ms <= 2_000 for event in events)
    assert events[0].timestamp_ms >= START_MS
    assert events[-1].arrived_ms < START_MS + DAYS * DAY_MS


def test_images_stop_before_the_price_changes() -> None:
    assert max(event.timestamp_ms for event in month() if event.event_type == "image") < START_MS + 14 * DAY_MS


def test_price_change_cuts_the_month_where_the_totals_need_it() -> None:
    before: Counter[str] = Counter()
    for event in month():
        if event.timestamp_ms < START_MS + 14 * DAY_MS and event.event_type == "api_call":
            before["calls"] += int(event.properties["calls"])
    assert before["calls"] == 1_400_000


def test_same_seed_same_month() -> None:
    assert next(month(7)) == next(month(7))
    assert list(month(7)) != list(month(8))
